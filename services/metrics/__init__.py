"""Metrics: keeps the coverage of every park from the events of the others, and answers questions about it."""
