"""Kernel costs against published kernel timings."""
