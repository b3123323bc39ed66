"""The run clock: months of training as a SimPy simulation of interruptions, and the closed form it is tested against.

`plan.py` says what happens how often and how long it takes; `cycle.py` is the arithmetic of checkpoints; `job.py` is
the training process, `causes.py` are the processes that interrupt it, `nodes.py` the spares and repairs, `ledger.py`
where the time went; `play.py` plays a run of a seed; `expected.py` and `intervals.py` are closed forms.
"""
