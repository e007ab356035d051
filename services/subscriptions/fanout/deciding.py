"""Which subscriptions an event is owed to, and what each gets of it (invariant I6). Pure.

An event is decided with what is known after its whole batch was read. What cannot be placed yet waits, and later events of its subject with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from services.subscriptions.fanout.known import Decisions, Got, Known, Owed, Stored, attributes_on
from services.subscriptions.matching.current import Current, Subscription
from services.subscriptions.matching.entitlement import View, Where, minimised, view_of, where_of
from services.subscriptions.matching.outgoing import Content, hash_of
from shared.contracts import Envelope
from shared.contracts.streams import DayClosed, EventWithdrawn, FactCorrected, Placed
from shared.directory.visibility import AREA_FIELDS, ONE_DAY, PLACING, Part, Stay
from shared.manifests.chain import canonical


def holder_of(event: Envelope) -> str:
    """Whose events wait for each other."""
    return event.subject


def parts_of(event: Envelope) -> list[tuple[Part, str]]:
    """The facts that an event states, withdraws or puts in another's place, each with its type; of a withdrawal of events none."""
    data = event.data
    if isinstance(data, (EventWithdrawn, DayClosed)):
        return []
    if isinstance(data, FactCorrected):
        return [(_placed(data.fact, one), data.fact) for one in (data.withdrawn, data.replacement) if one is not None]
    return [(Part(_kind(event.type), event.occurredon, msgspec.to_builtins(data)), event.type)]


def _placed(fact: str, placed: Placed) -> Part:
    return Part(_kind(fact), placed.occurred_on, placed.data)


def _kind(type_name: str) -> str:
    return type_name.split(".")[1]


def concerns(event: Envelope, current: Current) -> bool:
    """Whether anybody may get the event: some subscription has its type, or it says something of an earlier event."""
    data = event.data
    if isinstance(data, DayClosed):
        return False
    return isinstance(data, (FactCorrected, EventWithdrawn)) or event.type in current.index


def placeable(event: Envelope, known: Known, current: Current) -> bool:
    """Whether all areas are known in which the subject was on the event's days."""
    stays, path = known.stays.get(event.subject, ()), current.tree.path
    if stays and all(path(stay.park) for stay in stays):
        return True
    parts = parts_of(event)
    if not parts:
        return True
    stays = _with_own(parts, stays)
    places = {stay.park for part, _ in parts for stay in stays if stay.since <= part.on + ONE_DAY and part.on - ONE_DAY < stay.until}
    return bool(stays) and all(path(place) for place in places)


def withdrawn_of(events: Sequence[Envelope]) -> set[UUID]:
    """The events that a later one of these withdraws. While their place is unknown they are given to nobody, and hold up nothing behind them:
    where the founding of a union is withdrawn, its place will never be known."""
    ranges: dict[tuple[str, str], list[EventWithdrawn]] = {}
    for event in events:
        if isinstance(event.data, EventWithdrawn):
            ranges.setdefault((event.source, event.subject), []).append(event.data)
    if not ranges:
        return set()
    return {
        event.id
        for event in events
        if any(one.first <= event.sequence <= one.last for one in ranges.get((event.source, event.subject), ()))
    }


