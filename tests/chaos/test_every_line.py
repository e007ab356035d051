"""Killed at every line of journal, relay, readers and projector: afterwards everything is there, once (I1).

For each line that a job executes, of those new to its process, one process is killed just before it. The next one finds what was left,
and something new to do, and is killed at the next line. After every few, one does all that is left, and is judged. In `make test` every
n-th line from a random one on; `PARKUNION_TEST_EVERY_LINE=1` (as `make chaos` has it) takes all.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.chaos.scenarios import CLOSE, FOLLOW, LISTEN, PROJECT, REPUBLISH, SEND, SETTINGS, SPEAK, Scene, Work, do, scene_of
from tests.conftest import NewDatabase

FEWEST = 12
"""Lines that every job has."""
IN_A_ROW = 6
"""Processes that are killed before one may do the rest."""


async def at_every_line(work: Work, database: NewDatabase, folder: Path) -> None:
    """Until the job has no more lines. After every few the scene is a new one: what lies there already slows every process."""
    step = 1 if SETTINGS.every_line else SETTINGS.line_step
    chance = random.Random(f"{SETTINGS.seed}/{work.job}")
    lines = count(1 if step == 1 else chance.randint(1, FEWEST), step)
    struck, more = 0, True
    while more:
        scene = await scene_of(database, work.service, folder / f"log-{struck}")
        more, strikes = await killed_in_a_row(scene, work, lines)
        struck += strikes
        scene.pool.terminate()
    assert struck > 0
    print(f"{work.job}: killed at {struck} lines")


async def killed_in_a_row(scene: Scene, work: Work, lines: Iterator[int]) -> tuple[bool, int]:
    """Killed at the next few lines, then done and judged; whether the job had that many, and how many were struck."""
    subjects: list[str] = []
    more, struck = True, 0
    while more and struck < IN_A_ROW:
        subjects += await work.prepare(scene)
        n = next(lines)
        code = await do(scene, work, subjects, f"line:{n}:kill")
        assert code in (0, -signal.SIGKILL), f"{work.job} with line:{n} ended with {code}"
        more = code != 0
        struck += more
    if more:
        assert await do(scene, work, subjects) == 0, f"{work.job} after line:{n}"
    await work.judge(scene, subjects)
    if work.judge_all is not None:
        await work.judge_all(scene)
    return more, struck


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
