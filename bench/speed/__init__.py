"""How fast the projectors fold a log, beside ceilings and peers: `python -m bench.speed`."""
