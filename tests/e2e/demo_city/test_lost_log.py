"""A broker that lost everything: `reconcile` names what is lost, `relay republish` writes it again, the figures stay."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.demo_city.conftest import LAST_DAY, SCENARIO, Done, by_area, counts
from tests.e2e.journals import journals
from tests.e2e.platform import Platform, parkunion, run_in_process, until


def reconcile(folder: Path, code: int) -> dict[str, Any]:
    answer = run_in_process("reconcile", "--json", "--data", folder)
    assert answer.returncode == code, answer.stdout + answer.stderr
    content: dict[str, Any] = json.loads(answer.stdout)
    return content


def figures(platform: Platform) -> dict[str, dict[str, Any]]:
    return counts(platform.figures(by="park", as_of=LAST_DAY))


@pytest.mark.slow
@pytest.mark.invariant("I1")
def test_a_broker_whose_folder_was_wiped_gets_everything_again(done: Done) -> None:
    platform, folder = done.platform, done.platform.data
    wanted = by_area(asyncio.run(journals(platform)), SCENARIO.last_day, len("330203-P001"))
    until(platform.settled, "settled")
    assert figures(platform) == wanted
    whole = reconcile(folder, 0)
    assert whole["found"] == 0
    assert all(found["journal"] == found["log"] > 0 for found in whole["services"].values())

    platform.stop()
    shutil.rmtree(folder / "kafka")
    platform = Platform.start(folder)
    lost = reconcile(folder, 1)
    for name, found in lost["services"].items():
        assert found["made_anew"], name
        assert (found["log"], len(found["missing"])) == (0, found["journal"]), name
        assert found["journal"] == whole["services"][name]["journal"], name
    told = run_in_process("reconcile", "--data", folder)
    assert told.returncode == 1
    assert "relay republish registry" in told.stdout
    assert platform.get("registry", "/readyz").json()["checks"]["relay"].startswith("stopped: ")
    assert platform.get("metrics", "/readyz").status_code == 503
    compared = parkunion("audit", "--data", folder, check=False)
    assert (compared.returncode, compared.stdout) == (4, "")
    assert "relay republish" in compared.stderr
    said = platform.post("registry", "/v1/areas", {"code": "D", "name": "示例区", "kind": "division", "parent": None})
    assert said.status_code == 201
    assert figures(platform) == wanted

    for service in lost["services"]:
        assert run_in_process("relay", "republish", service, "--data", folder).returncode == 0
    until(lambda: platform.get("registry", "/readyz").json()["checks"]["relay"] == "ok", "the relay goes on")
    until(platform.settled, "settled again")
    again = reconcile(folder, 0)
    assert again["services"]["registry"]["log"] == whole["services"]["registry"]["log"] + 1
    assert figures(platform) == wanted
    assert platform.post("registry", "/v1/areas", {"code": "D1", "name": "示例园", "kind": "park", "parent": "D"}).status_code == 201
    body = {"name": "示例企业", "park": "D1", "settled_on": "2021-01-02"}
    assert platform.post("registry", "/v1/enterprises", body).status_code == 201
    until(lambda: platform.figures(area="D", as_of=LAST_DAY)["all"]["units"] == 1, "new events flow")
    until(platform.settled, "settled")
    assert all(service["held"] == 0 for service in platform.status()["services"].values())
    assert parkunion("audit", "--data", folder).returncode == 0


def test_commands_say_what_is_wrong(tmp_path: Path) -> None:
    none = run_in_process("reconcile", "--data", tmp_path / "stack")
    assert none.returncode == 3
    assert " / " in none.stderr
