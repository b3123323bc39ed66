"""What a pass computes, moves, stores and sends: FLOPs, bytes, messages, states. No seconds, no order in time.

The way in: `blocks.py` lists the elements of a transformer layer (with `self_attention.py`, `feed_forward.py` and
`experts.py`); `elements.py`, `linear.py` and `attention.py` say what each element does forward and backward;
`passes.py` strings them into a pass. `flops.py` and `parameters.py` count what a model is; `states.py` what
a device stores. Every size may be a float or a NumPy array, so that one formula serves one layout or many.
"""
