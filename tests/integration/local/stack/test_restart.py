"""A stack is stopped and started again in its folder: nothing is left running, and generations of older rules are folded anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.local import stack as stacks
from deploy.local.child import ProcessIdentity
from deploy.local.servers.postgres import PostgresServer
from tests.e2e.platform import Platform, parkunion, until
from tests.integration.local.stack.test_generations import generations

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Restart:
    """The stack before `down`, what the commands answered, and figures and day right after `up`."""

    figures: dict[str, dict[str, Any]]
    generations: set[int]
    today: str
    left: list[ProcessIdentity]
    codes: tuple[int, int, int]
    figures_after: dict[str, dict[str, Any]]
    today_after: str


@pytest.fixture(scope="module")
def restart(platform: Platform) -> Restart:
    """The serving generation is given the version of older rules; then `down`, `status`, `up`."""
    figures, today = platform.figures(by="park"), platform.status()["today"]
    before = {row["id"] for row in generations(platform)}
    postgres = PostgresServer(platform.data / "postgres", stacks.load(platform.data).content["postgres"]["port"], platform.data / "keys")
    postgres.execute("UPDATE generations SET fold_version = fold_version - 1 WHERE status = 'serving'", "parkunion_metrics")
    written = json.loads((platform.data / "stack.json").read_text())
    known = [ProcessIdentity(pid, started) for pid, started in [written["supervisor"], *written["processes"]]]
    down = parkunion("down", "--data", platform.data, check=False).returncode
    left = [each for each in known if each.alive()]
    status = parkunion("status", "--data", platform.data, check=False).returncode
    up = parkunion("up", "--detach", "--data", platform.data, check=False).returncode
    return Restart(figures, before, today, left, (down, status, up), platform.figures(by="park"), platform.status()["today"])


def test_down_leaves_no_process_and_a_start_goes_on(restart: Restart) -> None:
    assert restart.codes == (0, 3, 0)
    assert not restart.left
    assert restart.today_after == restart.today


def test_a_folder_of_older_rules_is_folded_anew_by_its_start(platform: Platform, restart: Restart) -> None:
    assert restart.figures_after == restart.figures

    def renewed() -> bool:
        (serving,) = [row for row in generations(platform) if row["status"] == "serving"]
        return serving["id"] not in restart.generations

    until(renewed, "another generation serves")
    until(platform.settled, "everything projected")
    assert platform.figures(by="park") == restart.figures
    assert "folded anew" in parkunion("logs", "supervisor", "--data", platform.data).stdout
    assert parkunion("audit", "--data", platform.data).returncode == 0
