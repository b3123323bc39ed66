"""Timing kernels and collectives on the machine at hand, with PyTorch, in the form of the packaged kernels.csv."""
