"""Files of the form of the FMCS sample: every row is a case or refused with its reason; a file that is no such table is refused as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from samples.files import UnusableFileError
from samples.fmcs.adapter import Stoppages
from samples.records import Case

HEADER = 'Employer,Union,Case Number,Industry,"City, State",# Idled,Start Date,End Date'


def read(path: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8") -> Stoppages:
    path.write_text("\n".join([header, *rows]) + "\n", encoding)
    return Stoppages(path)


@pytest.fixture(name="path")
def path_of_a_file(tmp_path: Path) -> Path:
    return tmp_path / "stoppages.csv"


def cases(stoppages: Stoppages) -> list[Case]:
    return [case for unit in stoppages.employers() for case in unit.cases]


def noted(stoppages: Stoppages) -> list[tuple[str, int, str]]:
    return [(finding.code, finding.row, finding.detail) for finding in stoppages.findings()]


def refused(stoppages: Stoppages) -> list[tuple[int | None, str | None, str]]:
    return [(notice.row, notice.field, notice.code) for notice in stoppages.notices]


def test_employers_are_told_apart_by_name_and_place(path: Path) -> None:
    found = read(
        path,
        'Acme  Steel,X,1,M,"Gary, IN",20,1990-05-01,1990-06-01',
        'ACME STEEL,X,2,M,"gary , in",30,1985-02-01,1985-02-01',
        'Acme Steel,X,3,M,"Dayton, OH",30,1991-01-01,',
    )
    units = list(found.employers())
    assert [(unit.name, unit.park, unit.settled_on, len(unit.cases)) for unit in units] == [
        ("Acme Steel", "IN-GARY", "1985-02-01", 2),
        ("Acme Steel", "OH-DAYTON", "1991-01-01", 1),
    ]
    assert noted(found) == [
        ("NO_END", 4, ""),
        ("OTHER_NAME", 3, "ACME STEEL (Acme Steel)"),
        ("OTHER_SPELLING", 3, "gary (Gary)"),
    ]
    assert (found.cases, found.units, found.ended) == (3, 2, 2)
    assert [(area.code, area.parent) for area in found.areas] == [
        ("US", None),
        ("IN", "US"),
        ("OH", "US"),
        ("IN-GARY", "IN"),
        ("OH-DAYTON", "OH"),
    ]


def test_a_row_with_an_end_before_its_start_is_an_open_case(path: Path) -> None:
    found = read(path, 'Acme,X,1,M,"Gary, IN",20,1990-05-02,1990-05-01', 'Bolt,X,2,M,"Gary, IN",20,1990-05-02,1990-05-02')
    assert [(case.row, case.closed_on, case.outcome) for case in cases(found)] == [(2, None, None), (3, "1990-05-02", "ended")]
    assert noted(found) == [("END_BEFORE_START", 2, "1990-05-01 < 1990-05-02")]


def test_each_row_of_a_repeated_number_is_a_case(path: Path) -> None:
    row = 'Acme,X,1990AA1,M,"Gary, IN",20,1990-05-01,1990-06-01'
    found = read(path, row, row, row)
    assert [case.key for case in cases(found)] == ["1990AA1/2", "1990AA1/3", "1990AA1/4"]
    assert noted(found) == [("REPEATED_NUMBER", 3, "2"), ("REPEATED_NUMBER", 4, "2")]


def test_workers_may_be_missing_or_none(path: Path) -> None:
    found = read(
        path, *(f'Acme {n},X,{n},M,"Gary, IN",{idled},1990-05-01,1990-06-01' for n, idled in enumerate(["", "0.0", '"1,250"', "27.0"]))
    )
    assert [case.workers for case in cases(found)] == [None, 0, 1250, 27]
    assert noted(found) == [("NO_WORKERS", 2, ""), ("ZERO_WORKERS", 3, "")]


def test_places_without_a_city_or_a_state_have_parks_of_their_own(path: Path) -> None:
    places = ['"  "', '", OH"', "Gary", '"Danville,, IL"', '"Toronto, Ontario"']
    found = read(path, *(f"Acme,X,{n},M,{place},20,1990-05-01,1990-06-01" for n, place in enumerate(places)))
    parks = [(area.code, area.name, area.parent) for area in found.areas if area.kind == "park"]
    assert parks == [
        ("US-UNKNOWN", "UNKNOWN", "US"),
        ("OH-UNKNOWN", "UNKNOWN", "OH"),
        ("UNKNOWN-GARY", "Gary", "UNKNOWN"),
        ("IL-DANVILLE-", "Danville,", "IL"),
        ("UNKNOWN-TORONTO-ONTARIO", "Toronto, Ontario", "UNKNOWN"),
    ]
    assert noted(found) == [("NO_CITY", 3, ""), ("NO_PLACE", 2, ""), ("NO_STATE", 4, ""), ("NO_STATE", 6, "")]
    assert [area.code for area in found.areas if area.kind == "division"] == ["US", "OH", "UNKNOWN", "IL"]


@pytest.mark.parametrize(
    ("row", "errors"),
    [
        (',X,1,M,"Gary, IN",20,1990-05-01,', [("Employer", "FIELD_REQUIRED")]),
        ('Acme,X,,M,"Gary, IN",20,1990-05-01,', [("Case Number", "FIELD_REQUIRED")]),
        ('Acme,X,a b,M,"Gary, IN",20,1990-05-01,', [("Case Number", "BAD_FORM")]),
        ('Acme,X,1,M,"Gary, IN",-1,1990-05-01,', [("# Idled", "BELOW_ZERO")]),
        ('Acme,X,1,M,"Gary, IN",1.5,1990-05-01,', [("# Idled", "NOT_A_WHOLE_NUMBER")]),
        ('Acme,X,1,M,"Gary, IN",20,,1990-05-01', [("Start Date", "FIELD_REQUIRED")]),
        ('Acme,X,1,M,"Gary, IN",20,1990-13-01,1990-02-30', [("Start Date", "INVALID_DATE"), ("End Date", "INVALID_DATE")]),
        ('Acme,X,1,M,"Gary, IN",20,1800-01-01,', [("Start Date", "DATE_OUT_OF_RANGE")]),
        ('Acme,X,1,M,"Gary, IN",20,1990-05-01', [(None, "BROKEN_ROW")]),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_reason_and_stops_no_other(
    path: Path, row: str, errors: list[tuple[str | None, str]]
) -> None:
    found = read(path, row, 'Bolt,X,2,M,"Gary, IN",20,05/01/1990,1990-06-01')
    assert refused(found) == [(2, field, code) for field, code in errors]
    assert (found.rows, found.refused) == (2, 1)
    assert [(case.key, case.opened_on) for case in cases(found)] == [("2/3", "1990-05-01")]


def test_a_file_that_is_no_such_table_is_refused(path: Path) -> None:
    with pytest.raises(UnusableFileError) as unusable:
        read(path, "Acme,1", header="Employer,Case Number")
    assert [(error.code, error.field) for error in unusable.value.errors] == [
        ("MISSING_COLUMN", name) for name in ("City, State", "# Idled", "Start Date", "End Date")
    ]
    with pytest.raises(UnusableFileError) as unusable:
        read(path)
    assert [error.code for error in unusable.value.errors] == ["FILE_EMPTY"]
