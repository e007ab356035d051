"""Subscribers to the figures of one query. Each has the set of groups that changed since its last update, not a queue.

So a slow client uses no more memory than one answer, and receives the rows as they are when it can take them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from services.metrics.figures.questions import ALL, Row
from services.metrics.folding.measures import Vector
from services.metrics.live.tables import CoverageTable, CoverageView


class StreamQuery(NamedTuple):
    """What a stream shows; `as_of` None: today, also after midnight."""

    area: str | None
    by: str | None
    as_of: date | None
    language: str


@dataclass(frozen=True, slots=True)
class Update:
    """One update of a subscriber. `rows` None: no figures; `full`: all rows. `age`: seconds since the oldest change was recorded. `facts`: there
    are new facts, which may have changed no figure."""

    rows: tuple[Row, ...] | None
    full: bool
    as_of: date
    age: float | None
    send_age: bool
    facts: bool = False


class Subscriber:
    """One stream; `await next_update(seconds)` waits for an update."""

    def __init__(self, channel: Channel, client: str) -> None:
        self.channel = channel
        self.client = client
        self.closed = False
        self.displaced = False
        self._wake = asyncio.Event()
        self._groups = set[str]()
        self._full = False
        self._age: float | None = None
        self._send_age = False
        self._facts = False

    def mark_groups(self, groups: Collection[str], age: float | None) -> None:
        """Include these groups in the next update."""
        self._groups |= set(groups)
        if age is not None:
            self._age = max(age, self._age or 0.0)
        self._wake.set()

    def mark_all(self) -> None:
        """Include all rows in the next update."""
        self._full = True
        self._wake.set()

    def mark_facts(self) -> None:
        """Say in the next update that there are new facts."""
        self._facts = True
        self._wake.set()

    def mark_age(self) -> None:
        """Include the age of the data in the next update."""
        self._send_age = True
        self._wake.set()

    def look(self) -> None:
        """Look at once whether the stream is still granted: areas have changed."""
        self._wake.set()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._wake.set()

    def give_way(self) -> None:
        """End the stream, and tell it that another client needs its share."""
        self.displaced = True
        self._wake.set()

    async def next_update(self, seconds: float) -> Update | None:
        """The next update; None after `seconds` without one, or when the stream ends."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return None
        self._wake.clear()
        if self.closed:
            return None
        groups, full, age, send_age, facts = self._groups, self._full, self._age, self._send_age, self._facts
        self._groups, self._full, self._age, self._send_age, self._facts = set(), False, None, False, False
        view = self.channel.view
        rows = tuple(view.rows(None if full else groups)) if full or groups else None
        return Update(rows, full, view.table.as_of, age, send_age, facts)


class Channel:
    """All subscribers to one query, with their shared view."""

    def __init__(self, query: StreamQuery, table: CoverageTable) -> None:
        self.query = query
        self.view = self._view(table)
        self.subscribers = set[Subscriber]()
        self.encoded: dict[tuple[Any, ...], bytes] = {}
        """Encoded events of the present figures, shared by subscribers."""
        self.noticed: Mapping[tuple[str, Any], tuple[int, int, int]] | None = None
        """What findings need besides the figures (explaining/findings.py); None: not read yet."""
        self.noticed_at = ""
        """The version of the figures for which it was read."""
        self.read_at = float("-inf")
        """When it was last read, by the monotonic clock."""
        self.awaits_findings = False
        """Whether a subscriber has had figures without findings."""

    def _view(self, table: CoverageTable) -> CoverageView:
        return CoverageView(table, self.query.area, self.query.by, self.query.language)

    def subscribe(self, client: str) -> Subscriber:
        """Add a subscriber without a pending update."""
        subscriber = Subscriber(self, client)
        self.subscribers.add(subscriber)
        return subscriber

    def change(self, changed: Mapping[int, Vector], age: float, cells: Collection[int], uncounted: bool) -> None:
        """Apply {cell id: change}; `age` in seconds since the oldest change was recorded. `cells`: those of the counted facts, which may have
        changed nothing; `uncounted`: there are facts that are not counted, whose place is not known here."""
        if groups := self.view.add(changed):
            self._mark_groups(groups, age)
        if uncounted or any(self.view.group(cell) is not None for cell in cells):
            for subscriber in self.subscribers:
                subscriber.mark_facts()

    def regroup(self, table: CoverageTable) -> None:
        """Group the cells again after a change of the areas."""
        before, self.view = self.view, self._view(table)
        self.noticed_at = ""
        if groups := self.view.differs_from(before):
            self._mark_groups(groups, None)
        for subscriber in self.subscribers:
            subscriber.look()

    def reload(self, table: CoverageTable) -> None:
        """Show a newly loaded table."""
        self.view = self._view(table)
        self.noticed_at = ""
        self.encoded.clear()
        for subscriber in self.subscribers:
            subscriber.mark_all()

    def notice(self, noticed: Mapping[tuple[str, Any], tuple[int, int, int]], version: str) -> None:
        """Take in what findings need, read for a version of the figures; rows whose findings have changed are sent.

        The first reading is sent only to those who did not wait for it.
        """
        before = noticed if self.noticed is None else self.noticed
        changed = {code for code, finding in noticed.keys() | before.keys() if noticed.get((code, finding)) != before.get((code, finding))}
        self.noticed, self.noticed_at = noticed, version
        if self.awaits_findings:
            self.awaits_findings = False
            self.encoded.clear()
            for subscriber in self.subscribers:
                subscriber.mark_all()
        elif changed:
            self._mark_groups(changed | {ALL}, None)

    def _mark_groups(self, groups: Collection[str], age: float | None) -> None:
        self.encoded.clear()
        for subscriber in self.subscribers:
            subscriber.mark_groups(groups, age)

    def mark_age(self) -> None:
        """Include the age of the data in everyone's next update."""
        for subscriber in self.subscribers:
            subscriber.mark_age()

    def close(self) -> None:
        """End all streams."""
        for subscriber in list(self.subscribers):
            subscriber.close()
