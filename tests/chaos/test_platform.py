"""A whole stack under load while its processes are killed and stopped, at random and at a fault point; afterwards no event is lost or double.

`PARKUNION_TEST_CHAOS_SECONDS` says how long (`make chaos`: ten minutes), `PARKUNION_TEST_SEED` makes the same choices again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import get_args

import pytest

from deploy.local.stack import Stack
from shared.process.faults import Action
from tests.chaos.bureau import NETWORK, Bureau, bureau_of
from tests.chaos.checks import audited, check_all, settle
from tests.chaos.disturbances import Disturbances
from tests.chaos.load import Load
from tests.chaos.takeover import recovery_times
from tests.e2e.platform import Platform, until
from tests.in_memory import stack_in_memory
from tests.settings import ChaosSettings

SETTINGS = ChaosSettings()
WORKERS = 5
POINTS = {
    **dict.fromkeys(("command.locked", "journal.appended", "command.committed"), 300),
    **dict.fromkeys(("relay.read", "relay.acked", "relay.deleted"), 200),
    **dict.fromkeys(("batch.moved", "batch.applied", "batch.before_commit", "batch.committed"), 200),
    **dict.fromkeys(("fanout.written", "deliveries.claimed", "deliveries.sent", "deliveries.settled"), 100),
}
"""{fault point that every process passes often: how many times before the fault, so that some work happens in between}"""


def chosen_fault() -> str:
    """One for the whole run."""
    chance = random.Random(f"{SETTINGS.seed}/fault")
    point, n = chance.choice(list(POINTS.items()))
    return f"{point}:{n}:{chance.choice(get_args(Action))}"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    options = ("--workers", str(WORKERS), "--test-clock", "--allow-network", NETWORK)
    with stack_in_memory(tmp_path_factory, "chaos") as folder:
        running = Platform.start(folder / "stack", *options, fault=chosen_fault())
        until(lambda: running.divided(WORKERS), "all shards divided over all projectors")
        yield running
        running.discard()


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
@pytest.mark.invariant("I3")
async def test_whatever_is_killed_or_frozen_under_load_every_command_counts_once(platform: Platform) -> None:
    print(f"\nPARKUNION_TEST_SEED={SETTINGS.seed}, and every process has PARKUNION_FAULT={chosen_fault()}", flush=True)
    async with bureau_of(platform, SETTINGS.seed) as bureau:
        await _under_load(platform, bureau)


async def _under_load(platform: Platform, bureau: Bureau) -> None:
    stack = Stack(platform.data)
    load = Load({name: stack.url(name) for name in stack.services}, platform.token, SETTINGS.seed)
    disturbances = Disturbances(stack, random.Random(SETTINGS.seed))
    enough = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as work:
            work.create_task(load.run(enough))
            work.create_task(disturbances.run(enough))
            await asyncio.sleep(SETTINGS.chaos_seconds)  # not to wait for something: this is how long it lasts
            enough.set()
        await load.repeat_everything()
    finally:
        print("\n".join(disturbances.lines()), flush=True)
        await load.close()
        _report(load)
    await asyncio.to_thread(settle, platform)
    print(await check_all(platform, load.outcomes), flush=True)
    print(await bureau.check(), flush=True)
    assert any(outcome.status == 201 for outcomes in load.outcomes.values() for outcome in outcomes)
    if SETTINGS.every_line:
        for what, seconds in (
            await recovery_times(platform, disturbances, await asyncio.to_thread(_open_enterprises, platform, load, 60))
        ).items():
            print(f"{seconds:6.2f} s from {what} until commands count again", flush=True)
        await asyncio.to_thread(settle, platform)
        audited(platform)


def _open_enterprises(platform: Platform, load: Load, count: int) -> list[str]:
    """Ids of enterprises that are registered and not closed."""
    made = (load.outcomes[key][-1] for key, request in load.requests.items() if request.op == "enterprise" and load.outcomes[key])
    asked = ((outcome.id, platform.get("registry", f"/v1/enterprises/{outcome.id}")) for outcome in made if outcome.status == 201)
    return list(islice((one for one, answer in asked if answer.status_code == 200 and answer.json()["closed_on"] is None), count))


def _report(load: Load) -> None:
    """Print the outcomes of the load."""
    last = {key: outcomes[-1] for key, outcomes in load.outcomes.items() if outcomes}
    ops = Counter(load.requests[key].op for key, outcome in last.items() if outcome.status == 201)
    refused = Counter(outcome.code for outcome in last.values() if outcome.status != 201)
    print(f"done: {ops.total()} {dict(ops)}", f"refused: {dict(refused)}, never sent: {load.queue.never_sent}", sep="\n", flush=True)
    print(f"instead of an answer: {dict(load.failures)}; slowest {load.longest:.1f} s", flush=True)
