"""Events for the tests of columns: told as objects or as columns, so that both can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import structs

from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from shared import contracts
from shared.broker.fetched import FetchedRecord
from shared.contracts.ids import uuid7
from shared.contracts.streams import DayClosed
from shared.sequencing.columnar.columns import EPOCH_DAY, OTHER, Columns, Names
from shared.sequencing.columnar.decoding import decode_columns
from shared.sequencing.records import Received, decode
from tests.histories import history, interleaved

EVENTS = [
    structs.replace(event, time=event.time.replace(microsecond=1))
    for seed in range(6)
    for event in interleaved(history(seed, length=20), seed)
]
"""Recorded at fractions of a second, as in life: a whole second is written without one, and is not plain."""
MEMBER = next(event for event in EVENTS if event.type in TYPES_AS_COLUMNS)


def rows(values: Iterable[bytes], first: int = 0) -> list[FetchedRecord]:
    return [FetchedRecord("t", 0, first + at, None, value, ()) for at, value in enumerate(values)]


def columns_of(values: Sequence[bytes], first: int = 0) -> list[Columns | Received]:
    return decode_columns(rows(values, first), TYPES_AS_COLUMNS, Names(), Names())


def told(items: Iterable[Columns | Received]) -> list[tuple[Any, ...]]:
    """(offset, stream, sequence, id, time, type, day, actor, as an object) of each record; of an unreadable one what can be seen."""
    found = list[tuple[Any, ...]]()
    for item in items:
        if isinstance(item, Received):
            found.append((item.offset, item.stream, item.sequence, item.event_id, item.time, item.type, item.occurred, item.actor, True))
            continue
        for row in range(len(item)):
            number = int(item.type[row])
            if number == OTHER:
                one = item.others[row]
                assert one.stream == item.stream(row)
                assert (one.sequence, one.event_id) == (item.sequence[row], item.id_at(row))
                assert one.time == item.time_at(row)
                found += [(*told([one])[0][:-1], True)]
                continue
            day = date.fromordinal(int(item.occurred[row]) + EPOCH_DAY)
            actor = item.actors.texts[int(item.actor[row])]
            found.append(
                (
                    *(int(item.offset[row]), item.stream(row), int(item.sequence[row]), item.id_at(row), item.time_at(row)),
                    *(item.types[number], day, actor, False),
                )
            )
    return found


def as_objects(values: Sequence[bytes]) -> list[tuple[Any, ...]]:
    return [one[:-1] for one in told(decode("t", 0, offset, value) for offset, value in enumerate(values))]


def closed(day: date, sequence: int) -> contracts.Envelope:
    return contracts.Envelope(
        id=uuid7(), source=MEMBER.source, subject="day/0", partitionkey="day/0", sequence=sequence, type=contracts.type_of(DayClosed(day=day)),
        time=datetime(day.year, day.month, day.day, 22, tzinfo=UTC) + timedelta(hours=3), occurredon=day, actor="platform", origin="platform", data=DayClosed(day=day),
    )  # fmt: skip
