"""A stack is stopped and started again in its folder, twice: nothing is left running, generations of older rules are folded anew, clients stay.

The first time it is started with networks to which webhooks may go, the second time without.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from deploy.local import stack as stacks
from deploy.local.child import ProcessIdentity
from deploy.local.servers.postgres import PostgresServer
from tests.e2e.platform import Platform, parkunion, run_in_process, until
from tests.integration.local.stack.test_clients import claims
from tests.integration.local.stack.test_clients import known as known_clients
from tests.integration.local.stack.test_generations import generations

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Restart:
    """The stack before `down`, what the commands answered, and figures, day and clients right after `up`; the supervisor's words of both starts."""

    figures: dict[str, dict[str, Any]]
    generations: set[int]
    today: str
    left: list[ProcessIdentity]
    codes: tuple[int, int, int]
    figures_after: dict[str, dict[str, Any]]
    today_after: str
    clients: list[str]
    token: str
    words: tuple[list[str], list[str]]


@pytest.fixture(scope="module")
def restart(platform: Platform) -> Restart:
    """The serving generation is given the version of older rules; then `down`, `status`, `client add`, `up`. And once more `down`, `up`."""
    figures, today = platform.figures(by="park"), platform.status()["today"]
    before = {row["id"] for row in generations(platform)}
    postgres = PostgresServer(platform.data / "postgres", stacks.load(platform.data).content["postgres"]["port"], platform.data / "keys")
    postgres.execute("UPDATE generations SET fold_version = fold_version - 1 WHERE status = 'serving'", "parkunion_metrics")
    written = json.loads((platform.data / "stack.json").read_text())
    known = [ProcessIdentity(pid, started) for pid, started in [written["supervisor"], *written["processes"]]]
    down = parkunion("down", "--data", platform.data, check=False).returncode
    left = [each for each in known if each.alive()]
    status = parkunion("status", "--data", platform.data, check=False).returncode
    assert run_in_process("client", "add", "between", "--data", platform.data).returncode == 0
    networks = ("--allow-network", "127.0.0.0/8", "--allow-network", "fd00::/8")
    up = parkunion("up", "--detach", "--data", platform.data, *networks, check=False).returncode
    figures_after, today_after, clients, words = (
        platform.figures(by="park"),
        platform.status()["today"],
        known_clients(platform.data),
        words_of(platform),
    )
    token = run_in_process("token", "--client", "between", "--data", platform.data).stdout
    until(
        lambda: {row["id"] for row in generations(platform) if row["status"] == "serving"}.isdisjoint(before), "another generation serves"
    )
    parkunion("down", "--data", platform.data)
    parkunion("up", "--detach", "--data", platform.data)
    both = (words, words_of(platform))
    return Restart(figures, before, today, left, (down, status, up), figures_after, today_after, clients, token, both)


def words_of(platform: Platform) -> list[str]:
    supervisor = stacks.load(platform.data).supervisor()
    assert supervisor is not None
    return psutil.Process(supervisor.pid).cmdline()


def test_down_leaves_no_process_and_a_start_goes_on(restart: Restart) -> None:
    assert restart.codes == (0, 3, 0)
    assert not restart.left
    assert restart.today_after == restart.today


def test_a_folder_of_older_rules_is_folded_anew_by_its_start(platform: Platform, restart: Restart) -> None:
    assert restart.figures_after == restart.figures

    until(platform.settled, "everything projected")
    assert platform.figures(by="park") == restart.figures
    assert "folded anew" in parkunion("logs", "supervisor", "--data", platform.data).stdout
    assert parkunion("audit", "--data", platform.data).returncode == 0


def test_clients_outlive_a_restart_and_networks_are_of_one_start(restart: Restart) -> None:
    assert restart.clients == ["between", "bureau-C", "parkunion-local"]
    assert claims(restart.token)["sub"] == "between"
    first, second = restart.words
    assert first[-4:] == ["--allow-network", "127.0.0.0/8", "--allow-network", "fd00::/8"]
    assert "--allow-network" not in second
