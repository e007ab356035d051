"""`python -m services.registry [--role api,relay]`"""

from __future__ import annotations

from shared.process.serve import run

if __name__ == "__main__":
    run("registry")
