"""Heads of streams as columns are those of objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.sequencing.columnar.heads import AppliedBound, HeadColumns, NewHeads, kind_of
from shared.sequencing.records import Stream
from shared.sequencing.streams import Head

SOURCE = "/services/registry"
times = st.integers(0, 2**52).map(lambda micros: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros))
heads = st.builds(Head, st.integers(1, 2**40), st.uuids(), times)
tables = st.dictionaries(st.text(min_size=1, max_size=5).map(lambda text: f"enterprise/{text}"), st.none() | heads, min_size=1, max_size=8)


@given(tables)
def test_a_head_comes_back_as_it_was(table: dict[str, Head | None]) -> None:
    known: dict[Stream, Head] = {(SOURCE, subject): head for subject, head in table.items() if head is not None}
    columns = HeadColumns.of(SOURCE, list(table), known)
    assert [columns.head(row) for row in range(len(columns))] == list(table.values())
    assert dict(columns.heads()) == known


def test_new_heads_are_written_by_subject_those_of_new_streams_apart() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    subjects = [f"enterprise/{letter}" for letter in "dbca"]
    known = {
        (SOURCE, subject): Head(number, UUID(int=number), at + timedelta(seconds=number)) for number, subject in enumerate(subjects, 1)
    }
    plain = HeadColumns.of(SOURCE, subjects, known)
    new = NewHeads(
        SOURCE, subjects, plain.sequence, plain.event_id, plain.recorded, np.array([True, False, True, False]), np.ones(4, np.bool_)
    )
    first, others = new.by_subject()
    assert [subjects[row] for row in first.tolist()] == ["enterprise/c", "enterprise/d"]
    assert [subjects[row] for row in others.tolist()] == ["enterprise/a", "enterprise/b"]


subjects_of_kinds = st.builds(
    "{}/{}".format, st.sampled_from(["area", "enterprise", "enterprises", "union"]), st.text("0a/z\U0001f3ed", max_size=3)
)


@given(st.sets(subjects_of_kinds), st.lists(subjects_of_kinds))
def test_of_a_subject_that_is_not_among_the_applied_nothing_was_applied(before: set[str], subjects: list[str]) -> None:
    greatest = {kind: max(one for one in before if kind_of(one) == kind) for kind in map(kind_of, before)}
    among = AppliedBound(greatest).among(subjects)
    assert {subject for subject in subjects if subject in before} <= {subjects[place] for place in among}
    assert among == [place for place, one in enumerate(subjects) if kind_of(one) in greatest and one <= greatest[kind_of(one)]]
