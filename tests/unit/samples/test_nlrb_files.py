"""Bad and odd files of the NLRB form: what is wrong is told by row and field, and what is right is read."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from samples.files import UnusableFileError
from samples.nlrb.adapter import Elections
from samples.nlrb.rows import COLUMNS
from samples.records import Enterprise, Founding, Headcount
from shared.problems.catalogue import CODES

GOOD = [
    "01-RC-1",
    "Harbour Mill",
    "New  Haven",
    "CT",
    "2020-01-02",
    "2020-05-01",
    "Certific. of Representative",
    "2020-03-01",
    "A",
    "30",
    "20",
    "5",
]

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*rows: list[str] | str, encoding: str = "utf-8", columns: tuple[str, ...] = COLUMNS) -> Path:
        path = tmp_path / "elections.csv"
        text = "\n".join([",".join(columns), *(row if isinstance(row, str) else ",".join(row) for row in rows)]) + "\n"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def row(**changes: str) -> list[str]:
    values = dict(zip(COLUMNS, GOOD, strict=True))
    for name, value in changes.items():
        values[next(column for column in COLUMNS if column.replace(" ", "_").lower().startswith(name))] = value
    return list(values.values())


def errors_of(path: Path) -> list[tuple[int | None, str | None, str]]:
    read = Elections(path)
    assert all(notice.code in CODES for notice in read.notices)
    return [(notice.row, notice.field, notice.code) for notice in read.notices]


def unusable(path: Path) -> list[tuple[int | None, str | None, str]]:
    with pytest.raises(UnusableFileError) as refused:
        Elections(path)
    assert all(error.code in CODES for error in refused.value.errors)
    return [(error.row, error.field, error.code) for error in refused.value.errors]


def findings_of(path: Path) -> list[tuple[str, str]]:
    return sorted((finding.case, finding.code) for finding in Elections(path).findings())


def test_a_row_becomes_a_unit_with_headcount_union_and_members(write: Write) -> None:
    [unit] = Elections(write(GOOD)).enterprises()
    assert unit == Enterprise(
        "01-RC-1", 2, "Harbour Mill", "CT-NEW-HAVEN", "2020-01-02", Headcount("2020-03-01", 30), Founding("2020-05-01", 20)
    )


def test_the_latest_tally_of_a_unit_counts_and_of_equal_ones_the_later_row(write: Write) -> None:
    path = write(
        row(tally="2020-03-01", num="10", votes_for="1"),
        row(tally="2020-02-01", num="11", votes_for="2"),
        row(tally="2020-03-01", num="12", votes_for="3"),
        row(unit_id="B", tally="2020-02-20", num="", votes_for="4"),
    )
    [unit] = Elections(path).enterprises()
    assert unit.headcount == Headcount("2020-03-01", 12)
    assert unit.union == Founding("2020-05-01", 7)


def test_no_eligible_voters_is_no_report_and_zero_is_one(write: Write) -> None:
    path = write(row(num="", votes_for="0", votes_cast="0"), row(case_number="01-RC-2", num="0", votes_for="0", votes_cast="0"))
    assert [unit.headcount for unit in Elections(path).enterprises()] == [None, Headcount("2020-03-01", 0)]
    assert findings_of(path) == [("01-RC-1", "NO_HEADCOUNT"), ("01-RC-2", "ZERO_WORKERS")]


def test_only_a_certification_founds_a_union(write: Write) -> None:
    path = write(row(closed="Certification of Results"), row(case_number="01-RC-2", case_closed=""))
    assert [unit.union for unit in Elections(path).enterprises()] == [None, None]
    assert findings_of(path) == [("01-RC-2", "CERTIFIED_WITHOUT_DATE")]


def test_what_is_odd_is_found_and_kept(write: Write) -> None:
    path = write(
        row(votes_for="40"),
        row(case_number="01-RC-2", case_closed="2019-05-01", unit_city="NEW HAVEN"),
        row(case_number="01-RC-3", tally="2020-01-01", unit_city="", unit_state=""),
        row(case_number="01-RC-4"),
        row(case_number="01-RC-4", case_name="Harbour Mills", unit_id="B"),
    )
    assert findings_of(path) == [
        ("01-RC-1", "VOTES_OVER_VOTERS"),
        ("01-RC-2", "FOUNDED_BEFORE_SETTLED"),
        ("01-RC-2", "FOUNDED_BEFORE_TALLY"),
        ("01-RC-2", "OTHER_SPELLING"),
        ("01-RC-3", "HEADCOUNT_BEFORE_SETTLED"),
        ("01-RC-3", "NO_CITY"),
        ("01-RC-3", "NO_STATE"),
        ("01-RC-4", "ROWS_DIFFER"),
    ]
    assert Elections(path).units == 4


def test_every_wrong_field_of_a_row_is_told_and_the_other_rows_are_read(write: Write) -> None:
    path = write(
        GOOD,
        row(case_number="01-RC-2", case_filed="2020-13-01", case_closed="1.5.2020", tally="1899-12-31"),
        row(case_number="01-RC-3", num="-3", votes_for="many", votes_cast="1.5"),
        row(case_number="", case_filed="", unit_state="Connecticut"),
        row(case_number="01-RC-5", case_name="", num="99999999"),
    )
    assert errors_of(path) == [
        (3, "Case Filed Date", "INVALID_DATE"),
        (3, "Case Closed Date", "INVALID_DATE"),
        (3, "Tally Date", "DATE_OUT_OF_RANGE"),
        (4, "Num Eligible Voters", "BELOW_ZERO"),
        (4, "Votes For Labor Org1", "NOT_A_WHOLE_NUMBER"),
        (4, "Votes Cast Against Labor Org", "NOT_A_WHOLE_NUMBER"),
        (5, "Case Number", "FIELD_REQUIRED"),
        (5, "Unit State", "BAD_FORM"),
        (5, "Case Filed Date", "FIELD_REQUIRED"),
        (6, "Case Name", "FIELD_REQUIRED"),
        (6, "Num Eligible Voters", "OUT_OF_RANGE"),
    ]
    read = Elections(path)
    assert (read.rows, read.refused, read.units) == (5, 4, 1)


@pytest.mark.parametrize(
    ("broken", "code"),
    [("01-RC-2,Mill,New Haven", "BROKEN_ROW"), ("x,y,z", "BROKEN_ROW"), ('01-RC-2,"Mill, New Haven,CT', "BROKEN_QUOTES")],
)
def test_a_broken_line_in_the_middle_costs_itself_only(write: Write, broken: str, code: str) -> None:
    path = write(row(case_number="01-RC-1"), broken, *(row(case_number=f"01-RC-{n}", case_name='"Mill, ""Old"""') for n in range(3, 90)))
    assert errors_of(path) == [(3, None, code)]
    assert Elections(path).units == 88


