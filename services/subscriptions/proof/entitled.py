"""Who is entitled to what of an event: the rule of invariant I6, stated a second time. Pure.

A statement of its own beside `matching/entitlement.py` and `fanout/deciding.py`, which an audit compares with it. It shares with them where an
enterprise was on a day (`shared.directory.visibility.stays`) and how a delivered event is hashed, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.subscriptions.proof.known_then import Asking, Then
from services.subscriptions.proof.standing_facts import CORRECTED, DAY_CLOSED, MOVED, WITHDRAWN, LogEvent, StandingFacts, Stated
from shared.directory.visibility import Stay
from shared.manifests.chain import event_hash

DAY = timedelta(days=1)
DIRECTION = "direction"


@dataclass(frozen=True, slots=True)
class Earlier:
    """A delivery that an event may correct or withdraw. `number` None: it is not known."""

    subscription: UUID
    number: int | None
    event_id: UUID
    fact_type: str
    places: frozenset[str]


@dataclass(frozen=True, slots=True)
class Entitled:
    """A subscription is entitled to an event: what it gets (`event`, without what is its own), by which places, and which deliveries that
    corrects or withdraws."""

    grant: UUID
    subscription: UUID
    fact_type: str
    event: Mapping[str, Any]
    places: frozenset[str]
    corrects: tuple[Earlier, ...] = ()

    @property
    def hash(self) -> bytes:
        """That of what it gets."""
        return event_hash(self.event)

    def narrowed(self, fields: Sequence[str]) -> bytes:
        """The hash of what it gets under a grant that was narrowed to these fields since."""
        data = self.event["data"]
        if self.event["type"] == CORRECTED:
            nested = {
                name: {**data[name], "data": _left(data[name]["data"], fields)} for name in ("withdrawn", "replacement") if name in data
            }
            data = {**data, **nested}
        elif self.event["type"] != WITHDRAWN:
            data = _left(data, fields)
        return event_hash({**self.event, "data": data})


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of a fact, and by which places."""

    data: dict[str, Any]
    places: frozenset[str]


