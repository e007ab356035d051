"""How long an audit and a rebuild of the sample take: `.venv/bin/python -m bench.generations`, one line of JSON a step.

Own stack, ended at the end: the NLRB file through the APIs, then `audit`, `rebuild`, `switch`, and `audit` of the new generation.
"""

from __future__ import annotations

import json
import subprocess
import time

from bench import command
from bench.sample import SAMPLE, is_projected, print_step
from bench.stacks import ROOT, parkunion, temporary


def main() -> None:
    """Measure."""
    command.begin(command.options("bench.generations", __doc__))
    with temporary() as data:
        parkunion(data, "up", "--detach")
        parkunion(data, "import", "nlrb", str(SAMPLE))
        while not is_projected(data):
            time.sleep(0.1)
        for step in ("audit", "rebuild", "switch", "audit"):
            words = [step] if step == "switch" else [step, "--json"]
            began = time.perf_counter()
            done = subprocess.run([ROOT / "parkunion", "--data", data, *words], check=False, capture_output=True, text=True)
            found = json.loads(done.stdout) if step != "switch" else {}
            figures = {name: found.get(name) for name in ("events", "rows", "differences") if name in found}
            print_step(step, began, exit=done.returncode, **figures)


if __name__ == "__main__":
    main()
