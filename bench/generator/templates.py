"""Templates of events, cut from what `contracts.encode` writes, so that millions can be written at the speed of string formatting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from uuid import UUID

import msgspec

from shared import contracts
from shared.contracts import Envelope, Event, membership, registry

ACTOR = "city"
ORIGIN = "import:2026-annual"
SLOTS = {
    "id": "01900000-0000-7000-8000-000000000001",
    "who": "01900000-0000-7000-8000-000000000002",
    "union": "01900000-0000-7000-8000-000000000003",
    "membership": "01900000-0000-7000-8000-000000000004",
    "sequence": f"{123456789:019}",
    "time": "2001-02-03T04:05:06.123456Z",
    "day": "2002-03-04",
}
"""{slot: text that no other part of a sample event has}"""
TIME = datetime(2001, 2, 3, 4, 5, 6, 123456, tzinfo=UTC)
DAY = date(2002, 3, 4)
WHO, UNION, MEMBERSHIP = (UUID(SLOTS[name]) for name in ("who", "union", "membership"))


class Template:
    """One type of event as a text for `%`.

    `event(values)` and `data_json(values)` write the event and its data alone, `values` = {slot: text}. `text` and `slots` are for a caller
    that orders the values itself. `more` = {slot: text} names more slots
    of the sample `data`, whose texts occur nowhere else in it. `source` only where the type does not tell it.
    """

    def __init__(
        self, data: Event, subject: str, more: Mapping[str, str] | None = None, source: str = "", actor: str = ACTOR, origin: str = ORIGIN
    ) -> None:
        self.type = contracts.type_of(data)
        self.source = source or (membership.SOURCE if self.type in membership.TYPES else registry.SOURCE)
        sample = Envelope(
            id=UUID(SLOTS["id"]),
            source=self.source,
            subject=subject,
            partitionkey=subject.partition("/")[2],
            sequence=int(SLOTS["sequence"]),
            type=self.type,
            time=TIME,
            occurredon=DAY,
            actor=actor,
            origin=origin,
            data=data,
        )
        names = {text: name for name, text in {**SLOTS, **(more or {})}.items()}
        marks = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
        self.text, self.slots = _cut(contracts.encode(sample).decode(), marks, names)
        self.data_text, self.data_slots = _cut(msgspec.json.encode(data).decode(), marks, names)

    def event(self, values: Mapping[str, str]) -> str:
        return self.text % tuple(values[name] for name in self.slots)

    def data_json(self, values: Mapping[str, str]) -> str:
        return self.data_text % tuple(values[name] for name in self.data_slots)


def _cut(text: str, marks: re.Pattern[str], names: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text with `%s` at its slots, and their names in order."""
    return marks.sub("%s", text.replace("%", "%%")), tuple(names[found] for found in marks.findall(text))
