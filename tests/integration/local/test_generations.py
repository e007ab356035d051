"""The commands about generations on a running stack, and what a start does with a folder whose figures follow older rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import stack as stacks
from deploy.local.child import wait_for
from deploy.local.servers.postgres import PostgresServer
from deploy.local.supervising.processes import PARTITIONS
from tests.e2e.platform import Platform, asked, parkunion, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform.start(tmp_path_factory.mktemp("generations") / "stack")
    try:
        for code, kind, parent in (("C", "division", None), ("C-P001", "park", "C")):
            platform.say("registry", "/v1/areas", {"code": code, "name": f"示例{code}", "kind": kind, "parent": parent}).raise_for_status()
        for number in range(3):
            body = {"name": f"示例企业{number}", "park": "C-P001", "settled_on": "2024-01-02"}
            made = platform.say("registry", "/v1/enterprises", body).raise_for_status().json()["id"]
            platform.say("registry", f"/v1/enterprises/{made}/headcounts", {"on": "2024-02-01", "workers": 40}).raise_for_status()
        until(platform.settled, "everything projected")
        yield platform
    finally:
        platform.stop()


def generations(platform: Platform) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(parkunion("generations", "--json", "--data", platform.data).stdout)
    return found


@pytest.mark.parametrize("command", ["audit", "rebuild", "generations", "switch", "rollback"])
def test_without_a_stack_every_command_says_so_in_one_line(tmp_path: Path, command: str) -> None:
    answer = asked(command, "--data", tmp_path / "none")
    assert (answer.returncode, answer.stdout, len(answer.stderr.strip().splitlines())) == (3, "", 1)


def test_audit_rebuild_switch_and_rollback(platform: Platform) -> None:
    audited = parkunion("audit", "--json", "--data", platform.data)
    report = json.loads(audited.stdout)
    said = 8 + 2 * PARTITIONS  # both sources have closed yesterday
    assert (report["differences"], report["different"], report["parked"], report["events"]) == (0, [], [], said)
    assert "equal to the log" in parkunion("audit", "--data", platform.data).stdout

    built = parkunion("rebuild", "--data", platform.data)
    made = generations(platform)[-1]
    assert f"next: switch {made['id']}" in built.stdout
    assert (made["status"], made["built"], made["lag"]) == ("building", True, 0)
    figures = platform.figures(by="park")
    assert f"generation {made['id']} serves now" in parkunion("switch", "--data", platform.data).stdout
    assert platform.figures(by="park") == figures
    assert parkunion("audit", "--data", platform.data).returncode == 0
    refused = parkunion("switch", str(made["id"]), "--data", platform.data, check=False)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (4, 1)
    parkunion("rollback", "--data", platform.data)
    assert [row["status"] for row in generations(platform)] == ["serving", "retired"]


def test_a_folder_of_older_rules_is_folded_anew_by_its_start(platform: Platform) -> None:
    figures = platform.figures(by="park")
    before = {row["id"] for row in generations(platform)}
    postgres = PostgresServer(platform.data / "postgres", stacks.load(platform.data).content["postgres"]["port"], platform.data / "keys")
    postgres.execute("UPDATE generations SET fold_version = fold_version - 1 WHERE status = 'serving'", "parkunion_metrics")
    parkunion("down", "--data", platform.data)
    parkunion("up", "--detach", "--data", platform.data)
    assert platform.figures(by="park") == figures

    def renewed() -> bool:
        (serving,) = [row for row in generations(platform) if row["status"] == "serving"]
        return serving["id"] not in before

    assert wait_for(renewed, 60)
    until(platform.settled, "everything projected")
    assert platform.figures(by="park") == figures
    assert "folded anew" in parkunion("logs", "supervisor", "--data", platform.data).stdout
    assert parkunion("audit", "--data", platform.data).returncode == 0
