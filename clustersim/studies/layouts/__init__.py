"""The search for the best layout, and what would make one fit."""
