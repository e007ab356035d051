"""Processes are killed before every line of journal, relay, readers and projector; afterwards everything is there, once (I1).

For each line that a job executes for the first time in its process, one process is killed just before it. The next process continues, with
new input, and is killed at the next line. After every few kills one process finishes the job and the result is checked. `make test` takes
every n-th line from a random one on; `PARKUNION_TEST_EVERY_LINE=1` (set by `make chaos`) takes all.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.chaos.scenarios.periods import RECORD_DUE
from tests.chaos.scenarios.publishing import CLOSE_DAY, REPUBLISH, RUN_COMMANDS, SEND_OUTBOX
from tests.chaos.scenarios.reading import CONSUME, PROJECT, PROJECT_COLUMNS, READ_TOPIC
from tests.chaos.scenarios.scenario import SETTINGS, Environment, Scenario, new_environment, run_job
from tests.chaos.scenarios.subscriptions import FAN_OUT
from tests.conftest import NewDatabase

FEWEST = 12
"""Lines that every job has."""
IN_A_ROW = 6
"""Processes that are killed before one may finish the job."""


async def at_every_line(scenario: Scenario, database: NewDatabase, folder: Path) -> None:
    """Until the job has no more lines. Every few kills get a new environment: old rows slow every process."""
    step = 1 if SETTINGS.every_line else SETTINGS.line_step
    chance = random.Random(f"{SETTINGS.seed}/{scenario.job}")
    lines = count(1 if step == 1 else chance.randint(1, FEWEST), step)
    killed, more = 0, True
    while more:
        env = await new_environment(database, scenario.service, folder / f"log-{killed}")
        more, kills = await killed_in_a_row(env, scenario, lines)
        killed += kills
        env.pool.terminate()
    assert killed > 0
    print(f"{scenario.job}: killed at {killed} lines")


async def killed_in_a_row(env: Environment, scenario: Scenario, lines: Iterator[int]) -> tuple[bool, int]:
    """Kill at the next few lines, then finish and check; whether the job has more lines, and how many were killed."""
    subjects: list[str] = []
    more, killed = True, 0
    while more and killed < IN_A_ROW:
        subjects += await scenario.prepare(env)
        n = next(lines)
        code = await run_job(env, scenario, subjects, f"line:{n}:kill")
        assert code in (0, -signal.SIGKILL), f"{scenario.job} with line:{n} ended with {code}"
        more = code != 0
        killed += more
    if more:
        assert await run_job(env, scenario, subjects) == 0, f"{scenario.job} after line:{n}"
    await scenario.check(env, subjects)
    if scenario.check_all is not None:
        await scenario.check_all(env)
    return more, killed


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_command_killed_at_any_line_and_repeated_is_done_once(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(RUN_COMMANDS, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_relay_killed_at_any_line_sends_everything_in_sequence(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(SEND_OUTBOX, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_topic_is_whole_although_its_republishing_was_killed_at_any_line(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(REPUBLISH, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_day_is_closed_once_although_its_closing_was_killed_at_any_line(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(CLOSE_DAY, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
async def test_a_reader_killed_at_any_line_applies_everything_in_sequence_and_once(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(READ_TOPIC, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_membership_killed_at_any_line_has_learned_everything(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(CONSUME, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_the_clocks_of_cases_killed_at_any_line_say_once_what_passed(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(RECORD_DUE, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I3")
async def test_a_projector_killed_at_any_line_has_the_ledger_of_the_definition(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(PROJECT, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I3")
async def test_a_projector_far_behind_killed_at_any_line_has_the_ledger_of_the_definition(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(PROJECT_COLUMNS, database, tmp_path)


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
async def test_the_fan_out_killed_at_any_line_numbers_every_event_once(database: NewDatabase, tmp_path: Path) -> None:
    await at_every_line(FAN_OUT, database, tmp_path)
