"""`python -m tests.training_service [--role api,relay,consumer]`"""

from __future__ import annotations

from shared.contracts import add_types
from shared.process.serve import run
from tests.training_service import contracts

if __name__ == "__main__":
    add_types(contracts.TYPES)
    run("training", package="tests.training_service")
