"""Columns that travel as the text of an array are what a list would be."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from shared.process.db import Pool, array, bytes_array, json_array, text_array

TEXTS = [
    "",
    "a",
    'q"q',
    "back\\slash",
    "\\",
    "{a,b}",
    "NULL",
    "null",
    " blank ",
    "a,b",
    "line\nbreak\ttab",
    "张三",
    "𠮷",
    "'",
    None,
    "\x7f",
]
VALUES: list[Any] = [{"a": 'q"\\\n'}, [1, None, "x,y"], "{}", None, 1.5, {"张": "\u0001"}]


@pytest.mark.parametrize(
    ("kind", "values", "written"),
    [
        ("uuid", ids := [UUID("01a224ed-f8c4-733b-9ba8-5d2ea19a43e5"), None, UUID(int=0)], array(ids)),
        ("bigint", numbers := [0, -5, 2**62, None], array(numbers)),
        ("date", days := [date(1900, 1, 1), None, date(2026, 2, 28)], array(days)),
        ("text", TEXTS, text_array(TEXTS)),
        ("bytea", raw := [b"", b"\x00\xff", b"\\x", bytes(range(256))], bytes_array(raw)),
        ("jsonb", VALUES, json_array(VALUES)),
        ("text", [], text_array([])),
        ("text", plain := ["a", "", "NULL", "{,}", " 中"], text_array(plain)),
        *(("text", [given], text_array([given])) for given in ("", '"', '","', "\\", "NULL")),
        ("text", split := ['a"', '"b'], text_array(split)),
        ("uuid", [], array([])),
    ],
)
async def test_an_array_travels_as_text(pool: Pool, kind: str, values: list[Any], written: str) -> None:
    rows = await pool.fetch(f"SELECT value FROM unnest($1::text::{kind}[]) WITH ORDINALITY AS u(value, n) ORDER BY n", written)
    assert [row["value"] for row in rows] == values