def test_quoted_fields_may_span_lines(write: Write) -> None:
    path = write(row(case_name='"Mill\nof Haven"'), row(case_number="01-RC-2"), row(case_number="01-RC-3", case_filed="x"))
    assert errors_of(path) == [(5, "Case Filed Date", "INVALID_DATE")]
    assert [(unit.name, unit.row) for unit in Elections(path).enterprises()] == [("Mill of Haven", 2), ("Harbour Mill", 4)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings_are_recognised(write: Write, encoding: str) -> None:
    path = write(row(case_name="海港纺织厂(新)"), row(case_number="01-RC-2", case_name="镕基 Ünïted 𠮷野"[:3]), encoding=encoding)
    assert [unit.name for unit in Elections(path).enterprises()] == ["海港纺织厂(新)", "镕基"]


def test_other_encodings_are_refused_by_row(write: Write) -> None:
    names = ["Peñuelas", "Mayagüez", "Café Añejo"]
    rows = [row(case_number=f"01-RC-{n}", case_name=name) for n, name in enumerate(names)]
    assert unusable(write(GOOD, *rows, encoding="latin-1")) == [(3, None, "UNKNOWN_ENCODING")]
    assert unusable(write(GOOD, *rows, encoding="utf-16")) == [(1, None, "UNKNOWN_ENCODING")]


def test_a_missing_column_is_named(write: Write) -> None:
    assert unusable(write(GOOD, columns=tuple(name for name in COLUMNS if name not in {"Unit City", "Tally Date"}))) == [
        (1, "Unit City", "MISSING_COLUMN"),
        (1, "Tally Date", "MISSING_COLUMN"),
    ]
    assert unusable(write(GOOD, columns=(*COLUMNS, "Unit City"))) == [(1, "Unit City", "DUPLICATE_COLUMN")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FILE_EMPTY"),
        (b"\xef\xbb\xbf\r\n\r\n", "FILE_EMPTY"),
        ((",".join(COLUMNS) + "\n").encode(), "FILE_EMPTY"),
        (b'{"case": 1}\n{"case": 2}\n', "NOT_A_TABLE"),
        (b"PK\x03\x04 a workbook", "NOT_A_TABLE"),
        (b"\x7fELF\x00\x00\x01", "NOT_A_TABLE"),
        (b"only words, and a comma\nand more\n", "NOT_A_TABLE"),
        (";".join(COLUMNS).encode(), "NOT_A_TABLE"),
    ],
)
def test_files_that_are_no_table_are_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert [found for _, _, found in unusable(path)] == [code]


def test_files_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    assert unusable(tmp_path / "none") == [(None, None, "FILE_UNREADABLE")]
    assert unusable(tmp_path) == [(None, None, "FILE_UNREADABLE")]


def test_memory_does_not_grow_with_the_file_and_errors_are_counted(write: Write) -> None:
    good = (row(case_number=f"01-RC-{n}", case_name=f"Mill {random.Random(n).random()}") for n in range(8_000))
    bad = (row(case_number=f"02-RC-{n}", num="x") for n in range(2000))
    path = write(*good, *bad)
    tracemalloc.start()
    read = Elections(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (read.units, read.refused, len(read.notices)) == (8_000, 2000, 2000)
    assert most < 6 * 2**20
