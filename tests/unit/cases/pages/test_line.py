"""Where clocks stand on the line of days."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.cases.pages.line import MARGIN, NARROW, WIDE, Line, dated, line_of

START, TODAY = date(2026, 3, 3), date(2026, 4, 20)
DAYS = st.dates(date(2010, 1, 1), date(2035, 1, 1))


def clock(**more: Any) -> dict[str, Any]:
    found = {"clock": "arbitration_award", "state": "running", "starts_on": START, "due_on": date(2026, 4, 17), "not_before": None}
    return {**found, "met_on": None, "stopped_on": None, "suspended": [], **more}


def drawn(*clocks: dict[str, Any], today: date = TODAY, width: int = WIDE) -> Line:
    line = line_of("wide", clocks, [START], today, width)
    assert line is not None
    return line


def test_what_has_not_begun_is_not_drawn() -> None:
    assert line_of("wide", [clock(starts_on=None, due_on=None)], [], TODAY) is None


def test_an_overdue_clock_is_solid_to_its_last_day_and_late_from_there_to_today() -> None:
    line = drawn(clock(state="overdue"))
    run, late = line.lanes[0].pieces
    assert (run.kind, late.kind) == ("run overdue", "late")
    assert run.x == MARGIN
    assert late.x == line.lanes[0].due
    assert abs(late.x + late.width - line.today) < 0.2
    assert abs(run.width / late.width - 45 / 3) < 0.1


def test_a_running_clock_is_pale_from_today_to_its_last_day() -> None:
    run, ahead = drawn(clock(), today=date(2026, 3, 20)).lanes[0].pieces
    assert (run.kind, ahead.kind) == ("run running", "ahead")
    assert abs(run.width / ahead.width - 17 / 28) < 0.02


def test_days_left_out_are_hatched_an_open_suspension_up_to_today() -> None:
    over = (date(2026, 3, 10), date(2026, 3, 20))
    line = drawn(clock(suspended=[over, (date(2026, 4, 1), None)], due_on=None, not_before=date(2026, 5, 1), state="suspended"))
    first, second = [piece for piece in line.lanes[0].pieces if piece.kind == "suspended"]
    assert abs(first.width / second.width - 10 / 19) < 0.02
    assert abs(second.x + second.width - line.today) < 0.2
    assert line.lanes[0].due is None
    assert drawn(clock(suspended=[over])).lanes[0].due is not None
    assert [piece.kind for piece in line.lanes[0].pieces][1] == "ahead open"


def test_what_was_done_ends_its_bar_on_that_day() -> None:
    line = drawn(clock(state="met", met_on=date(2026, 3, 18)))
    [done] = line.lanes[0].pieces
    assert done.kind == "run met"
    assert line.lanes[0].due is not None
    assert abs(done.width / (line.lanes[0].due - done.x) - 15 / 45) < 0.02


def test_a_period_of_years_does_not_press_the_others_together() -> None:
    line = drawn(clock(), clock(due_on=date(2028, 3, 3)), today=date(2026, 3, 20))
    short, long = line.lanes
    assert short.due is not None
    assert short.due > WIDE / 4
    assert long.due is None, "beyond the drawing"
    ahead = long.pieces[-1]
    assert ahead.kind == "ahead"
    assert abs(ahead.x + ahead.width - (WIDE - MARGIN)) < 0.2


@given(starts=DAYS, length=st.integers(0, 800), today=DAYS, happened=st.lists(DAYS, max_size=5), left=st.integers(0, 90))
def test_everything_stands_inside_the_drawing_and_labels_of_the_axis_do_not_touch(
    starts: date, length: int, today: date, happened: list[date], left: int
) -> None:
    one = clock(starts_on=starts, due_on=starts + timedelta(days=length), suspended=[(starts, starts + timedelta(days=left))])
    for width in (WIDE, NARROW):
        line = line_of("x", [one, clock(starts_on=starts, due_on=None)], happened, today, width)
        assert line is not None
        assert MARGIN <= line.today <= width - MARGIN + 0.1
        assert all(MARGIN <= x <= width - MARGIN + 0.1 for x in line.happened)
        for lane in line.lanes:
            assert all(piece.x >= MARGIN and piece.x + piece.width <= width - MARGIN + 0.2 for piece in lane.pieces)
        places = [x for x, _ in line.marks]
        assert all(second - first >= 60 for first, second in pairwise(places))


def test_answers_become_dates() -> None:
    texts = {"starts_on": "2026-03-03", "due_on": None, "not_before": None, "met_on": None, "stopped_on": None}
    assert dated({**texts, "suspended": [("2026-03-10", None)]})["suspended"] == [(date(2026, 3, 10), None)]
