"""What a played step looks like from inside: where time goes, links, one pass, memory over time."""
