"""Segment -> step -> run, memory, and the metrics they end in.

`segment/` plays a pass on a device's streams and sums passes into pipeline stages; `step/` plays the schedule and cuts
its timeline into parts; `memory/` says what a device holds; `inspect/` shows a step from inside; `run.py` goes from a
step to the whole training, `run_clock/` plays it with failures; `serving/` answers requests.
"""

PHYSICS_VERSION = "8"  # a name for people; what stored points depend on is studies/sweeps/code_digest.py
