"""I5: no document number leaves the tables of the service that owns it, and there it is encrypted."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deploy.local.supervising.processes import PARTITIONS, TOPICS
from shared.contracts.services import SERVICES
from shared.writing.table import EXAMPLE_ID, CommandKind
from tests.e2e.city.conftest import RESIDENT_ID, City
from tests.unit.shared.writing.test_no_resident_number import CORRECTED, FIELDS, TABLES, bodies

TRACED = "110105194912310011"
"""A valid number of digits alone."""
TRACEPARENT = f"00-{TRACED}{'a' * 14}-{'b' * 16}-01"
NUMBERS = (RESIDENT_ID, "E00000001", TRACED)
pytestmark = pytest.mark.invariant("I5")


async def topics(bootstrap: str) -> bytes:
    """Every key, value and header of every record."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="none", enable_auto_commit=False)
    await consumer.start()
    found = b""
    try:
        places = [TopicPartition(topic, partition) for topic in TOPICS for partition in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += b"".join(repr((r.key, r.value, r.headers)).encode() for r in records)
    finally:
        await consumer.stop()
    return found


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def commands(city: City) -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """{(service, op): (path, a body that is right)} of every command; which fields they have is found in the tables."""
    one, union, member, day = city.enterprise, city.union, city.member, {"on": "2024-06-01"}
    document = {"kind": "passport", "number": "E00000009"}
    correction = {"corrects": city.event, "reason": "typo", "data": {"workers": 41}, "note": "核对"}
    area = {"code": "C3", "name": "示例", "kind": "division", "parent": "C", "valid_from": "2000-01-01"}
    firm = {"name": "厂", "credit_code": None, "park": "C1-P001", "industry": "C", "ownership": "150", "settled_on": "2024-01-02"}
    founded = {"kind": "joint_union", "name": "工会", "parent_union_id": union, "seat_area": "C1-P001", "approved_on": "2024-06-01"}
    covered = {"enterprise_id": one, "action": "started", "started": True, "ended": None}
    joined = {"union_id": union, "enterprise_id": one, "document": document, "joined_on": "2024-06-01"}
    withdrawn = {"from": 1, "to": 1, "reason": "typo", "note": "误录"}
    return {
        ("registry", "area"): ("/v1/areas", area),
        ("registry", "enterprise"): ("/v1/enterprises", firm),
        ("registry", "headcount"): (f"/v1/enterprises/{one}/headcounts", {**day, "workers": 3}),
        ("registry", "move"): (f"/v1/enterprises/{one}/moves", {**day, "park": "C2-P001"}),
        ("registry", "classification"): (
            f"/v1/enterprises/{one}/classifications",
            {**day, "industry": "C", "ownership": "150", "revenue": "1.00"},
        ),
        ("registry", "closure"): (f"/v1/enterprises/{one}/closure", {**day, "reason": "bankrupt", "note": "停产"}),
        ("registry", "correction"): ("/v1/corrections", correction),
        ("registry", "withdrawal"): ("/v1/withdrawals", {"subject": f"enterprise/{one}", **withdrawn}),
        ("membership", "union"): (
            "/v1/unions",
            {**founded, "enterprises": [one], "dissolved_on": "2024-06-02", "dissolved_reason": "merged"},
        ),
        ("membership", "coverage"): (f"/v1/unions/{union}/coverage", {**covered, "on": "2024-03-04", "ended_on": "2024-03-05"}),
        ("membership", "dissolution"): (f"/v1/unions/{union}/dissolution", {**day, "reason": "merged", "note": "合并"}),
        ("membership", "member"): ("/v1/members", {**joined, "left_on": "2024-06-02", "left_reason": "retired"}),
        ("membership", "leave"): (f"/v1/members/{member}/leave", {**day, "reason": "retired", "note": "退休"}),
        ("membership", "transfer"): (f"/v1/members/{member}/transfer", {**day, "union_id": union, "enterprise_id": one}),
        ("membership", "visit"): (
            "/v1/visits",
            {"enterprise_id": one, "visited_on": "2024-06-01", "purpose": "other", "outcome": "willing"},
        ),
        ("membership", "correction"): ("/v1/corrections", {**correction, "data": None}),
        ("membership", "withdrawal"): ("/v1/withdrawals", {"subject": f"union/{union}", **withdrawn}),
        **{("cases", op): (re.sub(r"{.*}", _named(row), f"/v1{row.path}"), example(row.body)) for op, row in TABLES["cases"].ops.items()},
        ("cases", "correction"): ("/v1/corrections", correction),
        ("cases", "withdrawal"): ("/v1/withdrawals", {"subject": f"enterprise/{one}", **withdrawn}),
    }


def _named(row: CommandKind[Any, Any]) -> str:
    """What the path of a command names, by its example."""
    return {"name": "arbitration_award", "year": "2027"}.get(row.path_id or "", EXAMPLE_ID)


def example(model: type[BaseModel]) -> dict[str, Any]:
    """A body of the examples of its fields."""
    return {name: _example(field) for name, field in model.model_fields.items()}


def _example(field: FieldInfo) -> Any:
    inner = next(
        (part for part in (field.annotation, *get_args(field.annotation)) if isinstance(part, type) and issubclass(part, BaseModel)), None
    )
    return example(inner) if inner is not None else (field.examples or [None])[0]


def filled(body: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The body with another value in one field."""
    return {**body, path[0]: value if len(path) == 1 else filled(body[path[0]], path[1:], value)}


def test_no_command_takes_a_document_number_in_any_other_field(city: City) -> None:
    """Comes before the tests that look for it in topics, logs, metrics, spans and tables."""
    platform, right = city.platform, commands(city)
    assert right.keys() == {(service, op) for service, op, _ in bodies()}, "a command is missing here"
    answers: dict[Any, int] = {}
    for service, op, _model, path, many, _codes in FIELDS:
        way, body = right[service, op]
        command = TABLES[service].ops.get(op)
        method = "POST" if command is None else command.method
        if command is not None and path == (command.path_id,):
            # The id of the path, which only a batch has in the body.
            place = "/".join(RESIDENT_ID if n == 3 else part for n, part in enumerate(way.split("/")))
            answers[service, op, path, "path"] = platform.post(service, place, body, method=command.method).status_code
            line = json.dumps({"op": op, "key": f"privacy-{op}", "body": {**body, path[0]: RESIDENT_ID}})
            answers[service, op, path, "batch"] = json.loads(platform.batch(service, line))["status"]
            continue
        for number in (RESIDENT_ID, f"张{RESIDENT_ID[:6]} {RESIDENT_ID[6:14]}-{RESIDENT_ID[14:]}"):
            answers[service, op, path, number] = platform.post(
                service, way, filled(body, path, [number] if many else number), method=method
            ).status_code
    for service, kind, name in CORRECTED:
        wrong = {"corrects": city.event, "reason": "typo", "data": {name: RESIDENT_ID}}
        answers[service, kind.contract.__name__, (name,), ""] = platform.post(service, "/v1/corrections", wrong).status_code
    unknown = {"corrects": city.event, "reason": "typo", "data": {RESIDENT_ID: 1}, RESIDENT_ID: 1}
    answers["registry", "correction", ("?",), ""] = platform.post("registry", "/v1/corrections", unknown).status_code
    assert {place: status for place, status in answers.items() if status not in (404, 409, 422)} == {}
    way, body = right["membership", "visit"]
    assert platform.post("membership", way, body, traceparent=TRACEPARENT).status_code == 201


def test_no_document_number_is_in_topics_logs_metrics_spans_or_errors(city: City) -> None:
    platform = city.platform
    refused = platform.post(
        "membership",
        "/v1/members",
        {
            "union_id": city.union,
            "enterprise_id": city.enterprise,
            "document": {"kind": "resident_id", "number": RESIDENT_ID},
            "joined_on": "2024-03-05",
        },
    )
    wrong = platform.post(
        "membership",
        "/v1/members",
        {
            "union_id": city.union,
            "enterprise_id": city.enterprise,
            "document": {"kind": "resident_id", "number": RESIDENT_ID[:-1] + "0"},
            "joined_on": "2024-03-05",
        },
    )
    assert refused.status_code == 409
    assert wrong.status_code == 422
    places = {
        "topics": asyncio.run(topics(platform.status()["kafka"]["bootstrap"])),
        "answers": refused.content + wrong.content + platform.get("membership", f"/v1/members/{city.member}").content,
        **{f"{name} /metrics": platform.get(name, "/metrics").content for name in SERVICES},
        "spans": bytes(city.collector.raw),
        **dict(files_of(platform.data / "logs")),
    }
    assert len(places["topics"]) > 1000, "the topics were not read"
    leaks = [
        (place, number) for place, content in places.items() for number in (*NUMBERS, RESIDENT_ID[:-1] + "0") if number.encode() in content
    ]
    assert leaks == []


async def test_databases_hold_it_only_encrypted(city: City) -> None:
    for service, dsn in city.platform.status()["postgres"]["dsn"].items():
        conn = await asyncpg.connect(dsn)
        try:
            tables = await conn.fetch(
                "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            for table in tables:
                if await conn.fetchval("SELECT has_table_privilege($1, 'SELECT')", table["name"]):
                    rows = "\n".join(str(row) for row in await conn.fetch(f"SELECT t::text FROM {table['name']} AS t"))
                    assert not [number for number in NUMBERS if number in rows], (service, table["name"])
        finally:
            await conn.close()
