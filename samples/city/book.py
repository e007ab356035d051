"""The book of what was typed in: commands for two services in the order of their entry, which is not the order in which things happened.

Nobody knows an id before a service has given it, so a body names things by references: `@KEY` is the id that the command with that key
was answered, `@KEY#N` the N-th event (from 0) of its answer. `filled` puts the real ones in their place.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from samples.city.scenario import Scenario

Service = Literal["registry", "membership"]
SERVICES: tuple[Service, ...] = ("registry", "membership")
MARK = "@"
FIRST_WEEKS = 30
"""Days in which what is older than the platform was typed in."""


class Command(NamedTuple):
    """One line of a batch. `about`: keys of earlier commands, and names of things, after whose other commands this one must be carried out."""

    service: Service
    op: str
    key: str
    body: dict[str, Any]
    entered_on: date
    about: tuple[str, ...] = ()

    def line(self) -> dict[str, Any]:
        """`{"op","key","body"}` as `POST /v1/batch` takes it, once `filled`."""
        return {"op": self.op, "key": self.key, "body": self.body}


class Answer(NamedTuple):
    """What a service answered: the id of the thing, and those of the events."""

    id: str
    events: Sequence[str]


class Unanswered(Exception):
    """A reference names a command that was refused or not carried out."""


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


def filled(value: Any, answers: Mapping[str, Answer]) -> Any:
    """A body with the ids in the place of its references. Raises Unanswered."""
    if isinstance(value, dict):
        return {name: filled(inner, answers) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, answers) for inner in value]
    if not isinstance(value, str) or not value.startswith(MARK):
        return value
    key, _, event = value[1:].partition("#")
    if key not in answers:
        raise Unanswered(key)
    return answers[key].events[int(event)] if event else answers[key].id


class Book:
    """Takes commands in any order of entry. A command is never entered before what it refers to or must come after, nor after the last day."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._first, self._last = scenario.first_day, scenario.last_day
        self._chance = scenario.chance("entry")
        self._commands: list[Command] = []
        self._entered: dict[str, date] = {}

    def enter(self, service: Service, op: str, key: str, body: dict[str, Any], entered_on: date, about: Iterable[str] = ()) -> str:
        """Type it in on that day, or on the first one on which it is possible; the reference to what it makes."""
        about = tuple(about)
        earliest = [self._entered[key_of(reference)] for reference in references(body)]
        earliest += [self._entered[name] for name in about if name in self._entered]
        day = min(max(entered_on, self._first, *earliest), self._last)
        self._commands.append(Command(service, op, key, body, day, about))
        for name in (key, *about):
            self._entered[name] = day
        return MARK + key

    def typed(self, occurred_on: date, days: float = 9.0) -> date:
        """When something of that day is typed in: after `days` on average, 2 % much later; what is older than the platform in the first weeks."""
        if occurred_on < self._first:
            return self._first + timedelta(days=self._chance.randint(0, FIRST_WEEKS))
        late = self._chance.random() < 0.02
        lag = self._chance.randint(60, 540) if late else self._chance.expovariate(1 / days)
        return occurred_on + timedelta(days=int(lag))

    def entered_on(self, reference: str) -> date:
        """When the command behind a reference was typed in."""
        return self._entered[key_of(reference)]

    def commands(self) -> list[Command]:
        """All of them in the order of entry."""
        return sorted(self._commands, key=lambda command: command.entered_on)


def waves(commands: Iterable[Command]) -> list[list[Command]]:
    """The commands of one service as few batches as possible: none names, or must follow, one of its own or a later batch.

    Inside a batch the order of entry stays, and whoever comes after another one about the same thing is in the same batch behind it or later.
    """
    made: list[list[Command]] = []
    wave_of: dict[str, int] = {}
    for command in commands:
        named = [wave_of[key] + 1 for reference in references(command.body) if (key := key_of(reference)) in wave_of]
        wave = max([0, *named, *(wave_of[name] for name in command.about if name in wave_of)])
        for name in (command.key, *command.about):
            wave_of[name] = wave
        if wave == len(made):
            made.append([])
        made[wave].append(command)
    return made


def quarters(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """Cut where a quarter of a year ends, in the order of entry."""
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


def between(chance: random.Random, first: date, last: date) -> date:
    """A day from `first` to `last`, both included; `first` if there is none."""
    return first + timedelta(days=chance.randint(0, max(0, (last - first).days)))
