"""Jobs meet every named fault point in every way: killed, stopped, cancelled, failed; afterwards everything is there, once (I1).

Each point has a job that passes it. A stopped process continues after another one finished its job, and must do no harm.
`test_every_line.py` covers the point `line`; `make chaos` runs all cases, `make test` a sample of them.
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
from tests.chaos.scenarios.periods import RECORD_DUE
from tests.chaos.scenarios.publishing import CLOSE_DAY, REPUBLISH, RUN_COMMANDS, SEND_OUTBOX
from tests.chaos.scenarios.reading import CONSUME, PROJECT, READ_TOPIC
from tests.chaos.scenarios.scenario import SETTINGS, Environment, Scenario, exit_code_of, is_stopped, new_environment, run_job
from tests.chaos.scenarios.subscriptions import DELIVER, FAN_OUT
from tests.conftest import NewDatabase

READERS = (READ_TOPIC, CONSUME, PROJECT, FAN_OUT)
SCENARIOS: dict[str, tuple[Scenario, ...]] = {
    "command.locked": (RUN_COMMANDS, RECORD_DUE),
    "journal.appended": (RUN_COMMANDS, RECORD_DUE),
    "command.committed": (RUN_COMMANDS,),
    "relay.read": (SEND_OUTBOX,),
    "relay.acked": (SEND_OUTBOX,),
    "relay.deleted": (SEND_OUTBOX,),
    "relay.recovering": (SEND_OUTBOX,),
    "republish.half": (REPUBLISH,),
    "closing.fenced": (CLOSE_DAY,),
    "closing.said": (CLOSE_DAY,),
    "reader.owned": READERS,
    "batch.moved": READERS,
    "batch.applied": READERS,
    "batch.before_commit": READERS,
    "fanout.written": (FAN_OUT,),
    "batch.committed": READERS,
    "deliveries.claimed": (DELIVER,),
    "deliveries.sent": (DELIVER,),
    "deliveries.settled": (DELIVER,),
}
BEFORE = {"relay.recovering": "relay.acked:1:kill"}
"""Faults that must have happened before, for the point to be reached."""
SAMPLE = 2
"""Cases that `make test` takes."""

CASES = [(point, scenario, action) for point, scenarios in SCENARIOS.items() for scenario in scenarios for action in get_args(Action)]


def chosen() -> list[tuple[str, Scenario, Action]]:
    if SETTINGS.every_line:
        return CASES
    sample: list[tuple[str, Scenario, Action]] = random.Random(f"{SETTINGS.seed}/points").sample(CASES, SAMPLE)
    return sample


def test_every_point_has_a_job_that_comes_by_it() -> None:
    assert SCENARIOS.keys() == POINTS.keys() - {faults.LINE}


async def with_fault(env: Environment, scenario: Scenario, fault: str, subjects: list[str]) -> None:
    """The job meets the fault and another process finishes it; a stopped process continues afterwards."""
    first = env.begin(scenario, subjects, fault)
    try:
        await _with_fault(env, scenario, fault, subjects, first)
    finally:
        first.kill()  # no stopped process is left, whatever happens


async def _with_fault(env: Environment, scenario: Scenario, fault: str, subjects: list[str], first: ForkServerProcess) -> None:
    frozen = await asyncio.to_thread(is_stopped, first)
    if not frozen:
        code = await asyncio.to_thread(exit_code_of, first, f"{scenario.job} with {fault}")
        assert (code == -signal.SIGKILL) if fault.endswith(":kill") else code in (0, 1), f"{scenario.job} with {fault} ended with {code}"
    if frozen and scenario is REPUBLISH:
        first.kill()  # an operator's command, which the operator ends; else its session is waited for, 60 s
        await asyncio.to_thread(first.join)
    assert await run_job(env, scenario, subjects) == 0, f"{scenario.job} after {fault}"
    if frozen and scenario is not REPUBLISH:
        await scenario.check(env, subjects)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGCONT)
        assert await asyncio.to_thread(exit_code_of, first, f"{scenario.job} awake after {fault}") in (0, 1)
    assert frozen == fault.endswith(":stop"), f"{fault} was not reached by {scenario.job}"


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.parametrize(
    ("point", "scenario", "action"), [pytest.param(*case, id=f"{case[1].job}-{case[0]}-{case[2]}") for case in chosen()]
)
async def test_struck_at_a_point_and_done_again_everything_is_there_once(
    point: str, scenario: Scenario, action: Action, database: NewDatabase, tmp_path: Path
) -> None:
    env = await new_environment(database, scenario.service, tmp_path / "log")
    for _ in range(SETTINGS.rounds if action != "stop" else 1):
        subjects = await scenario.prepare(env)
        if point in BEFORE:
            assert await run_job(env, scenario, subjects, BEFORE[point]) == -signal.SIGKILL
        await with_fault(env, scenario, f"{point}:1:{action}", subjects)
        await scenario.check(env, subjects)
    if scenario.check_all is not None:
        await scenario.check_all(env)
    env.pool.terminate()
