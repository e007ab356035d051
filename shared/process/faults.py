"""Fault injection for tests: named points at which a process is killed, frozen, cancelled, or raises.

`PARKUNION_FAULT=relay.acked:3:kill` kills this process when it reaches `relay.acked` for the third time. Without it a point costs one
look-up of a context variable. `parkunion faults` lists the points. They stand between two effects of which the second must not be lost and
the first not be repeated.

The point `line` is every line of the files in LINES: `line:57:kill` kills the process before the 57th of these lines that is new to it. One
run for each number kills it once at every line (tests/chaos/test_every_line.py).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal, TypeAlias, cast, get_args

from shared.contracts.services import SERVICES

Action: TypeAlias = Literal["kill", "stop", "cancel", "raise"]

LINE = "line"
POINTS = {
    LINE: "the n-th line of journal, relay, readers and projector that is new to the process",
    "command.locked": "a command holds its streams, nothing is written yet",
    "journal.appended": "facts are in the journal and the outbox, the transaction is open",
    "command.committed": "a command is committed, its client has no answer yet",
    "relay.read": "the relay has read the outbox, nothing is published",
    "relay.acked": "the broker has acknowledged, the outbox still holds the events",
    "relay.deleted": "the outbox is emptied and the marks are set",
    "relay.recovering": "the relay has found events in the log that it had not marked, nothing of it is written",
    "republish.half": "a batch of the journal is in the topic made anew, the marks are not set",
    "closing.fenced": "nothing more can be recorded on a day, and nobody was told",
    "closing.said": "every partition is told that a day is closed, the transaction is open",
    "reader.owned": "a reader has taken shards over and has applied nothing",
    "batch.moved": "the position is moved in the open transaction, nothing is applied",
    "batch.applied": "a batch is applied in the open transaction",
    "batch.before_commit": "everything of a batch is written, the transaction is open",
    "fanout.written": "numbers, deliveries and lanes of a batch are written, the transaction is open",
    "batch.committed": "a batch is committed, the process does not know it yet",
    "deliveries.claimed": "a worker has leases on deliveries, no attempt of them has begun",
    "deliveries.sent": "an endpoint has answered, nobody was told",
    "deliveries.settled": "outcomes of attempts are written, the transaction is open",
}
"""{name: what is true there}."""

LINES: tuple[str, ...] = (
    "shared/journal/journal.py",
    "shared/relaying/",
    "shared/journal/day_closing.py",
    "shared/sequencing/",
    "shared/reading/",
    "shared/directory/events.py",
    *(f"services/{service.name}/{path}" for service in SERVICES.values() for path in service.fault_lines),
)
"""Files of the point `line`, and folders with all their files; paths from the root."""
ROOT = str(Path(__file__).resolve().parents[2]) + os.sep

FORM = re.compile(r"([a-z_.]+):([1-9][0-9]*):([a-z]+)")


class FaultFormatError(ValueError):
    """A fault is written `<point>:<n>:kill|stop|cancel|raise`, the point being one of `parkunion faults`."""


class InjectedFaultError(Exception):
    """Raised by the action `raise`."""


@dataclass(slots=True)
class Fault:
    """What happens when `point` is reached for the `n`th time."""

    point: str
    n: int
    action: Action
    seen: int = field(default=0, init=False)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse the written form. Raises FaultFormatError."""
        form = FORM.fullmatch(text.strip())
        if form is None or form[1] not in POINTS or form[3] not in get_args(Action):
            raise FaultFormatError(
                f"{text!r} is no fault: write <point>:<n>:kill|stop|cancel|raise, the point being one of {', '.join(POINTS)}"
            )
        return cls(form[1], int(form[2]), cast(Action, form[3]))

    def count(self) -> None:
        """Count one more visit of the point."""
        self.seen += 1
        if self.seen == self.n:
            self._act()

    def _act(self) -> None:
        match self.action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "cancel":
                if (task := asyncio.current_task()) is not None:
                    task.cancel(self.point)
            case "raise":
                raise InjectedFaultError(self.point)


_armed: ContextVar[Fault | None] = ContextVar("fault", default=None)


def arm(fault: Fault | None) -> None:
    """Arm a fault for this context and the tasks started from it (at `line`: for the thread); None disarms."""
    _armed.set(fault)
    if fault is not None and fault.point == LINE:
        sys.settrace(at_new_lines(fault.count))


Trace: TypeAlias = Callable[[FrameType, str, Any], Any]


def at_new_lines(then: Callable[[], None]) -> Trace:
    """A trace function (sys.settrace) that calls `then` before each new line of the files in LINES."""
    seen: set[tuple[str, int]] = set()
    traced: dict[str, bool] = {}

    def line(frame: FrameType, event: str, _: Any) -> Trace:
        place = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and place not in seen:
            seen.add(place)
            then()
        return line

    def call(frame: FrameType, _event: str, _: Any) -> Trace | None:
        file = frame.f_code.co_filename
        if file not in traced:
            traced[file] = file.startswith(ROOT) and file.removeprefix(ROOT).startswith(LINES)
        return line if traced[file] else None

    return call


def reached(point: str) -> None:
    """Mark a fault point. Acts if the armed fault is for it and its number is reached."""
    fault = _armed.get()
    if fault is not None and fault.point == point:
        fault.count()
