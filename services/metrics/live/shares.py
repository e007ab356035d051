"""How many streams, and streams of how many days, each client may have: so many by itself, and no more than its share when all are taken.

Each day with a stream has a table in memory. Today's serves everybody and counts for nobody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date

from services.metrics.live.subscribers import Subscriber
from shared.problems.errors import TooManyRequests

MOST_STREAMS = 2000
MOST_STREAMS_OF_CLIENT = 200
MOST_DAYS = 64
MOST_DAYS_OF_CLIENT = 8
RETRY_AFTER = 30
"""Seconds that a refused client is asked to wait; what it needs is to close streams."""


class Shares:
    """Who has which streams. `require`, then `make_room`, then `add`; `remove` when a stream ends."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, list[Subscriber]] = defaultdict(list)

    def require(self, client: str, day: date | None) -> None:
        """Raises TOO_MANY_STREAMS or TOO_MANY_DATED_STREAMS (429) if the client has all that one may have."""
        if len(self._streams.get(client, ())) >= MOST_STREAMS_OF_CLIENT:
            raise _refused("TOO_MANY_STREAMS", MOST_STREAMS_OF_CLIENT)
        days = self._days(client)
        if day is not None and day not in days and len(days) >= MOST_DAYS_OF_CLIENT:
            raise _refused("TOO_MANY_DATED_STREAMS", MOST_DAYS_OF_CLIENT)

    def make_room(self, client: str, day: date | None) -> Sequence[Subscriber]:
        """The streams that must end so that this one fits: of whoever has the most, as long as that is more than the client would have.

        Raises as `require` does, if nobody has more.
        """
        self.require(client, day)
        if sum(map(len, self._streams.values())) >= MOST_STREAMS:
            counts = Counter({name: len(streams) for name, streams in self._streams.items()})
            return [self._streams[_largest(counts, client, len(self._streams.get(client, ())), "TOO_MANY_STREAMS")][0]]
        taken = {day for name in self._streams for day in self._days(name)}
        if day is None or day in taken or len(taken) < MOST_DAYS:
            return []
        counts = Counter({name: len(self._days(name)) for name in self._streams})
        largest = _largest(counts, client, len(self._days(client)), "TOO_MANY_DATED_STREAMS")
        # Its oldest day of which nobody else has a stream, which alone frees a table.
        shared = {day for name in self._streams if name != largest for day in self._days(name)}
        own = [one for one in self._streams[largest] if one.channel.query.as_of not in {None, *shared}]
        if not own:
            raise _refused("TOO_MANY_DATED_STREAMS", counts[client])
        return [one for one in own if one.channel.query.as_of == own[0].channel.query.as_of]

    def add(self, subscriber: Subscriber) -> None:
        """A stream has begun."""
        self._streams[subscriber.client].append(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """A stream has ended."""
        streams = self._streams.get(subscriber.client, [])
        if subscriber in streams:
            streams.remove(subscriber)
        if not streams:
            self._streams.pop(subscriber.client, None)

    def _days(self, client: str) -> set[date]:
        return {day for one in self._streams.get(client, ()) if (day := one.channel.query.as_of) is not None}


def _largest(counts: Counter[str], client: str, has: int, code: str) -> str:
    """Who has the most, if that is more than `client` would have with one more."""
    name, most = counts.most_common(1)[0]
    if name == client or most <= has + 1:
        raise _refused(code, has)
    return name


def _refused(code: str, most: int) -> TooManyRequests:
    return TooManyRequests(code, params={"most": most}, headers={"Retry-After": str(RETRY_AFTER)})
