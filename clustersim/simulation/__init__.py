"""Segment -> step -> run, memory, and the metrics they end in.

`segment.py` plays a pass on a device's streams; `stages.py` sums passes into pipeline stages; `step.py` plays the
schedule; `memory.py` says what a device holds, `memory_timeline.py` when; `metrics.py` and `breakdown.py` read the
timeline; `run.py` goes from a step to the whole training.
"""

PHYSICS_VERSION = "8"  # changes whenever a prediction can move, so that stored sweep points are not mixed
