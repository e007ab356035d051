"""However a history is delivered, the rows of ledger and durations are those of the definition, and their digests are identical (I2, I3).

Over `PARKUNION_TEST_HISTORIES` histories (tests/settings.py): a few hundred in `make test`, thousands where more time is given.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import pytest

from services.metrics.tables.rows import Rows
from shared.contracts import Envelope
from shared.contracts.streams import EventWithdrawn, FactCorrected
from tests import oracle
from tests.histories import history, interleaved, refused
from tests.settings import PropertySettings
from tests.unit.metrics.folding.test_ledger import batches, folded, plain, plain_durations

ROOT = Path(__file__).resolve().parents[4]
BLOCKS = 4
WORKERS = (1, 2, 3, 5)
Streams = dict[str, list[list[Envelope]]]
Figures = dict[tuple[oracle.Cell, date, date], Counter[str]]
Durations = dict[tuple[oracle.Cell, date, date, str, int], int]


def told(seed: int) -> Streams:
    """Short and long ones, of one enterprise or of several that share cells, most of them with withdrawals."""
    return history(seed, enterprises=1 + seed % 4, length=(6, 14, 30)[seed % 3], mistakes=seed % 5 < 3)


def digest(figures: Figures, durations: Durations) -> str:
    """sha256 over the sorted rows."""
    lines = [f"{key} {sorted(row.items())}" for key, row in figures.items()] + [f"{key} {count}" for key, count in durations.items()]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def of_worker(streams: Streams, worker: int, workers: int) -> Streams:
    """The streams of one worker's shards: all of a subject's lie in one."""
    return {
        source: [events for events in own if events and zlib.crc32(events[0].subject.encode()) % workers == worker]
        for source, own in streams.items()
    }


def one_by_one(events: list[Envelope]) -> Iterator[list[Envelope]]:
    for event in events:
        yield [event]


def ways(streams: Streams, seed: int) -> Iterator[tuple[str, Iterable[Rows]]]:
    """(its name, the rows of each worker) for every way in which a history is delivered."""
    yield "at once", [folded([interleaved(streams, seed)], reload=False)]
    yield "one by one", [folded(one_by_one(interleaved(streams, seed + 1)), reload=False)]
    for workers in WORKERS:
        order = random.Random(f"{seed}/{workers}").randrange(2**32)
        parts = (interleaved(of_worker(streams, worker, workers), order + worker) for worker in range(workers))
        yield f"{workers} workers", [folded(batches(part, order), reload=workers % 2 == 0) for part in parts]


def summed(rows: Iterable[Rows]) -> Rows:
    total = Rows()
    for one in rows:
        total.add(one)
    return total


@pytest.mark.invariant("I2")
@pytest.mark.invariant("I3")
@pytest.mark.parametrize("block", range(BLOCKS))
def test_however_a_history_is_delivered_its_rows_are_those_of_the_definition(block: int) -> None:
    for seed in range(block, PropertySettings().histories, BLOCKS):
        streams = told(seed)
        events = oracle.counted(interleaved(streams, seed), refused)
        figures, durations = oracle.ledger(events), oracle.durations(events)
        expected = digest(figures, durations)
        for way, rows in ways(streams, seed):
            total = summed(rows)
            if digest(plain(total), plain_durations(total)) != expected:
                assert (seed, way, plain(total)) == (seed, way, figures)
                assert (seed, way, plain_durations(total)) == (seed, way, durations)


def test_the_digest_of_a_history_is_the_same_in_every_process() -> None:
    """Whatever order sets and hashes have there."""
    ask = "from tests.unit.metrics.folding import test_histories as it; print(it.digest_of(7))"
    found = {
        subprocess.run(
            [sys.executable, "-c", ask], cwd=ROOT, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{digest_of(7)}\n".encode()}


def digest_of(seed: int) -> str:
    rows = folded([interleaved(told(seed), seed)], reload=False)
    return digest(plain(rows), plain_durations(rows))


def test_the_histories_hold_what_the_property_is_about() -> None:
    """Each feature occurs in at least one of ten histories, else the property says less than it promises."""
    seen: Counter[str] = Counter()
    for seed in range(200):
        seen.update(set(features(told(seed))))
    needed = {
        "backdated",
        "correction",
        "correction of a correction",
        "corrected date",
        "fact taken back",
        "move",
        "closure",
        "reopened by correction",
        "coverage lost",
        "covered before settling",
        "two sources on one known day",
        "founded late",
        "founded after 0 days",
        "waiting",
        "withdrawal of what counted",
        "withdrawal of what waited",
        "withdrawal of both",
    }
    assert {name: seen[name] for name in needed if seen[name] < 20} == {}


def features(streams: Streams) -> Iterator[str]:
    subjects: defaultdict[str, list[Envelope]] = defaultdict(list)
    for own in streams.values():
        for events in filter(None, own):
            subjects[events[0].subject] += events
            corrected: set[int] = set()
            for event in events:
                yield from _of_event(event, corrected)
            yield from _of_withdrawals(events)
    for events in subjects.values():
        yield from _of_subject(events)
    for (_, _, _, kind, value), count in oracle.durations(oracle.counted(interleaved(streams, 0), refused)).items():
        if count > 0:
            yield "waiting" if kind == "waiting" else "founded late" if value else "founded after 0 days"


def _of_event(event: Envelope, corrected: set[int]) -> Iterator[str]:
    if event.occurredon < oracle.known_day(event):
        yield "backdated"
    data = event.data
    if not isinstance(data, FactCorrected):
        yield {"enterprise-moved": "move", "enterprise-closed": "closure", "coverage-ended": "coverage lost"}.get(
            event.type.split(".")[1], ""
        )
        return
    yield "correction"
    if data.rank in corrected:
        yield "correction of a correction"
    corrected.add(data.rank)
    if data.replacement is None:
        yield "fact taken back"
    elif data.replacement.occurred_on != data.withdrawn.occurred_on:
        yield "corrected date"
    if "closed" in data.fact and (data.replacement is None or data.replacement.occurred_on > data.withdrawn.occurred_on):
        yield "reopened by correction"


def _of_withdrawals(events: list[Envelope]) -> Iterator[str]:
    """By what had taken effect of a stream when one arrived."""
    for at, event in enumerate(events):
        if isinstance(event.data, EventWithdrawn):
            done = {one.sequence for one in oracle.counted(events[:at], refused)}
            named = {one.sequence for one in events[event.data.first - 1 : event.data.last] if not refused(one)}
            if named:
                yield "withdrawal of " + ("what counted" if named <= done else "both" if named & done else "what waited")


def _of_subject(events: list[Envelope]) -> Iterator[str]:
    known = {(event.source, oracle.known_day(event)) for event in events}
    if len(known) > len({day for _, day in known}):
        yield "two sources on one known day"
    settled = [event.occurredon for event in events if "enterprise-registered" in event.type]
    covered = [event.occurredon for event in events if "coverage-started" in event.type]
    if settled and covered and min(covered) < settled[0]:
        yield "covered before settling"
