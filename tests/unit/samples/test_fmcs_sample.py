"""The FMCS sample through its adapter against the independent statement, and the figures that the sample is known for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from samples.fmcs.adapter import Stoppages
from samples.fmcs.findings import FINDINGS
from samples.records import Case
from tests import oracle_fmcs

SAMPLE = Path(__file__).resolve().parents[3] / "samples/fmcs/fmcs_work_stoppages_1984_2009.csv"
ROWS = 13_056
COLLECTIVE = 10
"""Workers."""
DAYS = ["1981-10-17", "1981-10-18", "1986-07-14", "1990-06-29", "2000-02-29", "2009-12-31", "2015-01-08", "2015-01-09", "2026-11-29"]


@pytest.fixture(scope="module")
def stoppages() -> Iterator[Stoppages]:
    read = Stoppages(SAMPLE)
    yield read
    read.close()


@pytest.fixture(scope="module")
def cases(stoppages: Stoppages) -> list[tuple[str, Case]]:
    """(state, "" for none; case)"""
    parent = {area.code: area.parent or "" for area in stoppages.areas}
    states = {code: "" if above == "US" else above for code, above in parent.items()}
    return [(states[unit.park], case) for unit in stoppages.employers() for case in unit.cases]


def test_every_row_is_a_case(stoppages: Stoppages, cases: list[tuple[str, Case]]) -> None:
    assert (stoppages.rows, stoppages.refused, stoppages.cases, len(cases)) == (ROWS, 0, ROWS, ROWS)
    assert sorted(case.row for _, case in cases) == list(range(2, ROWS + 2))
    assert len({case.key for _, case in cases}) == ROWS
    assert {(case.kind, case.subkind) for _, case in cases} == {("labour_dispute", "work_stoppage")}
    assert not len(stoppages.notices)


def test_cases_by_state_and_year_of_start_are_those_of_the_file(cases: list[tuple[str, Case]]) -> None:
    assert Counter((state, int(case.opened_on[:4])) for state, case in cases) == oracle_fmcs.started(SAMPLE)


@pytest.mark.parametrize("day", DAYS)
def test_cases_open_on_a_day_are_those_of_the_file(cases: list[tuple[str, Case]], day: str) -> None:
    found = Counter(state for state, case in cases if case.opened_on <= day and (case.closed_on is None or case.closed_on > day))
    assert found == oracle_fmcs.open_on(SAMPLE, day)


def test_what_never_ended_is_open_for_ever(cases: list[tuple[str, Case]], stoppages: Stoppages) -> None:
    assert sum(oracle_fmcs.open_on(SAMPLE, "2026-11-29").values()) == 64
    assert stoppages.ended == ROWS - 64
    assert {case.outcome for _, case in cases if case.closed_on} == {"ended"}
    assert {case.outcome for _, case in cases if not case.closed_on} == {None}


def test_cases_of_ten_workers_or_more_are_those_of_the_file(cases: list[tuple[str, Case]]) -> None:
    found = Counter(state for state, case in cases if case.workers is not None and case.workers >= COLLECTIVE)
    assert found == oracle_fmcs.collective(SAMPLE)
    assert sum(found.values()) == 12_621


def test_an_employer_settles_with_its_first_case_in_the_park_that_is_its_place(stoppages: Stoppages) -> None:
    units = list(stoppages.employers())
    assert len(units) == stoppages.units == 12_451
    assert len({unit.key for unit in units}) == len({(unit.name.lower(), unit.park) for unit in units}) == len(units)
    assert all(unit.settled_on == min(case.opened_on for case in unit.cases) for unit in units)
    assert [unit.row for unit in units] == sorted(unit.cases[0].row for unit in units)
    [nowhere] = [unit for unit in units if unit.park == "US-UNKNOWN"]
    assert [case.row for case in nowhere.cases] == [row for code, row in oracle_fmcs.odd(SAMPLE) if code == "NO_PLACE"]


def test_areas_come_from_the_file_parents_first_each_once(stoppages: Stoppages) -> None:
    seen: set[str | None] = {None}
    for area in stoppages.areas:
        assert area.parent in seen
        assert area.code not in seen
        seen.add(area.code)
    assert Counter(area.kind for area in stoppages.areas) == {"division": 54, "park": 3425}
    above = {area.code: (area.name, area.parent) for area in stoppages.areas}
    assert above["NJ-SECAUCUS"] == ("Secaucus", "NJ")
    assert above["US-UNKNOWN"] == ("UNKNOWN", "US")


def test_all_odd_rows_are_listed_and_every_code_is_explained(stoppages: Stoppages) -> None:
    found = list(stoppages.findings())
    assert {(finding.code, finding.row) for finding in found if not finding.code.startswith(("OTHER", "NO_CITY"))} == oracle_fmcs.odd(
        SAMPLE
    )
    counts = Counter(finding.code for finding in found)
    assert counts == stoppages.finding_counts()
    assert counts == {
        "END_BEFORE_START": 8,
        "NO_CITY": 1,
        "NO_END": 56,
        "NO_PLACE": 1,
        "NO_WORKERS": 3,
        "OTHER_NAME": 17,
        "OTHER_SPELLING": 203,
        "REPEATED_NUMBER": 42,
        "ZERO_WORKERS": 3,
    }
    assert counts.keys() <= FINDINGS.keys()
