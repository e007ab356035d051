"""The contracts: what is written can be read, what is no event is refused by one error, and the published documents are true."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from shared.contracts import TYPES, Envelope, UnreadableEvent, decode, encode
from shared.contracts.documents import asyncapi
from shared.contracts.registry import HeadcountReported
from tests.histories import history, interleaved

EVENT = Envelope(
    id=UUID("01919191-0000-7000-8000-000000000001"),
    source="/services/registry",
    subject="enterprise/e",
    partitionkey="e",
    sequence=12,
    type="parkunion.headcount-reported.v1",
    time=datetime(2026, 11, 23, 16, 30, tzinfo=UTC),
    occurredon=date(2026, 3, 3),
    actor="client-1",
    origin="api",
    data=HeadcountReported(workers=40, size="small", size_rule="NBS-2017"),
)


def test_an_event_written_is_read_back_the_same() -> None:
    for event in [EVENT, *interleaved(history(7), 7)]:
        assert decode(encode(event)) == event


def test_the_sequence_is_nineteen_digits_so_that_it_orders_as_text() -> None:
    assert json.loads(encode(EVENT))["sequence"] == "0000000000000000012"


def test_fields_that_a_reader_does_not_know_are_ignored() -> None:
    raw = json.loads(encode(EVENT))
    raw["newattribute"] = "x"
    raw["data"]["new_field"] = 1
    assert decode(json.dumps(raw).encode()) == EVENT


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"\xff\xfe",
        b"[]",
        encode(EVENT)[:-1],
        encode(EVENT).replace(b'"workers":40', b'"workers":"forty"'),
        encode(EVENT).replace(b"headcount-reported.v1", b"headcount-reported.v9"),
        encode(EVENT).replace(b"0000000000000000012", b"12"),
        encode(EVENT).replace(b"0000000000000000012", b"0000000000000000000"),
        encode(EVENT).replace(b"2026-11-23T16:30:00Z", b"2026-11-23T16:30:00"),
        encode(EVENT).replace(b'"specversion":"1.0"', b'"specversion":"0.3"'),
    ],
)
def test_whatever_is_no_event_is_unreadable_and_nothing_else(raw: bytes | None) -> None:
    with pytest.raises(UnreadableEvent):
        decode(raw)


def test_the_published_asyncapi_document_is_true() -> None:
    published = Path(__file__).parents[2] / "docs" / "events" / "asyncapi.json"
    assert json.loads(published.read_text("utf-8")) == asyncapi(), "run: python -m shared.contracts.documents > docs/events/asyncapi.json"


def test_every_type_has_a_docstring_and_a_golden_sample() -> None:
    golden = {json.loads(path.read_text("utf-8"))["type"] for path in (Path(__file__).parent / "golden").rglob("*.json")}
    assert golden == set(TYPES)
    assert all(struct.__doc__ for struct in TYPES.values())


def test_generated_events_fit_the_published_schemas() -> None:
    document = asyncapi()
    for event in interleaved(history(11), 11):
        message = document["components"]["messages"][event.type]["payload"]
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **message, "components": document["components"]}
        Draft202012Validator(schema).validate(json.loads(encode(event)))
