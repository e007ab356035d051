"""Commands for the services in the order of their entry, which differs from the order of their business dates.

Ids are known only from the services' answers, so a body holds references: `@KEY` is the id that the command with that key
returned, `@KEY#N` the id of its N-th event (from 0). `with_ids` replaces them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from samples.city.scenario import Scenario

Service = Literal["registry", "membership", "cases"]
SERVICES: tuple[Service, ...] = ("registry", "membership", "cases")
MARK = "@"
FIRST_WEEKS = 30
"""Days from the first day on within which earlier facts are entered."""


class Command(NamedTuple):
    """One line of a batch. It runs after each earlier command whose key or order keys include one of its `order_keys`."""

    service: Service
    op: str
    key: str
    body: dict[str, Any]
    entered_on: date
    order_keys: tuple[str, ...] = ()

    def line(self) -> dict[str, Any]:
        """`{"op","key","body"}` as `POST /v1/batch` takes it, after `with_ids`."""
        return {"op": self.op, "key": self.key, "body": self.body}


class Answer(NamedTuple):
    """A service's answer: the id of the entity and the ids of the events."""

    id: str
    events: Sequence[str]


class UnresolvedReferenceError(Exception):
    """A reference names a command that was refused or not sent."""


def references(value: Any) -> Iterator[str]:
    """All references in a body."""
    if isinstance(value, str):
        if value.startswith(MARK):
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def key_of(reference: str) -> str:
    """The key of the command that a reference names."""
    return reference[1:].partition("#")[0]


def with_ids(value: Any, answers: Mapping[str, Answer]) -> Any:
    """A body with its references replaced by ids. Raises UnresolvedReferenceError."""
    if isinstance(value, dict):
        return {name: with_ids(inner, answers) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_ids(inner, answers) for inner in value]
    if not isinstance(value, str) or not value.startswith(MARK):
        return value
    key, _, event = value[1:].partition("#")
    if key not in answers:
        raise UnresolvedReferenceError(key)
    return answers[key].events[int(event)] if event else answers[key].id


class CommandLog:
    """Collects commands in any order. A command's day of entry is never before that of a command it depends on, nor after the last day."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._first, self._last = scenario.first_day, scenario.last_day
        self._rng = scenario.rng("entry")
        self._commands: list[Command] = []
        self._entered: dict[str, date] = {}

    def enter(self, service: Service, op: str, key: str, body: dict[str, Any], entered_on: date, order_keys: Iterable[str] = ()) -> str:
        """Add a command, entered on that day or the first possible one; returns the reference to its id."""
        order_keys = tuple(order_keys)
        earliest = [self._entered[key_of(reference)] for reference in references(body)]
        earliest += [self._entered[name] for name in order_keys if name in self._entered]
        day = min(max(entered_on, self._first, *earliest), self._last)
        self._commands.append(Command(service, op, key, body, day, order_keys))
        for name in (key, *order_keys):
            self._entered[name] = day
        return MARK + key

    def entry_day(self, occurred_on: date, days: float = 9.0) -> date:
        """The day on which a fact of `occurred_on` is entered: `days` later on average, 2 % much later; facts before the first day in the first weeks."""
        if occurred_on < self._first:
            return self._first + timedelta(days=self._rng.randint(0, FIRST_WEEKS))
        late = self._rng.random() < 0.02
        lag = self._rng.randint(60, 540) if late else self._rng.expovariate(1 / days)
        return occurred_on + timedelta(days=int(lag))

    def entered_on(self, reference: str) -> date:
        """The day on which the command of a reference was entered."""
        return self._entered[key_of(reference)]

    def commands(self) -> list[Command]:
        """All of them in the order of entry."""
        return sorted(self._commands, key=lambda command: command.entered_on)


def dependency_batches(commands: Iterable[Command]) -> list[list[Command]]:
    """The commands of one service in as few batches as possible, each in the order of entry.

    A command is in a later batch than those it refers to, and in the same or a later batch than those it shares an order key with.
    """
    made: list[list[Command]] = []
    batch_of: dict[str, int] = {}
    for command in commands:
        named = [batch_of[key] + 1 for reference in references(command.body) if (key := key_of(reference)) in batch_of]
        batch = max([0, *named, *(batch_of[name] for name in command.order_keys if name in batch_of)])
        for name in (command.key, *command.order_keys):
            batch_of[name] = batch
        if batch == len(made):
            made.append([])
        made[batch].append(command)
    return made


def quarters(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """The commands of each quarter of a year, in the order of entry."""
    window: list[Command] = []
    for command in commands:
        if window and _quarter(command.entered_on) != _quarter(window[0].entered_on):
            yield window
            window = []
        window.append(command)
    if window:
        yield window


def _quarter(day: date) -> tuple[int, int]:
    return day.year, (day.month - 1) // 3


def between(rng: random.Random, first: date, last: date) -> date:
    """A day from `first` to `last`, both included; `first` if there is none."""
    return first + timedelta(days=rng.randint(0, max(0, (last - first).days)))
