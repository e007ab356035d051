"""The panel of the time to found: the table twin and the chart say the same curve, in both languages."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
import vl_convert

from services.metrics.dashboard import drawing
from services.metrics.dashboard.panels import waiting
from services.metrics.dashboard.panels.waiting import Mark, Panel
from services.metrics.dashboard.words import Language, Words
from services.metrics.explaining.waits import Waits

ZONE = ZoneInfo("Asia/Shanghai")


def panel(founded: dict[int, int], waits: dict[int, int]) -> Panel:
    found = Waits("all", "", founded, waits)
    return Panel(found, found.curve(), *found.median())


def test_the_table_twin_reads_the_curve_at_its_marks_as_far_as_anybody_was_observed() -> None:
    found = panel({0: 1, 40: 2}, {100: 1, 800: 1})
    assert found.marks == [Mark(0, 5, 1, "80.0"), Mark(30, 4, 1, "80.0"), Mark(90, 2, 3, "40.0"), Mark(180, 1, 3, "40.0"), Mark(365, 1, 3, "40.0"), Mark(730, 1, 3, "40.0")]  # fmt: skip
    assert panel({}, {}).marks == []


@pytest.mark.parametrize(("language", "said"), [("zh", "中位数 40 天"), ("en", "median 40 days")])
def test_the_chart_steps_down_from_all_and_names_the_median(language: Language, said: str) -> None:
    told = waiting.chart_spec(panel({0: 1, 40: 2}, {100: 1, 800: 1}), Words(language, ZONE))
    assert told["steps"] == [(0, 100.0), (0, 80.0), (40, 40.0), (100, 40.0), (800, 40.0)]
    assert said in vl_convert.vegalite_to_svg(drawing.survival(told).to_dict())


def test_a_long_curve_is_thinned_to_what_can_be_seen() -> None:
    told = waiting.chart_spec(panel(dict.fromkeys(range(4000), 1), {}), Words("en", ZONE))
    assert len(told["steps"]) <= waiting.MOST_POINTS + 50
    assert told["steps"][-1] == (3999, 0.0)
