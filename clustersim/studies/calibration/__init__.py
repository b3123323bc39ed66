"""Fitting a software stack to measured runs, and how far it errs on what it has not seen."""
