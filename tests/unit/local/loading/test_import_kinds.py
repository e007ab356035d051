"""The kinds of an import are the commands of the services: all of them, with their fields and with the errors of their routes."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.local.loading.kinds import EVENT, kinds, made_by, tables
from deploy.local.loading.rows import CheckedFile, ParsedRow, read_rows
from deploy.local.loading.sources import all_kinds, source_of
from samples.files import UnusableFileError
from shared.contracts.codes import CORRECTING
from shared.writing.lines.bodies import models

README = Path(__file__).parents[4] / "samples" / "README.md"


def test_every_command_of_every_service_is_a_kind() -> None:
    ops = {(service, op) for service, table in tables().items() for op in models(table)}
    assert {(service, kind.op) for kind in kinds().values() for service in kind.services} == ops
    assert {*tables()} == {"registry", "membership", "cases"}
    assert {*all_kinds()} >= {
        *("areas", "enterprises", "headcounts", "moves", "classifications", "closures", "unions", "coverage", "dissolutions"),
        *("members", "leaves", "transfers", "visits", "corrections", "nlrb"),
        *("cases", "case_steps", "case_outcomes", "case_reopenings", "case_assignments", "rules", "calendars", "fmcs"),
        *(
            "negotiations",
            "negotiation_replies",
            "contracts",
            "contract_receipts",
            "pacts",
            "tripartite_meetings",
            "workers_congresses",
            "awards",
        ),
    }


@pytest.mark.parametrize("name", list(kinds()))
def test_a_row_has_the_fields_of_its_command(name: str) -> None:
    kind = kinds()[name]
    command = models(tables()[kind.services[0]])[kind.op]
    assert command.model_fields.keys() <= kind.form.model_fields.keys()
    assert kind.form.model_fields.keys() - command.model_fields.keys() <= {"key", "headcount", "service"}
    for mention in kind.mentions:
        assert mention.noun == EVENT or made_by(mention.noun), "what a row names is made by rows of some kind"


def examples() -> dict[str, dict[str, Any]]:
    """{KIND: the example of samples/README.md}"""
    found = re.findall(r"^\| `(\w+)` \|.*\| `(\{.*\})` \|$", README.read_text("utf-8"), re.MULTILINE)
    return {kind: json.loads(row) for kind, row in found}


def test_every_kind_is_documented_with_a_row_that_is_valid(tmp_path: Path) -> None:
    assert examples().keys() == kinds().keys()
    for name, row in examples().items():
        path = tmp_path / f"{name}.ndjson"
        path.write_text(json.dumps(row, ensure_ascii=False), "utf-8")
        checked = CheckedFile(path, kinds()[name])
        assert (checked.valid, list(checked.notices)) == (1, []), name
        kind = kinds()[name]
        command = tables()[kind.services[0]].ops.get(kind.op)
        lists = {"reason": CORRECTING} if command is None else command.lists
        assert all(row[field] in codes.codes for field, codes in lists.items() if field in row), f"{name}: a code that is on no list"


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells |= flat(value, f"{prefix}{name}.")
        else:
            shown = "; ".join(value) if isinstance(value, list) else "null" if value is None else str(value)
            cells[prefix + name] = shown.lower() if isinstance(value, bool) else shown
    return cells


@pytest.mark.parametrize("name", list(kinds()))
def test_csv_says_the_same_as_ndjson(tmp_path: Path, name: str) -> None:
    row = examples()[name]
    lines, table = tmp_path / "rows.ndjson", tmp_path / "rows.csv"
    lines.write_text(json.dumps(row, ensure_ascii=False), "utf-8")
    with table.open("w", encoding="gb18030", newline="") as file:
        writer = csv.DictWriter(file, flat(row).keys())
        writer.writeheader()
        writer.writerow(flat(row))
    [by_lines], [by_table] = list(read_rows(lines, kinds()[name])), list(read_rows(table, kinds()[name]))
    assert isinstance(by_lines, ParsedRow)
    assert isinstance(by_table, ParsedRow), by_table
    assert (by_table.body, by_table.headcount, by_table.key) == (by_lines.body, by_lines.headcount, by_lines.key)


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_cells_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = written(
        tmp_path / "h.csv",
        "Enterprise_ID, on ,ＷＯＲＫＥＲＳ,key",
        "A-1,2025-01-01, ４０ ,",
        'A-2,2025-01-01,40.0,"k,2"',
        "A-3,2025-01-01,4e1,",
        "",
        "A-4,2025-01-01,many,",
        "A-5,2025-01-01,,",
        "A-6,2025-01-01,40.5,",
    )
    rows = list(read_rows(path, kinds()["headcounts"]))
    assert [row.body["workers"] for row in rows if isinstance(row, ParsedRow)] == [40, 40, 40]
    errors = [(error.row, error.field, error.code) for row in rows if not isinstance(row, ParsedRow) for error in row]
    assert errors == [(6, "workers", "NOT_A_NUMBER"), (7, "workers", "FIELD_REQUIRED"), (8, "workers", "NOT_A_WHOLE_NUMBER")]


def test_a_semicolon_alone_is_an_empty_list(tmp_path: Path) -> None:
    path = written(tmp_path / "c.csv", "year,holidays,working_days,source", "2027,2027-01-01;2027-02-06,;,notice")
    [row] = read_rows(path, kinds()["calendars"])
    assert isinstance(row, ParsedRow)
    assert (row.body["holidays"], row.body["working_days"]) == (["2027-01-01", "2027-02-06"], [])


def test_what_a_correction_changes_has_columns_of_its_own(tmp_path: Path) -> None:
    path = written(
        tmp_path / "c.csv",
        "corrects,reason,data,data.workers,data.name,data.credit_code",
        "headcounts/H-1,typo,,45,,",
        "enterprises/E-1,typo,,,甲 (新),null",
        "headcounts/H-2,never,null,,,",
        "headcounts/H-3,typo,,,,",
    )
    *rows, last = read_rows(path, kinds()["corrections"])
    assert [row.body["data"] for row in rows if isinstance(row, ParsedRow)] == [
        {"workers": 45},
        {"name": "甲 (新)", "credit_code": None},
        None,
    ]
    assert not isinstance(last, ParsedRow)
    assert [(error.row, error.field, error.code) for error in last] == [(5, "data", "FIELD_REQUIRED")]


@pytest.mark.invariant("I7")
@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("enterprise_id,on,workers,colour", [("colour", "UNKNOWN_FIELD")]),
        ("enterprise_id,on", [("workers", "MISSING_COLUMN")]),
        ("enterprise_id,on,workers,on", [("on", "DUPLICATE_COLUMN")]),
        ("甲,乙", [(None, "NOT_A_TABLE")]),
    ],
)
def test_columns_that_are_no_fields_are_named(tmp_path: Path, header: str, wrong: list[tuple[str | None, str]]) -> None:
    path = written(tmp_path / "h.csv", header, "A-1,2025-01-01,40,x")
    with pytest.raises(UnusableFileError) as refused:
        source_of("headcounts", path)
    assert [(error.field, error.code) for error in refused.value.errors] == wrong


def test_areas_may_be_divisions_of_the_country_or_rows(tmp_path: Path) -> None:
    own = written(tmp_path / "own.csv", "code,name,kind,parent", "R,省,division,", "R-1,园,park,R")
    country = written(tmp_path / "provinces.csv", "code,name", '11,"北京市"')
    assert (source_of("areas", own).lines, source_of("areas", country).lines) == (2, 1)
    assert io.StringIO(own.read_text("utf-8")).readline().startswith("code")
