"""A batch cut by subjects holds the same events."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.metrics.folding.columns.facts import FRAMED
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from services.metrics.folding.events.parts import parts_of
from shared import contracts
from shared.sequencing.columnar.columns import Columns, Names
from shared.sequencing.columnar.sorting import sort_columns, streams_of
from shared.sequencing.frames import FrameDecoder
from shared.sequencing.records import Received, ShardBatch, Stream, in_runs, received
from shared.sequencing.streams import ShardStreams, StreamState
from tests.unit.shared.sequencing.plain_events import EVENTS, rows

OBJECTS = EVENTS[::7]
AS_COLUMNS = [event for event in EVENTS if event not in OBJECTS]


def columns_from(source: str) -> list[Columns]:
    own = [event for event in EVENTS if event.source == source]
    items = FrameDecoder(TYPES_AS_COLUMNS, FRAMED.types, FRAMED.read_data, FRAMED.without).decode(
        rows(map(contracts.encode, own)), Names(), Names()
    )
    plan = sort_columns(ShardStreams(states={stream: StreamState() for stream in streams_of(items)}), {"t": items}, None)
    assert plan is not None
    return plan.columns


def batch() -> ShardBatch:
    columns = [one for source in ("/services/registry", "/services/membership") for one in columns_from(source)]
    return ShardBatch(1, 3, 8, in_runs([received(event) for event in OBJECTS]), {"t": 9}, None, columns)


def events_in(part: ShardBatch) -> dict[Stream, list[tuple[int, bool]]]:
    """{stream: (sequence, whether it is a record)} of each event, in order."""
    found: dict[Stream, list[tuple[int, bool]]] = {}
    for columns in part.columns:
        for row in range(len(columns)):
            found.setdefault(columns.stream(row), []).append((int(columns.sequence[row]), False))
    for run in part.runs:
        found.setdefault(run[0].stream, []).extend((record.sequence, True) for record in run)
    return found


@pytest.mark.parametrize("most", [1, 2, 5])
def test_every_event_is_in_the_part_of_its_subject_and_in_the_order_of_its_stream(most: int) -> None:
    whole = batch()
    found: dict[Stream, list[tuple[int, bool]]] = {}
    last = ""
    for part in parts_of(whole, most):
        own = events_in(part)
        subjects = sorted({subject for _, subject in own})
        assert 0 < len(subjects) <= most
        assert last < subjects[0], "parts are by ascending subject, and no subject is in two"
        last = subjects[-1]
        assert (part.generation, part.shard, part.version, part.next) == (whole.generation, whole.shard, whole.version, whole.next)
        for columns in part.columns:
            named = [columns.stream(row)[1] for row in range(len(columns))]
            assert named == sorted(named), "neighbours in an index are written together"
        found |= own
    assert found == events_in(whole)
    assert len(found) > 5


def test_a_batch_of_few_subjects_is_left_as_it_is() -> None:
    whole = batch()
    (part,) = parts_of(whole, 10_000)
    assert part is whole


def test_few_subjects_of_many_events_are_cut_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The objects of a part are in memory together, whosever they are."""
    whole = batch()
    monkeypatch.setattr("services.metrics.folding.events.parts.MOST_EVENTS", len(whole) // 4)
    parts = list(parts_of(whole, 10_000))
    assert len(parts) in (4, 5)
    assert sum(map(len, parts)) == len(whole)


def test_records_alone_are_cut_too() -> None:
    records: list[Received] = [received(event) for event in EVENTS]
    whole = ShardBatch(1, 0, 1, in_runs(records), {}, datetime(2020, 1, 1, tzinfo=UTC).date())
    parts = list(parts_of(whole, 2))
    assert sum(map(len, parts)) == len(records)
    assert len(parts) > 1