class Decider:
    """Decides the events of one batch in their order. `at`: the instant by which grants hold."""

    def __init__(self, current: Current, known: Known, at: datetime) -> None:
        self._current = current
        self._known = known
        self._at = at
        self.decisions = Decisions()
        self._attributes: dict[tuple[str, date], tuple[str | None, int | None]] = {}

    def decide(self, event: Envelope) -> None:
        """Add what the event is owed to whom."""
        data = event.data
        if isinstance(data, EventWithdrawn):
            self._withdrawal(event, data)
        elif isinstance(data, FactCorrected):
            self._correction(event, data)
        elif event.type in self._current.index:
            self._fact(event)

    def _fact(self, event: Envelope) -> None:
        part = Part(_kind(event.type), event.occurredon, msgspec.to_builtins(event.data))
        where, stored = where_of(part, self._known.stays.get(event.subject, ())), dict[tuple[bytes, tuple[str, ...]], int]()
        for subscription in self._candidates(event.type, [where]):
            if not self._asked_for(subscription, event.subject, part.on):
                continue
            view = view_of(part, event.type, where, subscription.terms)
            if view is not None:
                self._owe(subscription, event, event.type, event.occurredon, view, stored)

    def _correction(self, event: Envelope, data: FactCorrected) -> None:
        got = {one.subscription: one for one in self._known.by_event.get(data.corrects, ())}
        parts = parts_of(event)
        stays, stored = self._known.stays.get(event.subject, ()), dict[tuple[bytes, tuple[str, ...]], int]()
        wheres = [where_of(part, _with_own(parts, stays)) for part, _ in parts]
        candidates = {one.id: one for one in self._candidates(data.fact, wheres)}
        for key in got:
            if (one := self._current.subscriptions.get(key)) is not None and self._may_get(one, data.fact):
                candidates[key] = one
        instead = data.replacement
        for subscription in candidates.values():
            earlier = got.get(subscription.id)
            if earlier is None and (instead is None or not self._asked_for(subscription, event.subject, instead.occurred_on)):
                # It learns of what holds instead, and of nothing else: so the enterprise on that day is what was asked for.
                continue
            shown = _correction_view(data, subscription, stays, earlier)
            if shown is not None:
                view, on = shown
                self._owe(subscription, event, data.fact, on, view, stored, [earlier] if earlier is not None else [])

    def _withdrawal(self, event: Envelope, data: EventWithdrawn) -> None:
        """To whoever got an event that is withdrawn: the ids of those."""
        of_stream = self._known.by_place.get((event.source, event.subject), ())
        got: dict[UUID, list[Got]] = {}
        for sequence, one in of_stream:
            if data.first <= sequence <= data.last:
                got.setdefault(one.subscription, []).append(one)
        stored: dict[tuple[bytes, tuple[str, ...]], int] = {}
        for key, earlier in sorted(got.items()):
            subscription = self._current.subscriptions.get(key)
            if subscription is None or not subscription.numbering or not subscription.terms.hold(self._at):
                continue
            places = tuple(dict.fromkeys(place for one in earlier for place in one.places))
            fact_type = earlier[0].fact_type
            if not subscription.terms.shows(fact_type, places):
                continue
            view = View({"withdraws": [str(one.event_id) for one in earlier], "reason": data.reason}, places)
            self._owe(subscription, event, fact_type, event.occurredon, view, stored, earlier)

    def _may_get(self, subscription: Subscription, fact_type: str) -> bool:
        return subscription.numbering and subscription.terms.hold(self._at) and fact_type in subscription.terms.types

    def _candidates(self, type_name: str, wheres: Sequence[Where]) -> Iterable[Subscription]:
        """Subscriptions that have the type and one of the places, each once."""
        by_area = self._current.index.get(type_name)
        if by_area is None:
            return ()
        path, at = self._current.tree.path, self._at
        found: dict[UUID, Subscription] = {}
        for where in wheres:
            for place in (*where.here, *where.before):
                for code in path(place):
                    for one in by_area.get(code, ()):
                        if one.id not in found and one.terms.hold(at):
                            found[one.id] = one
        return found.values()

    def _asked_for(self, subscription: Subscription, subject: str, on: date) -> bool:
        if not subscription.filter:
            return True
        key = subject, on
        found = self._attributes.get(key)
        if found is None:
            kind, _, name = subject.partition("/")
            facts = self._known.attributes.get(UUID(name), ()) if kind == "enterprise" else ()
            found = self._attributes[key] = attributes_on(facts, on)
        return subscription.filter.passes(*found)

    def _owe(
        self,
        subscription: Subscription,
        event: Envelope,
        fact_type: str,
        on: date,
        view: View,
        stored: dict[tuple[bytes, tuple[str, ...]], int],
        corrects: Sequence[Got] = (),
    ) -> None:
        raw = canonical(view.data)
        key = raw, view.places
        position = stored.get(key)
        if position is None:
            content = Content(event.id, event.source, event.subject, event.type, fact_type, event.time, on, view.places, raw)
            position = stored[key] = len(self.decisions.contents)
            self.decisions.contents.append(Stored(content, event.sequence, hash_of(content)))
        self.decisions.owed.append(Owed(subscription, position, tuple(corrects)))
        self._remember(subscription, event, fact_type, view.places)

    def _remember(self, subscription: Subscription, event: Envelope, fact_type: str, places: Sequence[str]) -> None:
        """A later event of the batch may correct this one; only those that one does are kept."""
        got = Got(subscription.id, None, event.id, fact_type, places)
        if (by_event := self._known.by_event.get(event.id)) is not None:
            by_event.append(got)
        if (by_place := self._known.by_place.get((event.source, event.subject))) is not None:
            by_place.append((event.sequence, got))


