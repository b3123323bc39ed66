"""Measured runs, read from tables and logs."""
