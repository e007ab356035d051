"""`python -m services.metrics [--role api,projector]`"""

from __future__ import annotations

from shared.process.serve import run

if __name__ == "__main__":
    run("metrics")