def _own_place(part: Part) -> str | None:
    """The place that a fact itself names."""
    return next((part.data[name] for name in ("park", "seat_area") if part.data.get(name) is not None), None)


def _with_own(parts: Iterable[tuple[Part, str]], stays: Sequence[Stay]) -> list[Stay]:
    """The stays, and those that corrected facts stated although they hold no longer."""
    own = [Stay(part.on, part.on + ONE_DAY, place) for part, _ in parts if part.kind in PLACING and (place := _own_place(part)) is not None]
    return [*stays, *own]


def _correction_view(
    data: FactCorrected, subscription: Subscription, stays: Sequence[Stay], earlier: Got | None
) -> tuple[View, date] | None:
    """What one subscription sees of a correction, and the business date of that; None: nothing."""
    shown: dict[str, Any] = {"fact": data.fact, "reason": data.reason}
    places: list[str] = list(earlier.places) if earlier is not None else []
    on: date | None = None
    if earlier is not None:
        shown["corrects"] = str(data.corrects)
    withdrawn = _placed(data.fact, data.withdrawn)
    view = view_of(withdrawn, data.fact, where_of(withdrawn, _as_stated(withdrawn, stays)), subscription.terms)
    if view is None and earlier is not None:
        view = View(_without_areas(withdrawn, subscription), ())
    if view is not None and earlier is not None:
        shown["withdrawn"] = {"occurred_on": withdrawn.on, "data": view.data}
        on = withdrawn.on
        places += view.places
    if data.replacement is not None:
        replacement = _placed(data.fact, data.replacement)
        view = view_of(replacement, data.fact, where_of(replacement, stays), subscription.terms)
        if view is not None:
            shown["replacement"] = {"occurred_on": replacement.on, "data": view.data}
            on = replacement.on
            places += view.places
    seen = tuple(dict.fromkeys(place for place in places if place in subscription.terms.granted))
    return (View(msgspec.to_builtins(shown), seen), on) if on is not None and seen else None


def _as_stated(part: Part, stays: Sequence[Stay]) -> Sequence[Stay]:
    """The stays by which a withdrawn fact is seen: one that placed its subject is seen where it placed it."""
    place = _own_place(part) if part.kind in PLACING else None
    if place is None:
        return stays
    before = [stay for stay in stays if stay.since <= part.on - ONE_DAY < stay.until]
    return [*(Stay(date.min, part.on, stay.park) for stay in before), Stay(part.on, date.max, place)]


def _without_areas(part: Part, subscription: Subscription) -> dict[str, Any]:
    shown = minimised(part.data, subscription.terms.fields[f"parkunion.{part.kind}.v1"])
    return {name: value for name, value in shown.items() if name not in AREA_FIELDS}
