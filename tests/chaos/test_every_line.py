"""Killed at every line of journal, relay, readers and projector: afterwards everything is there, once (I1).

For each line that a job executes, of those new to its process, one process is killed just before it. The next one finds what was left,
and something new to do, and is killed at the next line. After every few, one does all that is left, and is judged. In `make test` every
n-th line from a random one on; `PARKUNION_TEST_EVERY_LINE=1` (as `make chaos` has it) takes all.
"""

from __future__ import annotations

import signal
from itertools import count
from pathlib import Path

import pytest

from tests.chaos.scenes import CLOSE, FOLLOW, LISTEN, PROJECT, REPUBLISH, SEND, SETTINGS, SPEAK, Scene, Work, do, scene_of
from tests.conftest import NewDatabase

FEWEST = 12
"""Lines that every job has."""
IN_A_ROW = 6
"""Processes that are killed before one may do the rest."""


async def killed_at_lines(scene: Scene, work: Work) -> int:
    """Until the job has no more lines; how many were struck."""
    step = 1 if SETTINGS.every_line else SETTINGS.line_step
    first = 1 if step == 1 else scene.chance.randint(1, FEWEST)
    subjects: list[str] = []
    for struck, n in enumerate(count(first, step)):
        subjects += await work.prepare(scene)
        code = await do(scene, work, subjects, f"line:{n}:kill")
        if code == 0:
            await work.judge(scene, subjects)
            return struck
        assert code == -signal.SIGKILL, f"{work.job} with line:{n} ended with {code}"
        if struck % IN_A_ROW == IN_A_ROW - 1:
            assert await do(scene, work, subjects) == 0, f"{work.job} after line:{n}"
            await work.judge(scene, subjects)
            subjects = []
    raise AssertionError("unreachable")


async def at_every_line(work: Work, database: NewDatabase, folder: Path) -> None:
    scene = await scene_of(database, work.service, folder)
    struck = await killed_at_lines(scene, work)
    assert struck > 0
    if work.judge_all is not None:
        await work.judge_all(scene)
    print(f"{work.job}: killed at {struck} lines")
    scene.pool.terminate()


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_command_killed_at_any_line_and_repeated_is_done_once(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(SPEAK, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_relay_killed_at_any_line_sends_everything_in_sequence(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(SEND, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_topic_is_whole_although_its_republishing_was_killed_at_any_line(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(REPUBLISH, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_day_is_closed_once_although_its_closing_was_killed_at_any_line(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(CLOSE, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
async def test_a_reader_killed_at_any_line_applies_everything_in_sequence_and_once(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(LISTEN, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_membership_killed_at_any_line_has_learned_everything(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(FOLLOW, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I3")
async def test_a_projector_killed_at_any_line_has_the_ledger_of_the_definition(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(PROJECT, database, tmp_path)
