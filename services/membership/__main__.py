"""`python -m services.membership [--role api,relay,consumer]`"""

from __future__ import annotations

from shared.process.serve import run

if __name__ == "__main__":
    run("membership")
