"""Quix Streams, exactly-once: a stage that keeps an enterprise, one that adds up a cell, and a PostgreSQL sink.

Both topics of one enterprise have one state, since they are one stage (`concat`). A cell's enterprises are in all partitions, so the changes
of its sums go through a topic of their own, keyed by the cell (`group_by`). The sink is at-least-once and writes whole sums by key, so that a
second write changes nothing.

Run as a program with one argument of JSON, {"bootstrap", "dsn", "ends": {topic: …}, "group", "state"}: all workers of one group are equal.
Prints `reading` when it begins, and stays.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlsplit

import msgspec
from quixstreams import Application
from quixstreams.models.topics import TopicConfig
from quixstreams.sinks.community.postgresql import PostgreSQLSink

EVERY = 30_000
"""Records of a transaction."""
SECONDS = 3.0
CHANGES = "changes"


class Wire(msgspec.Struct):
    """What the task needs of an event."""

    type: str
    source: str
    sequence: str
    occurredon: str
    data: dict[str, Any]


_decode = msgspec.json.Decoder(Wire).decode


def changes(value: bytes, state: Any) -> list[dict[str, Any]]:
    """What an event of an enterprise changes in the sums of its cell; [] before it is registered, and for a second publication."""
    event = _decode(value)
    kind = event.type.split(".")[1]
    if kind not in KINDS:
        return []
    own = state.get("own") or {"seen": {}, "cell": None, "figures": [0, 0, 0, 0], "reported": ["", ""]}
    if event.sequence <= own["seen"].get(event.source, ""):
        return []
    own["seen"][event.source] = event.sequence
    before, registered = list(own["figures"]), own["cell"] is not None
    _apply(own, kind, event)
    state.set("own", own)
    if own["cell"] is None:
        return []
    net = [after - was for after, was in zip(own["figures"], before, strict=True)] if registered else own["figures"]
    return [{"cell": own["cell"], "net": net}] if any(net) else []


def _apply(own: dict[str, Any], kind: str, event: Wire) -> None:
    figures = own["figures"]
    match kind:
        case "member-joined":
            figures[3] += 1
        case "member-left":
            figures[3] -= 1
        case "coverage-started":
            figures[1] = 1
        case "headcount-reported":
            if [event.occurredon, event.sequence] > own["reported"]:
                own["reported"], figures[2] = [event.occurredon, event.sequence], event.data["workers"]
        case "enterprise-registered":
            figures[0], own["cell"] = 1, f"{event.data['park']}|{event.data.get('industry') or 'unknown'}"


KINDS = frozenset(("member-joined", "member-left", "coverage-started", "headcount-reported", "enterprise-registered"))


def total(value: dict[str, Any], state: Any) -> dict[str, Any]:
    """The row of a cell after a change."""
    sums = [before + net for before, net in zip(state.get("sums") or [0, 0, 0, 0], value["net"], strict=True)]
    state.set("sums", sums)
    park, industry = value["cell"].split("|")
    return {
        "worker": 0,
        "park": park,
        "industry": industry,
        **dict(zip(("units", "covered_units", "workers", "members"), sums, strict=True)),
    }


def main() -> None:
    """Run one worker until it is killed."""
    job = json.loads(sys.argv[1])
    app = Application(
        broker_address=job["bootstrap"],
        consumer_group=job["group"],
        processing_guarantee="exactly-once",
        auto_offset_reset="earliest",
        commit_every=EVERY,
        commit_interval=SECONDS,
        consumer_poll_timeout=0.1,
        state_dir=job["state"],
        consumer_extra_config={"fetch.queue.backoff.ms": 5, "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000},
        producer_extra_config={"linger.ms": 50, "batch.size": 1_000_000},
        loglevel="WARNING",
    )
    partitions = max(len(parts) for parts in job["ends"].values())
    inputs = [
        app.dataframe(app.topic(name, value_deserializer="bytes", key_deserializer="str", config=TopicConfig(partitions, 1)))
        for name in job["ends"]
    ]
    stage = inputs[0]
    for other in inputs[1:]:
        stage = stage.concat(other)
    stage = stage.apply(changes, stateful=True, expand=True)
    stage = stage.group_by(lambda value: value["cell"], name=CHANGES, key_deserializer="str", key_serializer="str")
    stage = stage.apply(total, stateful=True)
    address = urlsplit(job["dsn"])
    stage.sink(
        PostgreSQLSink(
            host=address.hostname or "",
            port=address.port or 0,
            dbname=address.path[1:],
            user=address.username or "",
            password=address.password or "",
            table_name="coverage",
            schema_auto_update=False,
            primary_key_columns=["worker", "park", "industry"],
            upsert_on_primary_key=True,
            include_metadata=False,
        )
    )
    print("reading", flush=True)
    app.run()


if __name__ == "__main__":
    main()
