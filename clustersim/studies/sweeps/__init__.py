"""Sweeps over many points, and the store of their results."""
