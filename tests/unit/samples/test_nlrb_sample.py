"""The NLRB sample through its adapter against the independent statement, and the figures that the sample is known for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from samples.nlrb.adapter import Elections
from samples.nlrb.findings import FINDINGS
from tests.oracle import a_year_after
from tests.oracle_nlrb import COUNTS, expected

SAMPLE = Path(__file__).resolve().parents[3] / "samples/nlrb/nlrb_union_elections_regions_01_18.csv"
KNOWN = {"2021-12-31": (3783, 3777, 2342, 252414, 74890), "2018-12-31": (1826, 1747, 1038, 127119, 34418)}


@pytest.fixture(scope="module")
def elections() -> Iterator[Elections]:
    read = Elections(SAMPLE)
    yield read
    read.close()


@pytest.mark.parametrize("day", KNOWN)
def test_the_independent_statement_gives_the_known_figures(day: str) -> None:
    total = expected(SAMPLE, day)["all"]
    assert (total["units"], total["should_organise_all"], total["covered_all"], total["workers"], total["members"]) == KNOWN[day]


@pytest.mark.parametrize("day", [*KNOWN, "2016-12-31", "2020-02-29", "2021-02-28", "2021-03-01", "2026-01-01", "1999-01-01"])
def test_what_the_adapter_tells_comes_to_the_independent_statement_for_every_state(elections: Elections, day: str) -> None:
    assert _figures(elections, day) == expected(SAMPLE, day)


def _figures(elections: Elections, t: str) -> dict[str, dict[str, int]]:
    state_of = {area.code: area.parent for area in elections.areas}
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for unit in elections.enterprises():
        if unit.settled_on > t:
            continue
        report = unit.headcount if unit.headcount and unit.headcount.on <= t else None
        union = unit.union if unit.union and unit.union.approved_on <= t else None
        workers, members = report.workers if report else 0, union.members if union else 0
        for area in (state_of[unit.park] or "", "all"):
            rows[area].update(units=1, workers=workers, members=members, members_unionised=members, covered_units=bool(union))
            if report:
                stale = a_year_after(date.fromisoformat(report.on)) < date.fromisoformat(t)
                rows[area].update(units_headcount_known=1, units_headcount_stale=stale, workers_unionised=workers if union else 0)
                rows[area].update(should_organise_all=workers >= 1, covered_all=workers >= 1 and bool(union))
                rows[area].update(should_organise_ge25=workers >= 25, covered_ge25=workers >= 25 and bool(union))
            else:
                rows[area].update(members_headcount_unknown=members)
    return {area: {name: counts[name] for name in COUNTS} for area, counts in rows.items()}


def test_areas_come_from_the_file_parents_first_each_once(elections: Elections) -> None:
    seen: set[str | None] = {None}
    for area in elections.areas:
        assert area.parent in seen
        assert area.code not in seen
        seen.add(area.code)
    kinds = Counter(area.kind for area in elections.areas)
    assert kinds == {"division": 41, "park": 1543}
    names = {area.code: area.name for area in elections.areas}
    assert names["MA-CAMBRIDGE"] == "CAMBRIDGE"
    assert names["MI-SHELBY-TOWNSHIP-"] == "Shelby (Township)"


def test_all_odd_rows_are_listed_and_every_code_is_explained(elections: Elections) -> None:
    found = list(elections.findings())
    counts = Counter(finding.code for finding in found)
    assert counts == elections.finding_counts()
    assert counts == {
        "FOUNDED_BEFORE_TALLY": 12,
        "HEADCOUNT_BEFORE_SETTLED": 1,
        "OTHER_SPELLING": 325,
        "VOTES_OVER_VOTERS": 25,
        "ZERO_WORKERS": 6,
    }
    assert counts.keys() <= FINDINGS.keys()
    assert all(finding.case and finding.row > 1 for finding in found)
    assert not len(elections.notices)
