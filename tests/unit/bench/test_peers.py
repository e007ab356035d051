"""The peers: how many processes a system has, what each is told, and which cells of a plan are possible."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.peers import java_environment, systems
from bench.peers.systems import SYSTEMS
from bench.speed import peering
from bench.speed.plans import PLANS, Cell
from bench.speed.stack import BenchStack
from bench.speed.workers import Worker
from shared.broker.protocol import Extent, Place
from tests.patience import PATIENCE

TOPICS = ("parkunion.registry.v1", "parkunion.membership.v1")
ENDS: dict[Place, Extent] = {(topic, number): Extent(0, 10 * number) for topic in TOPICS for number in range(4)}
TWICE = 'print("reading", flush=True); input(); print("stopped", flush=True); input(); print("reading", flush=True); input()'


def jobs(tmp_path: Path, system: str, warm: bool = False) -> list[dict[str, Any]]:
    stack = SimpleNamespace(folder=SimpleNamespace(path=tmp_path), bootstrap="127.0.0.1:1", dsn=lambda name: f"postgresql://a:b@h:5/{name}")
    return peering.jobs_of(cast(BenchStack, stack), ENDS, SYSTEMS[system], 2, warm)


def test_a_system_of_workers_divides_the_partitions_and_flink_has_all_in_one_process(tmp_path: Path) -> None:
    parts = [set(job["ends"][TOPICS[0]]) for job in jobs(tmp_path, "handwritten")]
    assert parts == [{0, 2}, {1, 3}]
    (only,) = jobs(tmp_path, "flink")
    assert (only["workers"], {topic: set(own) for topic, own in only["ends"].items()}) == (2, {name: {0, 1, 2, 3} for name in TOPICS})


def test_a_java_peer_is_told_its_job_and_where_its_table_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java_environment, "provide", lambda: "classes")
    for system, program in (("flink", "CoverageFlink"), ("kafka-streams", "CoverageStreams")):
        (job, *_) = jobs(tmp_path, system, warm=True)
        *_, path, name, told = systems.SYSTEMS[system].command(job)
        assert (path, name) == ("classes", program)
        assert json.loads(told) == {**job, "ends": json.loads(json.dumps(job["ends"])), "jdbc": json.loads(told)["jdbc"]}
        assert json.loads(told)["warm"] is True
        assert json.loads(told)["jdbc"].startswith(f"jdbc:postgresql://h:5/{peering.DATABASE}?user=a&password=b")


@pytest.mark.parametrize(("system", "kills"), [("parkunion", 0), ("handwritten", 0), ("quix", 0), ("flink", 1), ("kafka-streams", 2)])
def test_no_cell_is_warm_without_a_second_fold_or_with_kills(system: str, kills: int) -> None:
    with pytest.raises(ValueError, match="warm"):
        Cell(system=system, kills=kills, warm=True)


def test_every_plan_has_all_systems_and_the_full_one_the_java_peers_warm_and_all_with_kills() -> None:
    for plan in PLANS.values():
        cells = [cell for log in plan.logs for cell in log.cells if not cell.optional]
        assert {cell.system for cell in cells} == {"parkunion", *SYSTEMS}
    cells = [cell for log in PLANS["full"].logs for cell in log.cells]
    assert {cell.system for cell in cells if cell.warm} == {peer.system for peer in SYSTEMS.values() if peer.warm}
    assert {cell.system for cell in cells if cell.kills == 2} == {"parkunion", *SYSTEMS}


def test_the_lock_has_the_jars_that_are_named() -> None:
    assert set(java_environment.locked()) == set(java_environment.COORDINATES)


@pytest.fixture
def worker(tmp_path: Path) -> Any:
    made = Worker([sys.executable, "-c", TWICE], tmp_path / "log")
    yield made
    made.kill()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_warm_worker_ends_its_first_fold_when_told_and_begins_the_second(worker: Worker) -> None:
    until(lambda: worker.read_from is not None)
    first = worker.read_from
    worker.next()
    until(lambda: worker.stopped)
    assert worker.read_from is None
    worker.next()
    until(lambda: worker.read_from is not None)
    assert first is not None
    assert worker.read_from is not None
    assert worker.read_from > first


def test_a_killed_worker_does_not_read_until_it_says_so_again_and_began_when_it_first_did(worker: Worker) -> None:
    until(lambda: worker.reads_since is not None)
    first = worker.read_from
    worker.kill()
    worker.start()
    until(lambda: worker.reads_since is not None)
    assert worker.read_from == first
    assert worker.reads_since is not None
    assert first is not None
    assert worker.reads_since > first
