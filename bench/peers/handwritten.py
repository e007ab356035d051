"""A hand-written loop: librdkafka, msgspec, COPY. Fast, and wrong after a kill, since its state is in memory and its position in Kafka.

Run as a program with one argument of JSON, {"bootstrap", "dsn", "ends": {topic: {partition: end}}, "worker", "group"}. Prints `reading` when it
begins, and ends when it has written all.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import msgspec
import psycopg
from confluent_kafka import Consumer, TopicPartition

BATCH = 50_000
WRITE_EVERY = 1.0
"""Seconds."""
REGISTERED, HEADCOUNT, COVERED, JOINED, LEFT = (
    f"parkunion.{name}.v1" for name in ("enterprise-registered", "headcount-reported", "coverage-started", "member-joined", "member-left")
)


class Wire(msgspec.Struct):
    """What the task needs of an event."""

    type: str
    subject: str
    sequence: str
    occurredon: str
    data: msgspec.Raw


class Registered(msgspec.Struct):
    park: str
    industry: str | None = None


class Headcount(msgspec.Struct):
    workers: int


_wire = msgspec.json.Decoder(Wire).decode
_registered = msgspec.json.Decoder(Registered).decode
_headcount = msgspec.json.Decoder(Headcount).decode


class Coverage:
    """Units, covered units, workers and members by (park, industry)."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, str], list[int]] = {}
        self._seen: dict[tuple[str, str], str] = {}
        # {subject: [sums of its cell, covered, workers, members, last headcount]}; until it is registered the sums are its own.
        self._enterprises: dict[str, list[Any]] = {}

    def apply(self, topic: str, value: bytes) -> None:
        """Apply one record; a second publication changes nothing."""
        event = _wire(value)
        subject, kind = event.subject, event.type
        stream = (topic, subject)
        if event.sequence <= self._seen.get(stream, ""):
            return
        self._seen[stream] = event.sequence
        own = self._enterprises.get(subject)
        if own is None:
            own = self._enterprises[subject] = [None, 0, 0, 0, ("", "")]
        sums = own[0]
        if kind == JOINED:
            own[3] += 1
            if sums is not None:
                sums[3] += 1
        elif kind == LEFT:
            own[3] -= 1
            if sums is not None:
                sums[3] -= 1
        elif kind == COVERED:
            if sums is not None:
                sums[1] += 1 - own[1]
            own[1] = 1
        elif kind == HEADCOUNT:
            reported = (event.occurredon, event.sequence)
            if reported > own[4]:
                workers = _headcount(event.data).workers
                if sums is not None:
                    sums[2] += workers - own[2]
                own[2], own[4] = workers, reported
        elif kind == REGISTERED:
            data = _registered(event.data)
            sums = own[0] = self.sums.setdefault((data.park, data.industry or "unknown"), [0, 0, 0, 0])
            for index, value_ in enumerate((1, own[1], own[2], own[3])):
                sums[index] += value_


def write(conn: psycopg.Connection[Any], worker: int, coverage: Coverage) -> None:
    """Replace this worker's rows."""
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("DELETE FROM coverage WHERE worker = %s", (worker,))
        with cursor.copy("COPY coverage (worker, park, industry, units, covered_units, workers, members) FROM STDIN") as copy:
            for cell, sums in coverage.sums.items():
                copy.write_row((worker, *cell, *sums))


def main() -> None:
    """Read the places of one worker to their ends."""
    job = json.loads(sys.argv[1])
    ends = {(topic, int(number)): end for topic, parts in job["ends"].items() for number, end in parts.items()}
    left = sum(ends.values())
    consumer = Consumer(
        {
            "bootstrap.servers": job["bootstrap"],
            "group.id": job["group"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 65536,
        }
    )
    places = consumer.committed([TopicPartition(*place) for place in ends], timeout=30)
    done = sum(max(0, place.offset) for place in places)
    consumer.assign([TopicPartition(place.topic, place.partition, max(0, place.offset)) for place in places])
    coverage, written, pending = Coverage(), time.monotonic(), 0
    with psycopg.connect(job["dsn"], autocommit=True) as conn:
        print("reading", flush=True)
        while done < left:
            records = consumer.consume(BATCH, timeout=0.02)
            for record in records:
                coverage.apply(record.topic(), record.value())
            done, pending = done + len(records), pending + len(records)
            if pending and (done >= left or time.monotonic() - written > WRITE_EVERY):
                write(conn, job["worker"], coverage)
                consumer.commit(asynchronous=False)
                written, pending = time.monotonic(), 0
    consumer.close()


if __name__ == "__main__":
    main()
