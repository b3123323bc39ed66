"""Many simulations: sweeps and their store, the search for layouts, validation, claims."""
