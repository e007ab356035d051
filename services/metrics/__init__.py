"""Metrics: folds the other services' events into the coverage of every park, and serves it."""
