"""NDJSON files: each row by its form, keys by which a repeat is told, and files that cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.loading import rows
from deploy.local.loading.kinds import kinds
from deploy.local.loading.rows import CheckedFile, ParsedRow, read_rows
from samples.files import UnusableFileError
from shared.problems.catalogue import CODES
from shared.writing.lines.bodies import LONGEST_LINE

ENTERPRISE = {"name": "示例机械厂", "park": "D-P001", "settled_on": "2025-03-01"}
MEMBER = {
    "union_id": "01a20b8b-986b-7614-beb0-72ffb26119b8",
    "enterprise_id": "91330203MA2AAAAA0U",
    "document": {"kind": "permit", "number": "SECRET-1"},
    "joined_on": "2025-05-06",
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*lines: dict[str, Any] | str, encoding: str = "utf-8", end: str = "\n") -> Path:
        path = tmp_path / "rows.ndjson"
        texts = (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
        path.write_bytes("".join(text + end for text in texts).encode(encoding))
        return path

    return write


def checked(path: Path, kind: str) -> CheckedFile:
    return CheckedFile(path, kinds()[kind])


def errors_of(path: Path, kind: str) -> list[tuple[int | None, str | None, str]]:
    found = list(checked(path, kind).notices)
    assert all(notice.code in CODES for notice in found)
    return [(notice.row, notice.field, notice.code) for notice in found]


def good_of(path: Path, kind: str) -> list[ParsedRow]:
    return [row for row in read_rows(path, kinds()[kind]) if isinstance(row, ParsedRow)]


@pytest.mark.parametrize(("encoding", "end"), [("utf-8", "\n"), ("utf-8-sig", "\r\n"), ("gb18030", "\n")])
def test_a_row_is_the_body_of_the_route_in_any_encoding_and_line_end(write: Write, encoding: str, end: str) -> None:
    path = write({"key": "A-1", **ENTERPRISE, "headcount": {"on": "2025-04-01", "workers": 40}}, "", ENTERPRISE, encoding=encoding, end=end)
    first, second = good_of(path, "enterprises")
    assert (first.number, first.key, first.body) == (1, "enterprises/A-1", ENTERPRISE)
    assert first.headcount == {"on": "2025-04-01", "workers": 40}
    assert (second.number, second.body, second.headcount) == (3, ENTERPRISE, None)


def test_without_a_key_the_content_is_the_key_and_only_its_hash_leaves_the_file(write: Write) -> None:
    other_order = dict(reversed(MEMBER.items()))
    first, second, third = good_of(write(MEMBER, other_order, {**MEMBER, "joined_on": "2025-05-07"}), "members")
    assert first.key == second.key != third.key
    assert "SECRET" not in first.key


def test_every_wrong_field_is_told_by_row_and_the_other_rows_are_good(write: Write) -> None:
    path = write(
        ENTERPRISE,
        {**ENTERPRISE, "settled_on": "2025-13-01", "name": ""},
        {**ENTERPRISE, "headcount": {"on": "2025-04-01", "workers": -4}},
        {**ENTERPRISE, "headcount": {"on": "2025-04-01", "workers": "many"}},
        {**ENTERPRISE, "colour": "red"},
        {"name": "x"},
        "{broken",
        '["no", "object"]',
        {**ENTERPRISE, "name": "x" * LONGEST_LINE},
        {**ENTERPRISE, "key": "with blank"},
    )
    found = errors_of(path, "enterprises")
    assert [(row, field) for row, field, _ in found] == [
        (2, "name"),
        (2, "settled_on"),
        (3, "headcount.workers"),
        (4, "headcount.workers"),
        (5, "colour"),
        (6, "park"),
        (6, "settled_on"),
        (7, None),
        (8, None),
        (9, None),
        (10, "key"),
    ]
    assert {code for row, _, code in found if row in (2, 3, 7, 9)} == {
        "EMPTY",
        "INVALID_DATE",
        "BELOW_ZERO",
        "BROKEN_JSON",
        "LINE_TOO_LARGE",
    }
    file = checked(path, "enterprises")
    assert (file.valid, file.refused) == (1, 9)


def test_a_wrong_document_is_told_without_its_number(write: Write) -> None:
    path = write(MEMBER, {**MEMBER, "document": {"kind": "permit", "number": ["SECRET-2"]}})
    [notice] = checked(path, "members").notices
    assert (notice.row, notice.field) == (2, "document.number")
    assert "SECRET" not in str(notice)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "FILE_EMPTY"),
        ("\n \n", "FILE_EMPTY"),
        ("# a text\nno json\n", "NOT_NDJSON"),
        ("PK\x03\x04", "NOT_NDJSON"),
        ('[{"name": "x"}]', "NOT_NDJSON"),
    ],
)
def test_files_without_any_row_are_refused_as_a_whole(write: Write, content: str, code: str) -> None:
    with pytest.raises(UnusableFileError) as refused:
        checked(write(content, end=""), "unions")
    assert [error.code for error in refused.value.errors] == [code]


def test_every_error_of_every_row_is_kept(write: Write) -> None:
    file = checked(write(*["{}"] * 1500), "areas")
    assert file.refused == 1500
    assert [notice.row for notice in file.notices] == [row for row in range(1, 1501) for _ in range(3)]


def test_only_a_wrong_check_character_is_asked_for(write: Write) -> None:
    codes = ["91350100M000100Y43", "９１３５０１００M000100Y42", "9135", None]
    rows = good_of(write(*({**ENTERPRISE, "credit_code": code} for code in codes)), "enterprises")
    assert [row.body.get("accept_wrong_check") for row in rows] == [None, True, None]
    [told] = good_of(write({**ENTERPRISE, "credit_code": codes[1], "accept_wrong_check": False}), "enterprises")
    assert told.body["accept_wrong_check"] is False


def test_sources_do_not_share_keys(write: Write) -> None:
    path = write({"key": "A-1", **ENTERPRISE}, ENTERPRISE)
    keys = [[row.key for row in read_rows(path, kinds()["enterprises"], origin) if isinstance(row, ParsedRow)] for origin in ("", "tax")]
    assert keys[0][0] == "enterprises/A-1"
    assert keys[1][0] == "tax:enterprises/A-1"
    assert keys[1][1] == f"tax:{keys[0][1]}"


@pytest.mark.parametrize("most", [3, 2, 0])
def test_the_rows_that_are_loaded_are_those_that_were_validated_and_a_short_file_is_read_once(
    write: Write, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(rows, "MOST_KEPT", most)
    reads: list[Path] = []

    def read(path: Path, *more: Any) -> Iterator[Any]:
        reads.append(path)
        yield from read_rows(path, *more)

    monkeypatch.setattr(rows, "read_rows", read)
    path = write({"key": "a", **MEMBER}, {"key": "b"}, MEMBER, {"key": "c", **MEMBER})
    found = CheckedFile(path, kinds()["members"], "office")
    assert (found.valid, found.refused) == (3, 1)
    taken = list(found.take_rows())
    assert [(row.number, row.own_key) for row in taken] == [(1, "a"), (3, None), (4, "c")]
    assert taken[0].key == "office:members/a"
    assert len(reads) == (1 if most == 3 else 2)


def test_the_forms_of_rows_are_known_without_the_web_framework() -> None:
    """It takes a quarter of a second of every import."""
    code = "import sys; from deploy.local.loading.kinds import kinds; kinds(); print(not {'fastapi', 'starlette'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
