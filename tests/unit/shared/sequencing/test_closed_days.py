"""Which day is closed in a shard."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.broker.protocol import partition_for, partition_of
from shared.contracts.streams import day_subject
from shared.sequencing.closed_days import NO_DAY, closed_day

FIRST, SECOND, THIRD = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
TOPICS = ("a", "b")


def test_a_day_is_closed_when_all_topics_have_closed_it() -> None:
    assert closed_day({}, TOPICS, None) is None
    assert closed_day({"a": THIRD}, TOPICS, None) is None
    assert closed_day({"a": THIRD, "b": FIRST}, TOPICS, None) == FIRST
    assert closed_day({"a": THIRD, "b": FIRST}, ("a",), None) == THIRD
    assert closed_day({}, (), None) is None


def test_what_is_held_keeps_its_known_day_open() -> None:
    both = {"a": THIRD, "b": THIRD}
    assert closed_day(both, TOPICS, SECOND) == FIRST
    assert closed_day(both, TOPICS, THIRD + timedelta(days=9)) == THIRD


def test_what_cannot_tell_its_day_keeps_every_day_open() -> None:
    assert closed_day({"a": THIRD, "b": THIRD}, TOPICS, NO_DAY) is None


days = st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 12, 31))


@given(closings=st.dictionaries(st.sampled_from(TOPICS), days), held=st.none() | days)
def test_no_day_is_closed_that_a_topic_or_a_held_event_leaves_open(closings: dict[str, date], held: date | None) -> None:
    closed = closed_day(closings, TOPICS, held)
    if closed is not None:
        assert all(closings[topic] >= closed for topic in TOPICS)
        assert held is None or held > closed


def test_the_partition_of_a_closed_day_stands_in_its_subject() -> None:
    assert partition_for(day_subject(47), "47", 48) == 47
    assert partition_for("enterprise/0197-7", "0197-7", 48) == partition_of("0197-7", 48)
