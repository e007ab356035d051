"""Plugs that are pulled and put in again: work goes on, and the figures come out the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.folder import ROOT
from tests.e2e.city.conftest import City
from tests.e2e.platform import Platform, parkunion, rows_of_the_sample, until
from tests.oracle_nlrb import COUNTS, expected


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform.start(tmp_path_factory.mktemp("kills") / "stack")
    yield running
    running.discard()


@pytest.mark.slow
@pytest.mark.endurance
@pytest.mark.invariant("I1")
def test_processes_killed_at_random_during_the_load_change_no_figure(platform: Platform, tmp_path: Path) -> None:
    seed = int(os.environ.get("PARKUNION_SEED", random.randrange(2**32)))
    print(f"PARKUNION_SEED={seed}")
    chance = random.Random(seed)
    sample = rows_of_the_sample(tmp_path / "sample.csv", every=4)
    command = [str(ROOT / "parkunion"), "import", "nlrb", str(sample), "--data", str(platform.data)]
    load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    killed: list[str] = []
    while load.poll() is None and len(killed) < 12:
        time.sleep(chance.uniform(0.2, 0.9))
        services = platform.status()["services"]
        name, role, pid = chance.choice(
            [(n, r, p) for n, service in services.items() for r, pids in service["roles"].items() for p in pids]
        )
        os.kill(pid, signal.SIGKILL)
        killed.append(f"{name}.{role}")
    output = load.communicate(timeout=240)[0]
    print(f"killed: {killed}", output, sep="\n")
    assert load.returncode == 0, "rows were refused, or the load ended early"
    assert len(killed) >= 3, "the load ended before anything was killed"
    until(platform.settled, f"settled after {killed}")
    wanted = expected(sample, "2021-12-31")
    found = platform.figures(by="district", as_of="2021-12-31")
    assert {area: {name: row[name] for name in COUNTS} for area, row in found.items()} == wanted, killed
    assert all(service["held"] == 0 for service in platform.status()["services"].values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "role"),
    [
        ("registry", "relay"),
        pytest.param("registry", "api", marks=pytest.mark.endurance),
        pytest.param("membership", "consumer", marks=pytest.mark.endurance),
        pytest.param("metrics", "api", marks=pytest.mark.endurance),
        pytest.param("metrics", "projector", marks=pytest.mark.endurance),
    ],
)
def test_a_process_that_stands_still_is_replaced_and_work_goes_on(city: City, service: str, role: str) -> None:
    platform = city.platform
    (before,) = pids(platform, service, role)
    os.kill(before, signal.SIGSTOP)
    until(lambda: pids(platform, service, role) not in ([], [before]), "another process is there")
    assert not psutil.pid_exists(before)
    until(platform.settled, "it works")
    code = f"F-{service}-{role}"
    answer = platform.post("registry", "/v1/areas", {"code": code, "name": "示例", "kind": "division", "parent": None})
    assert answer.status_code == 201
    until(lambda: platform.get("metrics", "/v1/coverage", area=code).status_code == 200, "the new area is known to metrics")


def pids(platform: Platform, service: str, role: str) -> list[int]:
    found: list[int] = platform.status()["services"][service]["roles"][role]
    return found


@pytest.mark.slow
def test_commands_go_on_while_kafka_stands_still_and_the_page_says_how_old_it_is(city: City) -> None:
    platform = city.platform
    for body in (
        {"code": "D", "name": "示例区", "kind": "division", "parent": None},
        {"code": "D-P001", "name": "示例园", "kind": "park", "parent": "D"},
    ):
        assert platform.post("registry", "/v1/areas", body).status_code == 201
    until(platform.settled, "areas projected")
    broker = platform.status()["kafka"]["pid"]
    os.kill(broker, signal.SIGSTOP)
    try:
        names = [f"示例企业{n}" for n in range(5)]
        for name in names:
            answer = platform.post("registry", "/v1/enterprises", {"name": name, "park": "D-P001", "settled_on": "2024-01-02"})
            assert answer.status_code == 201
        assert platform.figures(area="D")["all"]["units"] == 0
        until(lambda: platform.status()["services"]["registry"]["outbox"] == 5, "the outbox grows and is shown")
        address = parkunion("dashboard", "--data", platform.data).stdout.strip()
        with httpx.Client(follow_redirects=True, trust_env=False, timeout=30) as browser:
            browser.get(address)
            until(lambda: "data-stale" in browser.get(platform.url("metrics") + "/areas/D").text, "the page says that its data is old")
    finally:
        os.kill(broker, signal.SIGCONT)
    until(lambda: platform.figures(area="D")["all"]["units"] == 5, "caught up")
    until(platform.settled, "drained")
