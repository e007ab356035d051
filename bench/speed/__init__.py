"""How fast the projectors fold a log, beside ceilings and peers: `.venv/bin/python -m bench.speed`."""
