"""What a user describes: hardware, network, model, training, layout, stack and scenario, read with units from YAML."""
