"""The agency's own exports: its headings, American dates, titles above the header, and fields of many lines."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from samples.files import UnusableFileError
from samples.nlrb.adapter import Elections
from samples.records import Founding, Headcount

FOLDER = Path(__file__).parents[3] / "samples" / "nlrb"
EXCERPT = FOLDER / "nlrb_agency_export_excerpt.csv"
"""Rows of the spreadsheet that the agency released, saved as CSV."""
SAMPLE = FOLDER / "nlrb_union_elections_regions_01_18.csv"
ONLINE = [
    *("Region", "Case", "Name", "Status", "Date Filed", "Date Closed", "Reason Closed", "City", "States & Territories", "Unit ID"),
    *("Ballot Type", "Tally Type", "Tally Date", "No of Eligible Voters", "Void Ballots", "Labor Union1", "Votes for Labor Union1"),
    *("Labor Union2", "Votes for Labor Union2", "Labor Union3", "Votes for Labor Union3", "Votes Against", "Total Ballots Counted"),
    *("Runoff Required", "Challenged Ballots", "Challenges are Determinative", "Union to Certify", "Voting Unit (Unit A)"),
]
"""The headings of the agency's page of recent election results."""


def online(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ONLINE)
        writer.writeheader()
        writer.writerows(rows)
    return path


def tally(case: str, **changes: str) -> dict[str, str]:
    given = {"Case": case, "Name": "Harbour Mill", "City": "New Haven", "States & Territories": "CT", "Date Filed": "01/02/2020"}
    given |= {"Date Closed": "5/1/2020", "Reason Closed": "Certific. of Representative", "Tally Date": "03/01/2020", "Unit ID": "A"}
    return given | {"No of Eligible Voters": "1,030", "Votes for Labor Union1": "20", "Votes Against": "5"} | changes


def test_the_rows_of_an_export_are_those_of_the_prepared_sample() -> None:
    export, sample = Elections(EXCERPT), Elections(SAMPLE)
    assert (export.rows, export.refused, len(export.notices)) == (12, 0, 0)
    prepared = {unit.key: unit for unit in sample.enterprises()}
    read = {unit.key: unit for unit in export.enterprises()}
    assert len(read) == 9
    for key, unit in read.items():
        assert unit._replace(row=0) == prepared[key]._replace(row=0)
    spanned = max(EXCERPT.read_text("utf-8").split('"'), key=lambda field: field.count("\n"))
    assert spanned.count("\n") > 50, "one field spans more lines than a screen"


def test_the_headings_of_the_online_export_are_read(tmp_path: Path) -> None:
    path = online(tmp_path / "export.csv", tally("01-RC-1", **{"Voting Unit (Unit A)": "Included: all\n\nExcluded: “none”,\nas defined"}))
    [unit] = Elections(path).enterprises()
    assert (unit.key, unit.name, unit.park, unit.settled_on) == ("01-RC-1", "Harbour Mill", "CT-NEW-HAVEN", "2020-01-02")
    assert (unit.headcount, unit.union) == (Headcount("2020-03-01", 1030), Founding("2020-05-01", 20))


@pytest.mark.parametrize("lines", [2, 49, 51, 500, 5000])
def test_a_field_of_many_lines_breaks_neither_its_row_nor_those_after_it(tmp_path: Path, lines: int) -> None:
    long = {"Voting Unit (Unit A)": "\n".join(f"line {n}, with a comma" for n in range(lines))}
    path = online(tmp_path / "export.csv", tally("01-RC-1", **long), tally("01-RC-2"), tally("01-RC-3", **{"Tally Date": "13/45/2020"}))
    read = Elections(path)
    assert [(notice.row, notice.field, notice.code) for notice in read.notices] == [(3 + lines, "Tally Date", "INVALID_DATE")]
    assert [(unit.key, unit.row) for unit in read.enterprises()] == [("01-RC-1", 2), ("01-RC-2", 2 + lines)]


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("stray", ['01-RC-0,"no end', 'x,"a" b,c', '"a\nb",only two'])
def test_a_surplus_quote_costs_its_lines_and_no_row_after_it(tmp_path: Path, stray: str) -> None:
    path = online(tmp_path / "export.csv", *(tally(f"01-RC-{n}", **{"Labor Union1": 'Local "7",\nof CT'}) for n in range(1, 400)))
    head, rest = path.read_text("utf-8").split("\n", 1)
    path.write_text(f"{head}\n{stray}\n{rest}", "utf-8")
    read = Elections(path)
    assert read.units == 399
    assert {notice.row for notice in read.notices} <= {2, 3}
    assert len(read.notices) >= 1


def test_every_refusal_is_kept(tmp_path: Path) -> None:
    path = online(tmp_path / "export.csv", *(tally(f"01-RC-{n}", **{"Date Filed": "02/30/2020"}) for n in range(3000)), tally("01-RC-A"))
    read = Elections(path)
    assert [notice.row for notice in read.notices] == list(range(2, 3002))
    assert read.units == 1


def test_an_export_without_a_needed_column_is_refused_by_the_name_of_the_sample(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(",".join(name for name in ONLINE if name != "Tally Date") + "\n", "utf-8")
    with pytest.raises(UnusableFileError) as refused:
        Elections(path)
    assert [(error.row, error.field, error.code) for error in refused.value.errors] == [(1, "Tally Date", "MISSING_COLUMN")]
