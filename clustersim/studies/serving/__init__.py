"""What serving costs, and whether published rates and prices hold."""
