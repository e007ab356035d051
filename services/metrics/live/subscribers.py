"""Who listens to the figures of one question: what has changed for them since they were last sent something, never a queue.

A slow client does not fill memory: it has a set of changed groups, which grows no larger than the answer, and is sent their rows as they are
when it can take them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from services.metrics.figures.questions import Row
from services.metrics.folding.measures import Vector
from services.metrics.live.live import Table, View


class Question(NamedTuple):
    """What a stream shows; `as_of` None = today, whatever day that is."""

    area: str | None
    by: str | None
    as_of: date | None
    language: str


@dataclass(frozen=True, slots=True)
class Update:
    """What is due to a subscriber. `rows` None: no figures; `full`: they are all there are. `age` = seconds since the oldest was recorded."""

    rows: tuple[Row, ...] | None
    full: bool
    as_of: date
    age: float | None
    tell_age: bool


class Subscriber:
    """One stream: `await due(seconds)` waits for something to send."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.closed = False
        self._wake = asyncio.Event()
        self._groups = set[str]()
        self._full = False
        self._age: float | None = None
        self._tell_age = False

    def touch(self, groups: Collection[str], age: float | None) -> None:
        """These groups have changed."""
        self._groups |= set(groups)
        if age is not None:
            self._age = max(age, self._age or 0.0)
        self._wake.set()

    def want_everything(self) -> None:
        """All rows are to be sent."""
        self._full = True
        self._wake.set()

    def tell_age(self) -> None:
        """The age of the data is to be sent."""
        self._tell_age = True
        self._wake.set()

    def close(self) -> None:
        """The stream ends."""
        self.closed = True
        self._wake.set()

    async def due(self, seconds: float) -> Update | None:
        """What is to be sent now; None if nothing was for so long, or the stream ends."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return None
        self._wake.clear()
        if self.closed:
            return None
        groups, full, age, tell_age = self._groups, self._full, self._age, self._tell_age
        self._groups, self._full, self._age, self._tell_age = set(), False, None, False
        view = self.channel.view
        rows = tuple(view.rows(None if full else groups)) if full or groups else None
        return Update(rows, full, view.table.as_of, age, tell_age)


class Channel:
    """All subscribers to one question, and the view that they share."""

    def __init__(self, question: Question, table: Table) -> None:
        self.question = question
        self.view = self._view(table)
        self.subscribers = set[Subscriber]()
        self.encoded: dict[tuple[Any, ...], bytes] = {}
        """Events made last, which most subscribers are sent alike."""

    def _view(self, table: Table) -> View:
        return View(table, self.question.area, self.question.by, self.question.language)

    def subscribe(self) -> Subscriber:
        """A new subscriber, to whom nothing is due yet."""
        subscriber = Subscriber(self)
        self.subscribers.add(subscriber)
        return subscriber

    def change(self, news: Mapping[int, Vector], age: float) -> None:
        """Cells have changed."""
        if groups := self.view.add(news):
            self._touch(groups, age)

    def regroup(self, table: Table) -> None:
        """The areas have changed."""
        before, self.view = self.view, self._view(table)
        if groups := self.view.differs_from(before):
            self._touch(groups, None)

    def reload(self, table: Table) -> None:
        """The table was loaded anew."""
        self.view = self._view(table)
        self.encoded.clear()
        for subscriber in self.subscribers:
            subscriber.want_everything()

    def _touch(self, groups: Collection[str], age: float | None) -> None:
        self.encoded.clear()
        for subscriber in self.subscribers:
            subscriber.touch(groups, age)

    def tell_age(self) -> None:
        """The age of the data is due to everybody."""
        for subscriber in self.subscribers:
            subscriber.tell_age()

    def close(self) -> None:
        """All streams end."""
        for subscriber in list(self.subscribers):
            subscriber.close()