@dataclass(slots=True)
class Moment:
    """A transaction of the fan-out: what it knew. `corrected` = {event: its deliveries}, of those that an event corrects or withdraws."""

    then: Then
    facts: StandingFacts
    at: datetime

    def waits(self, event: LogEvent) -> bool:
        """Whether an event cannot be decided, since it is not known where its subject was around its days, or what lies around that place."""
        facts = event.facts()
        if not facts:
            return False
        stands = self.facts.whereabouts(event.subject)
        if stands and all(self.then.around(stay.park) for stay in stands):
            # Everywhere that it was by what stands is known; what an event states itself may stand no longer.
            return False
        found = [*stands, *_stated_places(facts)]
        return not found or any(
            not self.then.around(stay.park)
            for stay in found
            if any(stay.since <= fact.on + DAY and fact.on - DAY < stay.until for fact in facts)
        )

    def concerns_nobody(self, event: LogEvent) -> bool:
        """Whether an event may be passed over at once: nobody asks for its type. Corrections and withdrawals are always looked at."""
        return event.type == DAY_CLOSED or (event.type not in (CORRECTED, WITHDRAWN) and not self.then.wanted(event.type))

    def entitled(self, event: LogEvent, earlier: Sequence[Earlier]) -> list[Entitled]:
        """Who gets the event. `earlier`: the deliveries of the events that it corrects or withdraws, by number."""
        if event.type == WITHDRAWN:
            return list(self._to_withdrawal(event, earlier))
        if event.type == CORRECTED:
            return list(self._to_correction(event, earlier))
        return list(self._to_fact(event))

    def _to_fact(self, event: LogEvent) -> Iterator[Entitled]:
        fact, stays = Stated(event.type, event.occurredon, event.data), self.facts.whereabouts(event.subject)
        for asking in self._valid(self._near(event.type, fact, stays)):
            if self._passes(asking, event, fact.on) and (seen := self._seen(fact, stays, asking)) is not None:
                yield Entitled(asking.grant.grant, asking.id, event.type, _leaving(event, fact.on, seen.data), seen.places)

    def _to_withdrawal(self, event: LogEvent, earlier: Sequence[Earlier]) -> Iterator[Entitled]:
        """Whoever got what is withdrawn, and could still get all of it, is told which events these were."""
        for key in {one.subscription for one in earlier}:
            own = [one for one in earlier if one.subscription == key]
            places = frozenset().union(*(one.places for one in own))
            asking = self.then.asking.get(key)
            if asking is None or not asking.grant.valid(self.at) or own[0].fact_type not in asking.types:
                continue
            if places and all(self.then.inside(place, asking) for place in places):
                data = {"withdraws": [str(one.event_id) for one in own], "reason": event.data["reason"]}
                yield Entitled(asking.grant.grant, key, own[0].fact_type, _leaving(event, event.occurredon, data), places, tuple(own))

    def _to_correction(self, event: LogEvent, earlier: Sequence[Earlier]) -> Iterator[Entitled]:
        """Whoever got what is corrected, and whoever may see what holds instead."""
        fact_type, stays = event.data["fact"], self.facts.whereabouts(event.subject)
        had = {one.subscription: one for one in earlier}
        replacement = event.placed("replacement")
        near = {} if replacement is None else {one.id: one for one in self._near(fact_type, replacement, stays)}
        owners = {key: one for key in had if (one := self.then.asking.get(key)) is not None and fact_type in one.types}
        for asking in self._valid({**near, **owners}.values()):
            own = had.get(asking.id)
            if own is None and replacement is not None and not self._passes(asking, event, replacement.on):
                continue
            instead = None if replacement is None else self._seen(replacement, stays, asking)
            if (found := self._corrected(event, asking, own, instead, stays)) is not None:
                yield found

    def _corrected(
        self, event: LogEvent, asking: Asking, own: Earlier | None, instead: Seen | None, stays: Sequence[Stay]
    ) -> Entitled | None:
        """A correction as one subscription gets it. `own`: its delivery of what is corrected."""
        data: dict[str, Any] = {"fact": event.data["fact"], "reason": event.data["reason"]}
        places, on, fact = set[str](), event.occurredon, event.placed("withdrawn")
        assert fact is not None, "every correction withdraws something"
        if own is not None:
            was = self._seen(fact, _as_it_was_stated(fact, stays), asking)
            shown = was.data if was is not None else self._shown(fact, asking, areas=False)
            data |= {"corrects": event.data["corrects"], "withdrawn": {"occurred_on": fact.on.isoformat(), "data": shown}}
            places |= own.places | (was.places if was is not None else frozenset())
            on = fact.on
        if instead is not None:
            replaced = event.placed("replacement")
            assert replaced is not None, "something was seen of it"
            data["replacement"] = {"occurred_on": replaced.on.isoformat(), "data": instead.data}
            places |= instead.places
            on = replaced.on
        granted = frozenset(place for place in places if self.then.inside(place, asking))
        if not granted or (own is None and instead is None):
            return None
        corrects = () if own is None else (own,)
        return Entitled(asking.grant.grant, asking.id, event.data["fact"], _leaving(event, on, data), granted, corrects)

    def _near(self, type_name: str, fact: Stated, stays: Sequence[Stay]) -> list[Asking]:
        """Who is granted the type at a place where the fact may be seen."""
        found = {one.id: one for place in _here(fact, stays) + _before(fact, stays) for one in self.then.at_place(type_name, place)}
        return list(found.values())

    def _valid(self, asking: Any) -> Iterator[Asking]:
        return (one for one in asking if one.grant.valid(self.at))

    def _passes(self, asking: Asking, event: LogEvent, day: date) -> bool:
        """Whether the enterprise is one that was asked for on a day. What is unknown is not."""
        if not asking.industries and asking.min_workers is None:
            return True
        industry, workers = self.facts.industry_and_workers(event.subject, day) if event.subject.startswith("enterprise/") else (None, None)
        if asking.industries and not (industry is not None and any(industry.startswith(one) for one in asking.industries)):
            return False
        return asking.min_workers is None or (workers is not None and workers >= asking.min_workers)

    def _seen(self, fact: Stated, stays: Sequence[Stay], asking: Asking) -> Seen | None:
        """What is seen of a fact by where its subject was; of a move also by where it was the day before. None: nothing."""
        if fact.type not in asking.types:
            return None
        came = [place for place in _here(fact, stays) if self.then.inside(place, asking)]
        left = [place for place in _before(fact, stays) if self.then.inside(place, asking)]
        if not came and not left:
            return None
        data = self._shown(fact, asking, areas=True)
        if fact.type == MOVED:
            data[DIRECTION] = "within" if came and left else "left" if left else "came"
        return Seen(data, frozenset((*came, *left)))

    def _shown(self, fact: Stated, asking: Asking, *, areas: bool) -> dict[str, Any]:
        """The granted fields that a fact states. An area is named only if it is granted; the district of a granted park is no secret."""
        fields = asking.grant.fields.get(fact.type, ())
        data = {name: value for name, value in fact.data.items() if name in fields and value is not None}
        secret = {
            "park": fact.data.get("park"),
            "seat_area": fact.data.get("seat_area"),
            "district": fact.data.get("park") or fact.data.get("district"),
        }
        for name, area in secret.items():
            if name in data and not (areas and area is not None and self.then.inside(area, asking)):
                del data[name]
        return data


def _here(fact: Stated, stays: Sequence[Stay]) -> list[str]:
    return [stay.park for stay in stays if stay.since <= fact.on < stay.until]


def _before(fact: Stated, stays: Sequence[Stay]) -> list[str]:
    """Of a move: where its subject was on the day before."""
    return [stay.park for stay in stays if stay.since <= fact.on - DAY < stay.until] if fact.type == MOVED else []


def _stated_places(facts: Sequence[Stated]) -> list[Stay]:
    """The places that facts state themselves, on their days, also if they hold no longer."""
    return [Stay(fact.on, fact.on + DAY, place) for fact in facts if (place := fact.place) is not None]


def _as_it_was_stated(fact: Stated, stays: Sequence[Stay]) -> Sequence[Stay]:
    """Where the subject was when a fact that is withdrawn held: from its day on where it says itself, before that where it was."""
    if fact.place is None:
        return stays
    return [*(Stay(date.min, fact.on, place) for place in _on_the_day_before(fact, stays)), Stay(fact.on, date.max, fact.place)]


def _on_the_day_before(fact: Stated, stays: Sequence[Stay]) -> list[str]:
    return [stay.park for stay in stays if stay.since <= fact.on - DAY < stay.until]


def _left(data: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name in fields or name == DIRECTION}


def _leaving(event: LogEvent, on: date, data: Mapping[str, Any]) -> dict[str, Any]:
    """The event as it leaves, without what is a subscription's own."""
    return {
        "specversion": "1.0",
        "id": str(event.id),
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "occurredon": on.isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }
