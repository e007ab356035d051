"""The change feed says the same of members by cell as, for readers of 0.2, by cell and day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.metrics.measures import unpacked, vector
from services.metrics.tables import feed
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


def read(in_runs: bool) -> feed.Changed:
    said = feed.FeedRows(in_runs)
    said.add(rows(), IDS)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row: Any = {
        "shard": 0,
        "version": 1,
        "cells": said.cells,
        "deltas": said.deltas,
        "members": said.members,
        "at": now,
        "oldest": now,
        "traceparents": [],
        "uncounted": False,
    }
    return feed.changed(row)


def test_both_forms_say_the_same_on_every_day() -> None:
    by_day, by_cell = read(in_runs=False), read(in_runs=True)
    assert not by_day.members
    assert by_cell.members
    assert by_day.cells == by_cell.cells == [1, 2]
    expected = dict[int, dict[int, int]]()
    for day in DAYS:
        sums = {1: 0, 2: 0}
        for (cell, effective, _), value in all_figures(rows()).items():
            sums[IDS[cell]] += value if effective <= day else 0
        expected[day] = {cell: value for cell, value in sums.items() if value}
    for changed in (by_day, by_cell):
        assert {day: {cell: value for cell, value in changed.on(day).items() if value} for day in DAYS} == expected


@pytest.mark.parametrize("in_runs", [False, True])
def test_parts_are_added_up(in_runs: bool) -> None:
    """Of 1, 16 and 70,000 rows, since the length of an array of msgpack is written in three ways."""
    found, wanted = feed.FeedRows(in_runs), list[tuple[int, int]]()
    for count in (1, 15, 70_000):
        part = Rows()
        for day in range(count):
            part.figures[HERE, day, 300] = vector(units=1)
        part.members[THERE, 300, MEMBER].update({count: 1})
        found.add(part, IDS)
        wanted += [(1, day) for day in range(count)]
        if not in_runs:
            wanted.append((2, count))
        assert [(cell, day) for cell, day, _ in msgspec.msgpack.decode(found.deltas)] == wanted
    assert found.cells == [1, 2]
    if found.members is not None:
        assert msgspec.msgpack.decode(found.members) == [[2, list(unpacked(MEMBER)), [count], [1]] for count in (1, 15, 70_000)]
