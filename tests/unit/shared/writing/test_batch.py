"""NDJSON batches."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.journal.idempotency import Result
from shared.problems.errors import Conflict, TooLarge, Unprocessable
from shared.writing.lines.batch import MOST_LINES, Line, LineResult, write
from shared.writing.lines.bodies import LONGEST_LINE
from tests.unit.shared.http.web_service import BATCH, ID, RESIDENT_ID, Issuer, app_of, client_of

GOOD: dict[str, Any] = {"name": "一厂", "park": "OH-AKRON", "on": "2020-01-02"}


def line(body: Any = GOOD, **changes: Any) -> bytes:
    return json.dumps({"op": "thing", "key": "k1", "body": body, **changes}).encode()


def only_problem(raw: bytes) -> tuple[str, str | None, int | None]:
    _, lines, refused = BATCH.read(raw)
    assert not lines
    (problem,) = refused.values()
    return problem.code, problem.errors[0].field, problem.errors[0].row


def test_a_good_line_is_read_with_its_body_in_types_and_as_it_came() -> None:
    numbers, (read,), refused = BATCH.read(line() + b"\n")
    assert (numbers, refused) == ([1], {})
    assert (read.number, read.op, read.key, read.body.on.isoformat(), read.values) == (1, "thing", "k1", "2020-01-02", GOOD)


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (b"{", "BROKEN_JSON", None),
        (b"\xff\xfe", "BROKEN_JSON", None),
        (b'{"op":"thing","body":{"name":"\xff"}}', "BROKEN_JSON", None),
        (b'{"op":"thing","body":{"name":NaN}}', "NOT_A_TEXT", "name"),
        (b"[" * 5000, "BROKEN_JSON", None),
        (b'{"op":"thing","body":' + b"[" * 5000 + b"]" * 5000 + b"}", "BROKEN_JSON", None),
        (b"[]", "NOT_AN_OBJECT", None),
        (b"7", "NOT_AN_OBJECT", None),
        (b"{}", "FIELD_REQUIRED", "op"),
        (b'{"op":"thing"}', "FIELD_REQUIRED", "body"),
        (b'{"op":1,"body":{}}', "NOT_A_TEXT", "op"),
        (line(key=1), "NOT_A_TEXT", "key"),
        (line(key=""), "BAD_IDEMPOTENCY_KEY", "key"),
        (line(key="é"), "BAD_IDEMPOTENCY_KEY", "key"),
        (line(key="x" * 256), "BAD_IDEMPOTENCY_KEY", "key"),
        (line(op="thin"), "UNKNOWN_OP", "op"),
        (line(more=1), "UNKNOWN_FIELD", "more"),
        (line([]), "NOT_AN_OBJECT", "body"),
        (line(None), "NOT_AN_OBJECT", "body"),
        (line(op=None), "NOT_A_TEXT", "op"),
        (line(op="\ud800"), "UNKNOWN_OP", "op"),
        (line(key="\ud800"), "BAD_IDEMPOTENCY_KEY", "key"),
        (line({**GOOD, "name": "\ud800"}), "CONTROL_CHARACTERS", "name"),
        (line({**GOOD, "workers": float("nan")}), "NOT_A_WHOLE_NUMBER", "workers"),
        (line({**GOOD, "workers": 10**400}), "OUT_OF_RANGE", "workers"),
        (b'{"op":"thing","op":"thing","body":{}}', "DUPLICATE_FIELD", "op"),
        (b'{"op":"thing","body":{"name":"a","name":"b"}}', "DUPLICATE_FIELD", "name"),
        (line({**GOOD, "on": "2020-02-30"}), "INVALID_DATE", "on"),
        (line({**GOOD, "on": "1899-12-31"}), "DATE_OUT_OF_RANGE", "on"),
        (line({**GOOD, "workers": -1}), "BELOW_ZERO", "workers"),
        (line({**GOOD, "workers": True}), "NOT_A_WHOLE_NUMBER", "workers"),
        (line({**GOOD, "workers": "7"}), "NOT_A_WHOLE_NUMBER", "workers"),
        (line({**GOOD, "workers": 1.5}), "NOT_A_WHOLE_NUMBER", "workers"),
        (line({**GOOD, "more": 1}), "UNKNOWN_FIELD", "more"),
        (line({**GOOD, RESIDENT_ID: 1}), "UNKNOWN_FIELD", "?"),
        (line({**GOOD, "document": {"kind": "x"}}), "FIELD_REQUIRED", "document.number"),
        (line({**GOOD, "name": "a\u0000b"}), "CONTROL_CHARACTERS", "name"),
        (line({**GOOD, "name": " "}), "EMPTY", "name"),
        (line({**GOOD, "name": "x" * 201}), "TOO_LONG", "name"),
        (line({**GOOD, "park": "-x"}), "BAD_AREA_CODE", "park"),
        (line({**GOOD, "owner": ID.replace("-", "")}), "INVALID_ID", "owner"),
        (line({**GOOD, "owner": "x" * 36}), "INVALID_ID", "owner"),
        (line({**GOOD, "reason": "x" * LONGEST_LINE}), "LINE_TOO_LARGE", None),
    ],
)
@pytest.mark.invariant("I7")
def test_a_bad_line_is_refused_with_its_row_and_field(raw: bytes, code: str, field: str | None) -> None:
    found = only_problem(b"\n" + raw)
    assert found == (code, field, 2)


def test_a_bad_line_stops_no_other() -> None:
    numbers, lines, refused = BATCH.read(b"\xef\xbb\xbf" + b"\r\n".join([line(), b"{", b"", line({}), line()]) + b"\n\n")
    assert numbers == [1, 2, 4, 5]
    assert [read.number for read in lines] == [1, 5]
    assert {number: problem.code for number, problem in refused.items()} == {2: "BROKEN_JSON", 4: "FIELD_REQUIRED"}


def test_a_thousand_lines_are_taken_and_one_more_is_not() -> None:
    assert len(BATCH.read((line() + b"\n") * MOST_LINES)[1]) == MOST_LINES
    with pytest.raises(TooLarge) as refused:
        BATCH.read((line() + b"\n") * (MOST_LINES + 1))
    assert refused.value.code == "TOO_MANY_LINES"


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_batch_is_refused(content: bytes) -> None:
    with pytest.raises(Unprocessable) as refused:
        BATCH.read(content)
    assert refused.value.code == "EMPTY_BATCH"


@given(st.lists(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw), min_size=1, max_size=20))
def test_whatever_comes_is_read_or_refused_line_by_line(raws: list[bytes]) -> None:
    numbers, lines, refused = BATCH.read(b"\n".join([*raws, line()]))
    assert sorted([*refused, *(read.number for read in lines)]) == numbers


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_no_body_crashes_the_reader(body: Any) -> None:
    BATCH.read(line(body))
    BATCH.read(line({**GOOD, "data": body, "name": body, "on": body, "owner": body}))


def test_answers_stand_in_the_order_of_the_lines() -> None:
    event_id = UUID(ID)
    results: list[tuple[int, LineResult]] = [
        (1, Result(ID, f"enterprise/{ID}", 3, [event_id])),
        (3, Conflict("NOT_YET_KNOWN", field="park", params={"id": "x"})),
        (4, Result(ID, "s/1", 1, [event_id], ["BEFORE_SETTLED"])),
    ]
    first, second, third = [json.loads(answer) for answer in write(results).splitlines()]
    assert first == {"line": 1, "status": 201, "id": ID, "subject": f"enterprise/{ID}", "sequence": 3, "event_ids": [ID]}
    assert (second["line"], second["status"], second["problem"]["errors"][0]["row"]) == (3, 409, 3)
    assert third["warnings"][0]["code"] == "BEFORE_SETTLED"


async def test_the_route_decides_all_good_lines_at_once_and_answers_each() -> None:
    issuer = Issuer()
    content = b"\n".join([line(), b"{", line({**GOOD, "name": "twice"}), line({**GOOD, "name": "三厂"})])
    async with client_of(app_of(issuer), issuer.token()) as client:
        answer = await client.post("/v1/batch", content=content, headers={"Content-Type": "application/x-ndjson"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    said = [json.loads(part) for part in answer.text.splitlines()]
    assert [(part["line"], part["status"], part.get("id")) for part in said] == [
        (1, 201, "一厂"),
        (2, 400, None),
        (3, 409, None),
        (4, 201, "三厂"),
    ]


async def test_a_batch_may_be_larger_than_a_command() -> None:
    issuer = Issuer()
    raw = (line({**GOOD, "reason": "x" * 1990}) + b"\n") * 900
    async with client_of(app_of(issuer), issuer.token()) as client:
        headers = {"Content-Type": "application/x-ndjson"}
        assert (await client.post("/v1/batch", content=raw, headers=headers)).status_code == 200
        assert (await client.post("/v1/batch", content=raw * 5, headers=headers)).status_code == 413
        assert (await client.post("/v1/batch", content=raw, headers={"Content-Type": "text/csv"})).status_code == 415


@pytest.mark.parametrize(
    "kind", ["", "application/json", "application/jsonl", "text/plain; charset=utf-8", "application/x-www-form-urlencoded"]
)
async def test_a_batch_is_read_whatever_a_client_calls_it_by_itself(kind: str) -> None:
    issuer = Issuer()
    async with client_of(app_of(issuer), issuer.token()) as client:
        headers = {"Content-Type": kind} if kind else {}
        assert (await client.post("/v1/batch", content=line(GOOD), headers=headers)).status_code == 200


def test_a_line_can_be_fingerprinted_whatever_its_spacing() -> None:
    spaced = b'{ "op" : "thing", "body" : {"on":"2020-01-02",  "park":"OH-AKRON","name":"\\u4e00\\u5382"} }'
    read: list[Line] = BATCH.read(spaced + b"\n" + line(key=None))[1]
    assert read[0].values == read[1].values
