"""What an activation costs: one command, one table, and ratios measured in one run (`python -m benchmarks`)."""
