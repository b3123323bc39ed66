"""How long each operation takes on this hardware with this software stack. Seconds start here.

`gemm.py` has matrix products. A collective algorithm is one function that gives seconds and bytes by tier, registered
in `algorithms.py`: `reductions.py`, `exchanges.py`, `dispatchers.py`. `links.py` says what a device gets from a tier,
`placement.py` which tier each parallel group spans; `machine.py` prices any operation of a pass. Formulas take floats
or arrays.
"""
