"""What a pass computes, moves, stores and sends: FLOPs, bytes, messages, states. No seconds, no order in time.

The way in: `layers/registry.py` maps the kinds of a model's layers to their types, each of which states in one file
(`attention.py`, `latent_attention.py`, `feed_forward.py`, `experts.py`) its matrices, its core, its elements in
training and in serving, and what it keeps; `layers/elements.py`, `linear.py` and `attention_cores.py` say what each
element does forward and backward. `blocks.py` lists the elements of layers and of the model's ends, `serving.py` those
of serving; `passes.py` strings them into a pass. `parameters.py` and `flops.py` are sums over matrices; `states.py`
says what a device stores. Every size may be a float or a NumPy array, so that one formula serves one layout or many.
"""
