"""The catalog: YAML data with a source for every number. No code."""
