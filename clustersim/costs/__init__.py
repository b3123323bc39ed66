"""How long each operation takes on this hardware with this software stack. Seconds start here.

One file a kind of operation: `gemm.py`, `attention.py`, `memory_bound.py`, `collectives.py`. `placement.py` says which
network tier each parallel group spans; `machine.py` prices any operation of a pass. Formulas take floats or arrays.
"""
