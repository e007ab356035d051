"""`python -m services.subscriptions [--role api,fanout,delivery]`"""

from __future__ import annotations

from shared.process.serve import run

if __name__ == "__main__":
    run("subscriptions")
