"""The program of docs/how-to/consume-the-events.md, as it stands there, reads what a running stack has published."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.local.folder import ROOT
from tests.e2e.city.conftest import City
from tests.e2e.platform import until

HOW_TO = ROOT / "docs" / "how-to" / "consume-the-events.md"


def consumed(city: City, program: Path) -> dict[str, Any]:
    """What the program prints."""
    kafka = city.platform.status()["kafka"]["bootstrap"]
    done = subprocess.run([sys.executable, program, kafka], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_python_recipe_counts_the_facts_that_hold(city: City, tmp_path: Path) -> None:
    [text] = re.findall(r"```python\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    program = tmp_path / "consume.py"
    program.write_text(text, "utf-8")
    before = consumed(city, program)
    assert (before["repeats"], before["held"]) == (0, 0)
    assert before["facts"]["member-joined"] >= 2
    _a_corrected_life(city)
    after = consumed(city, program)
    assert (after["repeats"], after["held"]) == (0, 0)
    assert after["events"] - before["events"] >= 7
    more = {kind: count - before["facts"].get(kind, 0) for kind, count in after["facts"].items()}
    assert {kind: count for kind, count in more.items() if count} == {"enterprise-registered": 1, "headcount-reported": 1}


def _a_corrected_life(city: City) -> None:
    """An enterprise with three headcounts: one is corrected, one never was, one is withdrawn. Seven events, two facts."""
    platform = city.platform
    body = {"name": "更正示例厂", "park": "C1-P001", "settled_on": "2024-01-02"}
    enterprise = platform.accepted("registry", "/v1/enterprises", body)
    told = [
        platform.accepted("registry", f"/v1/enterprises/{enterprise['id']}/headcounts", {"on": f"2024-0{month}-01", "workers": month})
        for month in (2, 3, 4)
    ]
    for count, data in ((told[0], {"workers": 20}), (told[1], None)):
        platform.accepted("registry", "/v1/corrections", {"corrects": count["event_ids"][0], "reason": "typo", "data": data})
    last = told[2]["sequence"]
    withdrawal = {"subject": enterprise["subject"], "from": last, "to": last, "reason": "test_data"}
    platform.accepted("registry", "/v1/withdrawals", withdrawal)
    until(platform.settled, "everything published")
