"""The strip of a subscription's last days shows what there is, in proportion, and loses nothing that is small."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.portal.store import STATES
from services.subscriptions.portal.strip import DAYS, HEIGHT, LEAST, STEP, Strip, first_day, strip_of

TODAY = date(2026, 7, 14)
COUNTS = st.fixed_dictionaries({state: st.integers(0, 10**7) for state in STATES})


def strip(counts: dict[int, dict[str, int]]) -> Strip:
    """`counts` by days before today."""
    return strip_of({TODAY - timedelta(days=ago): {**dict.fromkeys(STATES, 0), **found} for ago, found in counts.items()}, TODAY)


def test_it_ends_today_and_days_without_numbers_are_empty() -> None:
    found = strip({0: {"delivered": 2}, 3: {"parked": 1}, DAYS: {"delivered": 9}})
    assert (found.days[0].day, found.days[-1].day) == (first_day(TODAY), TODAY)
    assert len(found.days) == DAYS
    assert [day.total for day in found.days] == [0] * 10 + [1, 0, 0, 2]
    assert found.total == 3, "an earlier day is not of the strip"
    assert {(piece.state, piece.x) for piece in found.pieces} == {("delivered", 13 * STEP), ("parked", 10 * STEP)}


def test_bars_are_in_proportion_and_one_of_a_million_is_seen() -> None:
    found = {(piece.state, piece.x): piece for piece in strip({0: {"delivered": 999_999, "parked": 1}, 1: {"delivered": 500_000}}).pieces}
    whole, half, small = found["delivered", 13 * STEP], found["delivered", 12 * STEP], found["parked", 13 * STEP]
    assert half.height == HEIGHT / 2
    assert small.height >= LEAST * 0.9
    assert small.y == 0, "what needs somebody is on top"
    assert abs(whole.height + small.height - HEIGHT) < 0.1


def test_nothing_at_all_is_an_empty_strip() -> None:
    assert not strip({}).pieces
    assert strip({}).total == 0


@given(st.dictionaries(st.integers(0, DAYS - 1), COUNTS))
def test_every_state_that_there_is_has_a_piece_within_the_drawing(counts: dict[int, dict[str, int]]) -> None:
    found = strip(counts)
    assert len(found.pieces) == sum(bool(count) for day in counts.values() for count in day.values())
    for piece in found.pieces:
        assert piece.height > 0
        assert piece.y >= -0.05
        assert piece.y + piece.height <= HEIGHT + 0.05
