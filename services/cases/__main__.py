"""`python -m services.cases [--role api,relay,consumer,clocks]`"""

from __future__ import annotations

from shared.process.serve import run

if __name__ == "__main__":
    run("cases")
