"""The change feed says the same of a large batch, as columns, as of a small one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.metrics.measures import measure, unpacked, vector
from services.metrics.tables import feed, feed_rows
from services.metrics.tables.rows import Cell, Rows
from tests.unit.metrics.rows import all_figures

HERE: Cell = ("P1", "C", None, None)
THERE: Cell = ("P2", None, "small", None)
IDS = {HERE: 1, THERE: 2}
MEMBER, UNIONISED = vector(members=1), vector(members=1, members_unionised=1)
DAYS = range(95, 125)


def rows() -> Rows:
    found = Rows()
    found.figures[HERE, 100, 300] = vector(units=1, workers=40)
    found.figures[HERE, 110, 300] = -vector(units=1, workers=40)
    found.figures[THERE, 110, 301] = vector(units=1, workers=40)
    found.figures[THERE, 111, 301] = 0
    for cell, known, each, counts in (
        (HERE, 300, MEMBER, {100: 2, 105: -1, 106: 0}),
        (HERE, 301, UNIONISED, {104: 3}),
        (THERE, 300, MEMBER, {120: 1}),
    ):
        found.members[cell, known, each].update(counts)
    return found


def said(found: feed_rows.FeedRows, members: bytes | None = None) -> feed.Changed:
    """What a row of the feed says."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row: Any = {
        "shard": 0,
        "version": 1,
        "cells": found.cells,
        "deltas": found.deltas,
        "packed": found.packed,
        "members": members,
        "at": now,
        "oldest": now,
        "traceparents": [],
        "uncounted": False,
    }
    return feed.changed(row)


def on_each_day(changed: feed.Changed) -> dict[int, dict[int, int]]:
    return {day: {cell: value for cell, value in changed.on(day).items() if value} for day in DAYS}


@pytest.mark.parametrize(("packs", "small", "is_packed"), [(False, 0, False), (True, 8, False), (True, 7, True), (True, 0, True)])
def test_both_forms_say_the_same_on_every_day(packs: bool, small: int, is_packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_rows, "SMALL", small)
    found = feed_rows.FeedRows(packs)
    found.add(rows(), IDS)
    assert (found.packed is not None, found.deltas == b"\x90") == (is_packed, is_packed)
    assert found.cells == [1, 2]
    expected = dict[int, dict[int, int]]()
    for day in DAYS:
        sums = {1: 0, 2: 0}
        for (cell, effective, _), value in all_figures(rows()).items():
            sums[IDS[cell]] += value if effective <= day else 0
        expected[day] = {cell: value for cell, value in sums.items() if value}
    assert on_each_day(said(found)) == expected
    assert expected[95] == {} != expected[124]


def test_what_earlier_versions_wrote_of_members_is_read() -> None:
    found = feed_rows.FeedRows(packs=True)
    part = rows()
    members = msgspec.msgpack.encode(
        [(IDS[cell], list(unpacked(each)), list(counts), list(counts.values())) for (cell, _, each), counts in part.members.items()]
    )
    part.members.clear()
    found.add(part, IDS)
    whole = feed_rows.FeedRows(packs=True)
    whole.add(rows(), IDS)
    assert on_each_day(said(found, members)) == on_each_day(said(whole))


@pytest.mark.parametrize("packs", [False, True])
def test_parts_are_added_up(packs: bool) -> None:
    """Many rows of few vectors, whose numbers go on from part to part; a part may have none."""
    found, wanted = feed_rows.FeedRows(packs), Counter[tuple[str, int]]()
    for count in (1, 0, 15, 70_000):
        part = Rows()
        for day in range(count):
            part.figures[HERE, day, 300] = vector(units=1 + day % 3)
            wanted["units", day] += 1 + day % 3
        part.members[THERE, 300, MEMBER].update({count: 2, count + 1: -1})
        wanted["members", count] += 2
        wanted["members", count + 1] -= 1
        found.add(part, IDS)
    assert found.cells == [1, 2]
    assert (found.packed is None) is not packs
    changed = said(found)
    for until in (0, 1, 14, 70_001):
        on = changed.on(until)
        for cell, name in ((1, "units"), (2, "members")):
            assert measure(on.get(cell, 0), name) == sum(times for (what, day), times in wanted.items() if what == name and day <= until)


def test_of_nothing_nothing_is_said() -> None:
    found = feed_rows.FeedRows(packs=True)
    found.add(Rows(), IDS)
    assert (found.cells, found.deltas, found.packed) == ([], b"\x90", None)
    assert said(found).on(124) == {}
