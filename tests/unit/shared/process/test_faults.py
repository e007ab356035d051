"""Faults on purpose: a point strikes when it is told to, and never else."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextvars import copy_context
from pathlib import Path

import pytest

from shared.journal.journal import _in_order
from shared.process import faults
from shared.process.faults import LINE, POINTS, Fault, FaultFormatError, InjectedFaultError

ROOT = Path(__file__).parents[4]


def test_a_point_does_nothing_unless_it_is_armed() -> None:
    for point in POINTS:
        faults.reached(point)


def test_a_fault_strikes_the_nth_time_and_then_no_more() -> None:
    def go() -> list[int]:
        faults.arm(Fault.parse("relay.acked:3:raise"))
        struck = []
        for n in range(1, 6):
            faults.reached("relay.read")
            try:
                faults.reached("relay.acked")
            except InjectedFaultError:
                struck.append(n)
        return struck

    assert copy_context().run(go) == [3]


async def test_cancel_ends_the_task_that_reaches_the_point() -> None:
    async def work() -> None:
        faults.arm(Fault.parse("batch.applied:1:cancel"))
        faults.reached("batch.applied")
        await asyncio.sleep(30)

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("action", "number"), [("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)])
def test_kill_and_stop_are_the_kernels_own(action: str, number: int) -> None:
    child = os.fork()
    if child == 0:
        faults.arm(Fault.parse(f"batch.committed:1:{action}"))
        faults.reached("batch.committed")
        os._exit(0)
    _, status = os.waitpid(child, os.WUNTRACED)
    if action == "stop":
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == number
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    else:
        assert os.WTERMSIG(status) == number


@pytest.mark.parametrize(
    "text", ["", "relay.acked", "relay.acked:0:kill", "relay.acked:1:explode", "nowhere:1:kill", "relay.acked:1:kill:x"]
)
def test_a_fault_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(FaultFormatError):
        Fault.parse(text)


def test_every_point_stands_in_the_code_and_every_one_there_is_listed() -> None:
    found = set()
    for metrics in ("shared", "services"):
        for path in (ROOT / metrics).rglob("*.py"):
            found |= set(re.findall(r"""faults\.reached\("([^"]+)"\)""", path.read_text("utf-8")))
    assert found | {LINE} == set(POINTS)


def test_a_line_is_counted_the_first_time_it_is_executed() -> None:
    def go(n: int) -> int:
        child = os.fork()
        if child == 0:
            faults.arm(Fault.parse(f"line:{n}:kill"))
            _in_order(["union/b", "enterprise/a", "enterprise/a"])
            os._exit(0)
        return os.waitpid(child, 0)[1]

    ends = [go(n) for n in range(1, 40)]
    struck = [os.WIFSIGNALED(status) for status in ends]
    assert struck[0]
    assert not struck[-1]
    assert struck == sorted(struck, reverse=True), "every number up to the number of lines strikes, none beyond it"
