"""What a batch of the fan-out knows of its subjects, and what it comes to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.subscriptions.matching.current import Subscription
from services.subscriptions.matching.outgoing import Content
from shared.directory.visibility import Stay


class Attributes(NamedTuple):
    """What a standing fact states of an enterprise from a day on; None: nothing."""

    on: date
    rank: int
    industry: str | None
    workers: int | None


class Got(NamedTuple):
    """A delivery of an earlier event: `number` None while it is assigned in the same batch."""

    subscription: UUID
    number: int | None
    event_id: UUID
    fact_type: str
    places: Sequence[str]


@dataclass(slots=True)
class Known:
    """What is known of the subjects of a batch. `stays` = {subject: where it was}; a subject that is unknown has none.

    `by_event`, `by_place` = deliveries of events that this batch corrects or withdraws: {event id: …}, {(source, subject): [(sequence, …)]}.
    """

    stays: dict[str, Sequence[Stay]] = field(default_factory=dict)
    attributes: dict[UUID, Sequence[Attributes]] = field(default_factory=dict)
    by_event: dict[UUID, list[Got]] = field(default_factory=dict)
    by_place: dict[tuple[str, str], list[tuple[int, Got]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """One content to store, with the sequence of its event and its hash."""

    content: Content
    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Owed:
    """One number to assign. `corrects`: the deliveries that it corrects or withdraws."""

    subscription: Subscription
    content: int
    corrects: Sequence[Got] = ()


@dataclass(slots=True)
class Decisions:
    """What a batch comes to: `contents`, and what is owed of them in the order of the log (`Owed.content` is a position in `contents`)."""

    contents: list[Stored] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)


def attributes_on(facts: Sequence[Attributes], on: date) -> tuple[str | None, int | None]:
    """(industry, workers) of an enterprise on a day: of each the last that a fact up to the day states; None: unknown."""
    industry: str | None = None
    workers: int | None = None
    for fact in sorted(facts):
        if fact.on > on:
            break
        industry = fact.industry if fact.industry is not None else industry
        workers = fact.workers if fact.workers is not None else workers
    return industry, workers
