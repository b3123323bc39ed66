"""What a device holds: states and activations, and the peak of every stage."""
