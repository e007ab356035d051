"""The memory of the whole stack at rest."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from bench.deliveries.house import DeliveryStack
from bench.deliveries.report import Result
from bench.stacks import ROOT

MOST = 1024.0
"""MiB."""
SETTLE = 5.0


def at_rest(stack: DeliveryStack) -> Result:
    """What `bench.memory` says of a stack to which nothing was sent yet."""
    time.sleep(SETTLE)
    program = [sys.executable, "-P", "-m", "bench.memory", "--data", str(stack.folder.path)]
    output = subprocess.run(program, check=True, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}).stdout
    found = json.loads(output)
    return Result("rest", {"sum_mib": found["sum_mib"], **found["mib"]}, f"<= {MOST:g} MiB", found["sum_mib"] <= MOST)
