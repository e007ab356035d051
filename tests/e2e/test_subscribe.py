"""docs/how-to/subscribe.md as it stands there: every block of it, one after the other, in a fresh folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from deploy.local.child import free_port
from deploy.local.folder import ROOT
from tests.in_memory import stack_in_memory

HOW_TO = ROOT / "docs" / "how-to" / "subscribe.md"
BLOCKS = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
OF_THE_PROJECT = ("parkunion", ".venv", "samples", "shared")
"""What the page uses of the project's folder."""
PORTS = ("8484", "8485")

pytestmark = pytest.mark.slow


def test_every_block_of_the_page_does_what_the_page_says(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in OF_THE_PROJECT:
        (tmp_path / name).symlink_to(ROOT / name)
    blocks = BLOCKS.findall(HOW_TO.read_text("utf-8"))
    programs = [text for language, text in blocks if language == "python"]
    commands = "\n".join(text for language, text in blocks if language == "sh")
    assert len(programs) == 2
    # A failing command ends the script; whatever it leaves running ends with the trap.
    script = f"set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true; ./parkunion down 2> /dev/null || true' EXIT\n{commands}"
    for port in PORTS:
        free = str(free_port())
        script, programs = script.replace(port, free), [text.replace(port, free) for text in programs]
    # A reader has time. The python3 of some machines is a script that looks for one, at each of the page's thirty calls.
    script = script.replace("sleep 1;", "sleep 0.2;")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    (tmp_path / "bureau.py").write_text(programs[0], "utf-8")
    with stack_in_memory(tmp_path_factory, "subscribe") as folder:
        environment = {**os.environ, "PARKUNION_DATA": str(folder / "stack"), "PATH": path}
        run = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}\n{(tmp_path / 'receiver.log').read_text('utf-8')}"
    assert "complete and unaltered" in run.stdout
    told, first = (tmp_path / "first.txt").read_text("utf-8").splitlines()
    assert (told.startswith("subscribed: "), json.loads(first)["deliverynumber"]) == (True, 1)
    [pulled] = json.loads((tmp_path / "page.json").read_text("utf-8"))["items"]
    assert set(pulled["data"]) == {"enterprise_id", "park", "district"}, "the default fields, no name"
    received = [json.loads(line) for line in (tmp_path / "received.ndjson").read_text("utf-8").splitlines()]
    assert sorted(one["deliverynumber"] for one in received if "deliverynumber" in one) == [1, 2, 3, 4]
    document = json.loads((ROOT / "docs" / "events" / "deliveries.json").read_text("utf-8"))
    for event in received:
        Draft202012Validator(
            {**document["components"]["messages"][event["type"]]["payload"], "components": document["components"]}
        ).validate(event)
    assert any(one["type"] == "parkunion.delivery-withheld.v1" for one in map(json.loads, _events(run.stdout)))


def _events(output: str) -> list[str]:
    """The events of a page that was printed."""
    return [
        json.dumps(one) for line in output.splitlines() if line.startswith('{"items":[{"specversion"') for one in json.loads(line)["items"]
    ]
