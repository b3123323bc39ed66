"""Predictions against measured runs, and the summaries of their errors."""
