"""Several projectors divide the shards; whoever dies or stands still is replaced, and no figure suffers."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.folder import ROOT
from tests.e2e.platform import Platform, rows_of_the_sample, run_in_process, until
from tests.oracle_nlrb import COUNTS, expected

WORKERS = 5


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform.start(tmp_path_factory.mktemp("workers") / "stack", "--workers", str(WORKERS))
    yield running
    running.discard()


def pids(platform: Platform, service: str, role: str) -> list[int]:
    found: list[int] = platform.status()["services"][service]["roles"][role]
    return found


@pytest.mark.slow
@pytest.mark.endurance
@pytest.mark.invariant("I3")
def test_five_projectors_divide_the_shards_and_killed_or_frozen_ones_change_no_figure(platform: Platform, tmp_path: Path) -> None:
    assert len(pids(platform, "metrics", "projector")) == WORKERS
    until(lambda: platform.divided(WORKERS), "all shards divided over all workers")
    sample = rows_of_the_sample(tmp_path / "sample.csv", every=10)
    load = subprocess.Popen(
        [str(ROOT / "parkunion"), "import", "nlrb", str(sample), "--data", str(platform.data)], stderr=subprocess.DEVNULL
    )
    killed, frozen = pids(platform, "metrics", "projector")[:2]
    os.kill(killed, signal.SIGKILL)
    os.kill(frozen, signal.SIGSTOP)
    output = load.communicate(timeout=240)[0]
    assert load.returncode == 0, output
    until(lambda: not {killed, frozen} & set(pids(platform, "metrics", "projector")), "both are replaced")
    until(platform.settled, "everything projected")
    until(lambda: platform.divided(WORKERS), "the new ones take their part")
    figures = platform.figures(by="district", as_of="2021-12-31")
    assert {area: {name: row[name] for name in COUNTS} for area, row in figures.items()} == expected(sample, "2021-12-31")


@pytest.mark.parametrize("number", ["0", "13", "many"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(number: str, tmp_path: Path) -> None:
    refused = run_in_process("up", "--workers", number, "--data", tmp_path)
    assert refused.returncode == 2
    assert "--workers" in refused.stderr
