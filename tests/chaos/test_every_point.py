"""Struck at every named fault point in every way: killed, frozen, cancelled, failed; afterwards everything is there, once (I1).

Each point has the job that comes by it. Whoever was frozen wakes when another has done its work, and does no harm. `test_every_line.py` has
the point `line`; `make chaos` strikes all, `make test` a sample of them.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import get_args

import pytest

from shared.process import faults
from shared.process.faults import POINTS, Action
from tests.chaos.scenarios import (
    CLOSE,
    FOLLOW,
    LISTEN,
    PROJECT,
    REPUBLISH,
    SEND,
    SETTINGS,
    SPEAK,
    Scene,
    Work,
    do,
    ended,
    scene_of,
    stands_still,
)
from tests.conftest import NewDatabase

READERS = (LISTEN, FOLLOW, PROJECT)
WORKS: dict[str, tuple[Work, ...]] = {
    "command.locked": (SPEAK,),
    "journal.appended": (SPEAK,),
    "command.committed": (SPEAK,),
    "relay.read": (SEND,),
    "relay.acked": (SEND,),
    "relay.deleted": (SEND,),
    "relay.recovering": (SEND,),
    "republish.half": (REPUBLISH,),
    "closing.fenced": (CLOSE,),
    "closing.said": (CLOSE,),
    "reader.owned": READERS,
    "batch.moved": READERS,
    "batch.applied": READERS,
    "batch.before_commit": READERS,
    "batch.committed": READERS,
}
BEFORE = {"relay.recovering": "relay.acked:1:kill"}
"""What must have happened for the point to be reached."""
SAMPLE = 2
"""Blows of which `make test` chooses."""

BLOWS = [(point, work, action) for point, works in WORKS.items() for work in works for action in get_args(Action)]


def chosen() -> list[tuple[str, Work, Action]]:
    if SETTINGS.every_line:
        return BLOWS
    sample: list[tuple[str, Work, Action]] = random.Random(f"{SETTINGS.seed}/points").sample(BLOWS, SAMPLE)
    return sample


def test_every_point_has_a_job_that_comes_by_it() -> None:
    assert WORKS.keys() == POINTS.keys() - {faults.LINE}


async def struck(scene: Scene, work: Work, fault: str, subjects: list[str]) -> None:
    """The job meets the fault, and another process does what is left; one that stands still goes on afterwards."""
    first = scene.begin(work, subjects, fault)
    try:
        await _struck(scene, work, fault, subjects, first)
    finally:
        first.kill()  # nothing stays behind, standing still, whatever happens


async def _struck(scene: Scene, work: Work, fault: str, subjects: list[str], first: ForkServerProcess) -> None:
    frozen = await asyncio.to_thread(stands_still, first)
    if not frozen:
        code = await asyncio.to_thread(ended, first, f"{work.job} with {fault}")
        assert (code == -signal.SIGKILL) if fault.endswith(":kill") else code in (0, 1), f"{work.job} with {fault} ended with {code}"
    if frozen and work is REPUBLISH:
        first.kill()  # an operator's command, which the operator ends; else its session is waited for, 60 s
        await asyncio.to_thread(first.join)
    assert await do(scene, work, subjects) == 0, f"{work.job} after {fault}"
    if frozen and work is not REPUBLISH:
        await work.judge(scene, subjects)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGCONT)
        assert await asyncio.to_thread(ended, first, f"{work.job} awake after {fault}") in (0, 1)
    assert frozen == fault.endswith(":stop"), f"{fault} was not reached by {work.job}"


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.parametrize(("point", "work", "action"), [pytest.param(*blow, id=f"{blow[1].job}-{blow[0]}-{blow[2]}") for blow in chosen()])
async def test_struck_at_a_point_and_done_again_everything_is_there_once(
    point: str, work: Work, action: Action, database: NewDatabase, tmp_path: Path
) -> None:
    scene = await scene_of(database, work.service, tmp_path / "log")
    for _ in range(SETTINGS.rounds if action != "stop" else 1):
        subjects = await work.prepare(scene)
        if point in BEFORE:
            assert await do(scene, work, subjects, BEFORE[point]) == -signal.SIGKILL
        await struck(scene, work, f"{point}:1:{action}", subjects)
        await work.judge(scene, subjects)
    if work.judge_all is not None:
        await work.judge_all(scene)
    scene.pool.terminate()
