"""How fast events reach subscribers: `.venv/bin/python -m bench.deliveries`."""
