"""How fast events reach subscribers: `python -m bench.deliveries`."""
