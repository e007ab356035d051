"""What people and programs read of figures and imports: rounded in one place only, narrow enough, nothing a spreadsheet would carry out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deploy.local.coverage_table import coverage_table, finality, percent
from deploy.local.loading.batches import ImportResult
from deploy.local.loading.report import MOST_SHOWN, RowsFile, finding_lines, result_lines, unusable_lines, write_findings, write_report
from samples.files import UnusableFileError
from samples.notices import Notice
from samples.records import Finding
from shared.problems.errors import FieldError


def rate(n: int, d: int) -> dict[str, Any]:
    return {"numerator": n, "denominator": d, "rate": n / d if d else None, "reason": None if d else "NO_BASE"}


def row(area: str, name: str, units: int = 3783) -> dict[str, Any]:
    founding = {"unit_founding_rate_all": rate(2342, 3777), "unit_founding_rate_ge25": rate(0, 0)}
    joining = {"worker_joining_rate_all": rate(74890, 252414), "worker_joining_rate_unionised": rate(74890, 137089)}
    return {"area": area, "name": name, "units": units, "workers": 252414, "members": 74890, **founding, **joining}


def answer(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"as_of": "2021-12-31", "known_at": "2026-11-24", "provisional": ["NO_CLOSED_DAYS"], "rows": [*rows, row("all", "全部")]}


def shown(table: Any, width: int) -> str:
    output = io.StringIO()
    Console(file=output, width=width).print(table)
    return output.getvalue()


@pytest.mark.parametrize(
    ("n", "d", "text"), [(2342, 3777, "62.0 % 2342/3777"), (1, 2000, "0.1 % 1/2000"), (1, 1, "100.0 % 1/1"), (0, 0, "— 0/0")]
)
def test_rates_are_rounded_half_up_and_keep_numerator_and_denominator(n: int, d: int, text: str) -> None:
    assert percent(rate(n, d)) == text


def test_the_table_fits_80_columns_and_says_everything_there(tmp_path: Path) -> None:
    text = shown(coverage_table(answer(row("MA-CAMBRIDGE", "Cambridge")), width=80), 80)
    for said in (
        "MA-CAMBRIDGE",
        "3783",
        "62.0 % 2342/3777",
        "— 0/0",
        "252414",
        "74890",
        "29.7 % 74890/252414",
        "54.6 %",
        "no day is closed yet",
    ):
        assert said in text
    assert "…" not in text


def test_of_many_rows_those_with_most_units_are_shown_and_always_the_total() -> None:
    rows = [row(f"R{n}", f"R{n}", units=n) for n in range(50)]
    text = shown(coverage_table(answer(*rows), most=2), 160)
    assert [code for code in ("R48", "R49", "all") if code in text] == ["R48", "R49", "all"]
    assert "R47" not in text
    assert "48 more rows" in text
    assert "more rows" not in shown(coverage_table(answer(*rows)), 160)


def test_refusals_are_listed_by_row_in_both_languages_and_the_fate_of_the_others_is_said() -> None:
    result = ImportResult()
    result.accepted.update(enterprise=7)
    result.refuse([FieldError("UNKNOWN_PARK", "park", 9, {"park": "X"})], "enterprise")
    result.refuse([FieldError("BROKEN_JSON", None, 4)], "row", 3)
    result.notices.add([Notice.of(FieldError("PROBABLE_DUPLICATE", None, 2), "enterprise", warning=True)])
    first, second, third, accepted, refused, warned = result_lines(result)
    assert "line 4" in first
    assert "第 9 行 line 9 · enterprise · park · UNKNOWN_PARK: 没有园区 X。 / There is no park X." in second
    assert "第 2 行 line 2 · enterprise · 提示 warning · PROBABLE_DUPLICATE: " in third
    assert "1" in warned
    assert "enterprise 7" in accepted
    assert "enterprise 1" in refused
    assert "row 3" in refused


@pytest.mark.parametrize("name", ["all.csv", "all.ndjson"])
def test_of_many_refusals_the_first_are_shown_and_all_are_in_the_report(tmp_path: Path, name: str) -> None:
    result = ImportResult()
    for row in range(1, MOST_SHOWN + 51):
        result.refuse([FieldError("FIELD_REQUIRED", "=name", row)], "enterprise")
    result.notices.add([Notice.of(FieldError("PROBABLE_DUPLICATE", None, 999), "enterprise", warning=True)])
    shown = list(result_lines(result, tmp_path / name))
    assert sum("FIELD_REQUIRED:" in line for line in shown) == MOST_SHOWN
    assert any(f"50 more, {MOST_SHOWN + 50} in all" in line and f"FIELD_REQUIRED {MOST_SHOWN + 50}" in line for line in shown)
    assert any(str(tmp_path / name) in line for line in shown)
    write_report(tmp_path / name, result.notices)
    with (tmp_path / name).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file)) if name.endswith(".csv") else [json.loads(line) for line in file]
    assert [int(row["line"]) for row in rows] == [*range(1, MOST_SHOWN + 51), 999]
    assert (rows[0]["op"], rows[0]["code"], rows[0]["severity"]) == ("enterprise", "FIELD_REQUIRED", "error")
    assert rows[0]["field"] == ("'=name" if name.endswith(".csv") else "=name")
    assert rows[-1]["severity"] == "warning"
    assert all(row["zh"] and row["en"] for row in rows)


def test_a_file_of_rows_joins_lists_in_csv(tmp_path: Path) -> None:
    for name, said in (("ids.csv", "a b"), ("ids.ndjson", ["a", "b"])):
        with RowsFile(tmp_path / name, ("line", "events")) as file:
            file.write((3, ["a", "b"]))
        text = (tmp_path / name).read_text("utf-8-sig")
        found = next(csv.DictReader(io.StringIO(text))) if name.endswith(".csv") else json.loads(text)
        assert (int(found["line"]), found["events"]) == (3, said)


def test_an_unusable_file_is_said_with_all_that_is_wrong_and_that_nothing_was_brought_in() -> None:
    error = UnusableFileError(FieldError("MISSING_COLUMN", "A", 1, {"column": "A"}), FieldError("MISSING_COLUMN", "B", 1, {"column": "B"}))
    *wrong, last = unusable_lines(Path("file.csv"), error)
    assert [line.split(": ")[1] for line in wrong] == ["第 1 行 line 1 · A · MISSING_COLUMN", "第 1 行 line 1 · B · MISSING_COLUMN"]
    assert "nothing was brought in" in last


def test_findings_are_listed_with_case_and_code_and_written_in_full(tmp_path: Path) -> None:
    findings = [Finding("01-RC-1", "OTHER_SPELLING", 3, "=1+1"), Finding("01-RC-2", "OTHER_SPELLING", 4, "")]
    lines = list(finding_lines(findings, {"OTHER_SPELLING": 2}, {"OTHER_SPELLING": ("甲", "other")}, tmp_path / "rest"))
    assert lines[1:] == [
        "OTHER_SPELLING (2) 甲 / other",
        "  01-RC-1  OTHER_SPELLING  第 3 行 line 3  =1+1",
        "  01-RC-2  OTHER_SPELLING  第 4 行 line 4",
    ]
    write_findings(tmp_path / "findings.csv", findings)
    assert "01-RC-1,OTHER_SPELLING,3,'=1+1" in (tmp_path / "findings.csv").read_text("utf-8")


def test_tables_and_lines_say_whether_figures_may_change() -> None:
    open_day = {**answer(), "closed_day": "2026-11-23"}
    assert "DAY" not in finality({**open_day, "provisional": []})
    assert "final" in finality({**open_day, "provisional": []})
    assert "尚无结账日" in finality(answer())
    assert "no day is closed yet" in finality(answer())
    open_text = finality({**open_day, "provisional": ["DAY_NOT_CLOSED", "A_CODE_OF_TOMORROW"]})
    assert "known at 2026-11-24, a day that is not closed yet (known days are closed until 2026-11-23)" in open_text
    assert "_" not in open_text
