"""Who was entitled to what on a day, recomputed from the topics and the grants of that time, and compared with what was assigned.

The statement of the rule is `entitled.py`, which shares nothing with the fan-out. What is taken from the fan-out's own rows is what it knew, not
what it concluded: up to where it had read, at which revision of grants and areas and at which instant (`batches`), and which events waited.
Deliveries of days before are taken as they are: their own audits judge them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from services.subscriptions.proof import audit_store
from services.subscriptions.proof.applied import Batch, applied_on
from services.subscriptions.proof.audit_store import Delivered, Neighbours, Range
from services.subscriptions.proof.differences import Report
from services.subscriptions.proof.entitled import Earlier, Entitled, Moment
from services.subscriptions.proof.known_then import Versions
from services.subscriptions.proof.standing_facts import CORRECTED, KEPT, WITHDRAWN, LogEvent, StandingFacts
from shared.broker.protocol import Broker
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.sequencing.records import Received

ONE_DAY = timedelta(days=1)
UNKNOWN = 2**63
"""Sorts deliveries without number behind all others."""


@dataclass(slots=True)
class _Actual:
    """What was assigned on the day, by transaction. `twice`: an event that a subscription was given more than once."""

    by_batch: dict[int | None, dict[tuple[UUID, UUID], Delivered]] = field(default_factory=dict)
    by_event: dict[tuple[UUID, UUID], Delivered] = field(default_factory=dict)
    twice: list[Delivered] = field(default_factory=list)

    def add(self, one: Delivered) -> None:
        key = (one.subscription, one.event_id)
        if key in self.by_event:
            self.twice.append(one)
        else:
            self.by_event[key] = self.by_batch.setdefault(one.batch, {})[key] = one


@dataclass(slots=True)
class _Given:
    """What was expected so far on the day, for what is corrected or withdrawn on it."""

    by_event: dict[UUID, list[Earlier]] = field(default_factory=dict)
    by_stream: dict[tuple[str, str], list[tuple[int, Earlier]]] = field(default_factory=dict)

    def add(self, event: LogEvent, earlier: Earlier) -> None:
        self.by_event.setdefault(event.id, []).append(earlier)
        self.by_stream.setdefault((event.source, event.subject), []).append((event.rank, earlier))


async def audit(conn: Connection, broker: Broker, clock: Clock, day: date) -> Report:
    """Compare a day. `conn` is in a REPEATABLE READ transaction. Raises LogRewritten, OffsetLostError, BrokerUnavailableError."""
    began = time.monotonic()
    begins, ends = clock.opens_after(day - ONE_DAY), clock.opens_after(day)
    report = Report(day, await clock.now(conn), held=await audit_store.held(conn), waiting=await audit_store.waiting(conn))
    decided_before, decided_since = await audit_store.released(conn, begins)
    waited = {one["event_id"] for one in report.waiting} | decided_since
    rows, actual = await audit_store.numbered(conn, day), _Actual()
    for one in rows:
        if not one.own:
            actual.add(one)
    audited: set[int | None] = set()
    versions, refused = await audit_store.versions(conn), await audit_store.refused(conn)
    for shard in await audit_store.days(conn, begins, ends):
        auditor = _Shard(conn, day, versions, actual, waited - decided_before, report)
        async for batch, events in applied_on(broker, shard, refused.get(shard.shard, {}), auditor):
            await auditor.take(batch, events)
        audited |= auditor.audited
    for batch_id, found in actual.by_batch.items():
        if batch_id not in audited:
            report.add_all("surplus", found.values(), found="no transaction of the fan-out of that day")
    report.add_all("twice", actual.twice)
    _numbering(report, rows, await audit_store.neighbours(conn, day))
    if misdated := await audit_store.of_another_day(conn, [key for key in audited if key is not None], day):
        report.add("numbering", expected=day, found=f"{misdated} numbers of these transactions have another day")
    report.deliveries, report.subscriptions = len(rows), len({one.subscription for one in rows})
    report.seconds = time.monotonic() - began
    return report


def _numbering(report: Report, rows: Sequence[Delivered], neighbours: Mapping[UUID, Neighbours]) -> None:
    """The numbers of every subscription follow on each other, also from the day before and to the day after."""
    own: dict[UUID, list[int]] = {}
    for one in rows:
        own.setdefault(one.subscription, []).append(one.number)
    for key, around in neighbours.items():
        numbers = own.pop(key, [])
        expected = range((around.before or 0) + 1, around.behind if around.behind is not None else around.next_number)
        if numbers != list(expected):
            lacking, odd = sorted(set(expected) - set(numbers)), sorted(set(numbers) - set(expected))
            report.add("numbering", subscription=key, expected={"lacking": lacking[:10]}, found={"not_expected": odd[:10]})
    for key in own:
        report.add("numbering", subscription=key, found="numbers of a subscription without a queue")


@dataclass(slots=True)
class _Shard:
    """One shard, transaction by transaction. `waited` = events that waited on the day; `held_back` = those that do, in the order of the log.
    `ordered` = {(subscription, source, subject): the last number}."""

    conn: Connection
    day: date
    versions: Versions
    actual: _Actual
    waited: set[UUID]
    report: Report
    facts: StandingFacts = field(default_factory=StandingFacts)
    audited: set[int | None] = field(default_factory=set)
    given: _Given = field(default_factory=_Given)
    held_back: list[LogEvent] = field(default_factory=list)
    ordered: dict[tuple[UUID, str, str], int] = field(default_factory=dict)

    def wants(self, record: Received) -> bool:
        """Whether an event of the days before matters: it places something, changes what does, or waited until the day."""
        return record.type in KEPT or record.type in (CORRECTED, WITHDRAWN) or record.event_id in self.waited

    def take_before(self, events: Sequence[LogEvent]) -> None:
        """Take events that were applied before the day."""
        for event in events:
            self.facts.apply(event)
        self.held_back += [event for event in events if event.id in self.waited]

    async def take(self, batch: Batch, events: Sequence[LogEvent]) -> None:
        """Take the next transaction of the day, and compare it."""
        for event in events:
            self.facts.apply(event)
        moment = Moment(self.versions.at(batch.revision), self.facts, batch.at)
        never = _withdrawn([*self.held_back, *events])
        released = [event for event in self.held_back if event.id in batch.released]
        self.held_back = [event for event in self.held_back if event.id not in batch.released]
        waits = [event for event in events if event.id in self.waited]
        at_once = [event for event in events if event.id not in self.waited]
        # What was withdrawn while its place was unknown goes to nobody.
        decided = [event for event in (*released, *at_once) if event.id not in never or not moment.waits(event)]
        self._require_placed(moment, [event for event in decided if event.id in batch.released], self.held_back)
        self._require_waiting(moment, waits)
        self.held_back += waits
        self._require_placed(moment, [event for event in decided if event.id not in batch.released], self.held_back)
        self.audited.add(batch.id)
        self.report.events += len(released) + len(at_once)
        await self._compare(batch, moment, decided)

    def _require_placed(self, moment: Moment, decided: Iterable[LogEvent], held_back: Sequence[LogEvent]) -> None:
        """What was decided could be, and overtook nothing of its stream."""
        behind = {(event.source, event.subject): event.rank for event in reversed(held_back)}
        for event in decided:
            if moment.concerns_nobody(event):
                continue
            if moment.waits(event):
                self.report.add("decided_early", event=event, found="decided before its place was known")
            elif behind.get((event.source, event.subject), event.rank) < event.rank:
                self.report.add("order", event=event, found="decided before an earlier event of its stream")

    def _require_waiting(self, moment: Moment, waits: Sequence[LogEvent]) -> None:
        """What waits has a reason to: its place is not known, or something of its subject waits."""
        stuck = {event.subject for event in self.held_back} | {event.subject for event in waits if moment.waits(event)}
        for event in waits:
            if event.subject not in stuck:
                self.report.add("held_back", event=event, found="waited although its place was known")

    async def _compare(self, batch: Batch, moment: Moment, decided: Sequence[LogEvent]) -> None:
        before = await self._earlier(decided)
        actual = self.actual.by_batch.get(batch.id, {})
        seen: set[tuple[UUID, UUID]] = set()
        for event in decided:
            for entitled in moment.entitled(event, before.of(event, self.given)):
                key = (entitled.subscription, event.id)
                seen.add(key)
                found = actual.get(key)
                if found is None:
                    self.report.add("missing", event=event, subscription=entitled.subscription, expected=entitled.hash)
                else:
                    self._compare_one(batch, event, entitled, found)
                number = None if found is None else found.number
                self.given.add(event, Earlier(entitled.subscription, number, event.id, entitled.fact_type, entitled.places))
        self.report.expected += len(seen)
        self.report.add_all("surplus", (one for key, one in actual.items() if key not in seen))

    def _compare_one(self, batch: Batch, event: LogEvent, entitled: Entitled, found: Delivered) -> None:
        expected = (event.source, event.subject, event.rank, event.type, entitled.fact_type, entitled.hash.hex(), sorted(entitled.places))
        stored = (found.source, found.subject, found.sequence, found.type, found.fact_type, found.hash.hex(), sorted(found.places))
        if expected != stored:
            self.report.add("content", delivered=found, expected=expected, found=stored)
        if found.sent_hash is not None and found.sent_hash not in self._narrowed(batch, entitled):
            self.report.add("sent", delivered=found, found=found.sent_hash)
        numbers = tuple(sorted(one.number for one in entitled.corrects if one.number is not None))
        if numbers != tuple(sorted(found.corrects)):
            self.report.add("corrects", delivered=found, expected=numbers, found=found.corrects)
        if found.assigned_at != batch.at:
            self.report.add("numbering", delivered=found, expected=batch.at, found=found.assigned_at)
        stream = (found.subscription, found.source, found.subject)
        if self.ordered.get(stream, 0) > found.number:
            self.report.add("order", delivered=found, expected=f"a number above {self.ordered[stream]}", found=found.number)
        self.ordered[stream] = max(found.number, self.ordered.get(stream, 0))

    def _narrowed(self, batch: Batch, entitled: Entitled) -> set[bytes]:
        """The hashes of what could be sent instead, by the states of the grant since."""
        return {entitled.narrowed(fields) for fields in self.versions.fields_since(entitled.grant, batch.revision, entitled.fact_type)}

    async def _earlier(self, decided: Sequence[LogEvent]) -> _Before:
        """The deliveries of days before that these events may correct or withdraw."""
        corrected = [UUID(event.data["corrects"]) for event in decided if event.type == CORRECTED]
        ranges = [Range(event.source, event.subject, event.data["from"], event.data["to"]) for event in decided if event.type == WITHDRAWN]
        found = _Before()
        for one, source, subject, sequence in await audit_store.earlier(self.conn, self.day, corrected, ranges):
            found.by_event.setdefault(one.event_id, []).append(one)
            found.by_stream.setdefault((source, subject), []).append((sequence, one))
        return found


def _withdrawn(events: Sequence[LogEvent]) -> set[UUID]:
    """Those of these events that one of them withdraws."""
    withdrawals = [event for event in events if event.type == WITHDRAWN]
    return {
        event.id
        for one in withdrawals
        for event in events
        if (event.source, event.subject) == (one.source, one.subject) and one.data["from"] <= event.rank <= one.data["to"]
    }


@dataclass(slots=True)
class _Before(_Given):
    """Deliveries of days before."""

    def of(self, event: LogEvent, given: _Given) -> list[Earlier]:
        """What an event corrects or withdraws, by number; `given`: on this day."""
        found: list[Earlier] = []
        if event.type == CORRECTED:
            key = UUID(event.data["corrects"])
            found = [*self.by_event.get(key, ()), *given.by_event.get(key, ())]
        elif event.type == WITHDRAWN:
            stream, first, last = (event.source, event.subject), event.data["from"], event.data["to"]
            both = (*self.by_stream.get(stream, ()), *given.by_stream.get(stream, ()))
            found = [one for sequence, one in both if first <= sequence <= last]
        return sorted(found, key=lambda one: one.number if one.number is not None else UNKNOWN)
