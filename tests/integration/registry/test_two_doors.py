"""The same text has the same errors wherever it comes in: at its route, in a batch, and in a file that is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.local.loading.kinds import kinds
from deploy.local.loading.rows import ParsedRow, read_rows
from shared.problems.errors import FieldError
from tests.integration.registry.service import Registry, registry_of_a_test, settling  # noqa: F401

Errors = list[tuple[str | None, str]]
DEEP = '{"a":' * 70 + "1" + "}" * 70
BAD: dict[str, tuple[str, Errors]] = {
    "a field twice": ('{"name":"甲","name":"乙","park":"D1-P001","settled_on":"2020-01-01"}', [("name", "DUPLICATE_FIELD")]),
    "a field twice, inside": (
        '{"name":"甲","park":"D1-P001","settled_on":"2020-01-01","more":{"on":1,"on":2}}',
        [("on", "DUPLICATE_FIELD")],
    ),
    "a number that is none": ('{"name":NaN,"park":"D1-P001","settled_on":"2020-01-01"}', [("name", "NOT_A_TEXT")]),
    "an infinite number": ('{"name":"甲","park":"D1-P001","settled_on":1e999}', [("settled_on", "INVALID_DATE")]),
    "half a character": ('{"name":"\\ud800","park":"D1-P001","settled_on":"2020-01-01"}', [("name", "EMPTY")]),
    "half a character in a code": ('{"name":"甲","park":"\\udfff","settled_on":"2020-01-01"}', [("park", "BAD_AREA_CODE")]),
    "half a character in a name of a field": (
        '{"name":"甲","park":"D1-P001","settled_on":"2020-01-01","\\ud800":1}',
        [(None, "CONTROL_CHARACTERS")],
    ),
    "too deep": ('{"name":"甲","park":"D1-P001","settled_on":"2020-01-01","more":' + DEEP + "}", [(None, "BROKEN_JSON")]),
    "much too deep": ('{"a":' * 9_000, [(None, "BROKEN_JSON")]),
    "a number of many digits": (
        '{"name":"甲","park":"D1-P001","settled_on":"2020-01-01","industry":' + "9" * 5000 + "}",
        [(None, "BROKEN_JSON")],
    ),
    "a big number": (
        '{"name":"甲","park":"D1-P001","settled_on":"2020-01-01","industry":' + "9" * 400 + "}",
        [("industry", "INVALID_INDUSTRY")],
    ),
    "two values": ('{"name":"甲","park":"D1-P001","settled_on":"2020-01-01"} {}', [(None, "BROKEN_JSON")]),
    "single quotes": ("{'name':'甲'}", [(None, "BROKEN_JSON")]),
    "a comma too many": ('{"name":"甲","park":"D1-P001","settled_on":"2020-01-01",}', [(None, "BROKEN_JSON")]),
    "a control character": ('{"name":"甲\t乙","park":"D1-P001","settled_on":"2020-01-01"}', [(None, "BROKEN_JSON")]),
    "an unknown field": ('{"name":"甲","park":"D1-P001","settled_on":"2020-01-01","colour":1}', [("colour", "UNKNOWN_FIELD")]),
    "several": ('{"park":"-","settled_on":"2021-02-30","credit_code":"9135"}', []),
    "a registration number as a credit code": (
        '{"name":"甲","park":"D1-P001","settled_on":"2020-01-01","credit_code":"110108000000016"}',
        [("credit_code", "INVALID_CREDIT_CODE")],
    ),
}


def plain(problem: dict[str, Any]) -> Errors:
    """(field, code) of the errors; `body` is the row as a whole."""
    return sorted(((None if error["field"] == "body" else error["field"], error["code"]) for error in problem["errors"]), key=str)


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("name", BAD)
async def test_bad_text_has_the_same_errors_at_every_door(registry: Registry, tmp_path: Path, name: str) -> None:
    text, expected = BAD[name]
    before = await registry.count()
    answer = await registry.http.post("/v1/enterprises", content=text.encode(), headers={"Content-Type": "application/json"})
    at_route = plain(answer.json())
    assert answer.status_code in (400, 422)
    assert expected in ([], at_route)
    if len(text) < 60_000:
        [line] = await registry.batch(b'{"op":"enterprise","body":' + text.encode() + b"}")
        assert plain(line["problem"]) == at_route
    path = tmp_path / "rows.ndjson"
    path.write_text(f"{json.dumps(settling())}\n{text}\n", "utf-8")
    good, refused = read_rows(path, kinds()["enterprises"])
    assert isinstance(good, ParsedRow)
    assert not isinstance(refused, ParsedRow)
    assert all(isinstance(error, FieldError) and error.row == 2 for error in refused)
    assert plain({"errors": [error.as_dict() for error in refused]}) == at_route
    assert await registry.count() == before
