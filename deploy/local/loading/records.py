"""Loads neutral records (samples/records.py): areas and enterprises into the registry, unions and members into membership.

Several windows of enterprises are loaded concurrently, so that both services are busy; memory does not grow with the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from deploy.local.loading.batches import MOST_LINES, Sender
from samples.records import Area, Enterprise

WINDOW = 500
"""Enterprises per window."""
WINDOWS = 3
"""Windows in flight."""
BATCHES = 2
"""Batches of members in flight per window."""
DOCUMENT_KIND = "sample"
ALREADY_THERE = frozenset({"DUPLICATE_AREA"})
OTHER_SPELLING = frozenset({"IDEMPOTENCY_KEY_REUSED"})
"""Problem codes of an area that exists already; the second, if another file of the source spells its name differently."""

_encode = msgspec.json.Encoder().encode


def batch_line(op: str, key: str, body: dict[str, Any]) -> bytes:
    """One line of a batch."""
    return _encode({"op": op, "key": key, "body": body}) + b"\n"


async def load_areas(sender: Sender, source: str, areas: Iterable[Area], known: frozenset[str] = ALREADY_THERE) -> None:
    """Load areas in their order, parents first; problems with a code of `known` count as accepted."""
    remaining = iter(areas)
    while window := list(islice(remaining, MOST_LINES)):
        lines = [
            batch_line("area", f"{source}/area/{a.code}", {"code": a.code, "name": a.name, "kind": a.kind, "parent": a.parent})
            for a in window
        ]
        await sender.send("registry", "area", lines, [area.row for area in window], known)


async def load_enterprises(sender: Sender, source: str, enterprises: Iterable[Enterprise]) -> None:
    """Load enterprises with headcount, union and members. Raises UserError; another run continues."""
    remaining = iter(enterprises)
    windows = iter(lambda: list(islice(remaining, WINDOW)), [])
    await run_concurrently((_load_window(sender, source, window) for window in windows), WINDOWS)


async def run_concurrently(work: Iterable[Coroutine[Any, Any, Any]], most: int) -> None:
    """Run all coroutines, at most `most` at a time, each created only when it can start. The first exception cancels the others."""
    running: set[asyncio.Task[Any]] = set()
    try:
        for piece in work:
            running.add(asyncio.create_task(piece))
            if len(running) == most:
                running = await _one_done(running)
        while running:
            running = await _one_done(running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _one_done(running: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    done, pending = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return pending


async def _load_window(sender: Sender, source: str, window: Sequence[Enterprise]) -> None:
    lines = [
        batch_line("enterprise", f"{source}/{unit.key}", {"name": unit.name, "park": unit.park, "settled_on": unit.settled_on})
        for unit in window
    ]
    ids = await sender.send("registry", "enterprise", lines, [unit.row for unit in window])
    known = [(unit, enterprise_id) for unit, enterprise_id in zip(window, ids, strict=True) if enterprise_id is not None]
    for unit, enterprise_id in zip(window, ids, strict=True):
        if enterprise_id is None:
            _skip_dependent(sender, unit)
    await _load_headcounts(sender, source, known)
    await _load_unions(sender, source, known)


def _skip_dependent(sender: Sender, unit: Enterprise) -> None:
    sender.skip("headcount", unit.row, 1 if unit.headcount else 0, "enterprise")
    sender.skip("union", unit.row, 1 if unit.union else 0, "enterprise")
    sender.skip("member", unit.row, unit.union.members if unit.union else 0, "enterprise")


async def _load_headcounts(sender: Sender, source: str, known: Sequence[tuple[Enterprise, str]]) -> None:
    lines, rows = [], []
    for unit, enterprise_id in known:
        if report := unit.headcount:
            body = {"enterprise_id": enterprise_id, "on": report.on, "workers": report.workers}
            lines.append(batch_line("headcount", f"{source}/{unit.key}/headcount/{report.on}/{report.workers}", body))
            rows.append(unit.row)
    await sender.send("registry", "headcount", lines, rows)


async def _load_unions(sender: Sender, source: str, known: Sequence[tuple[Enterprise, str]]) -> None:
    founded = [(unit, enterprise_id) for unit, enterprise_id in known if unit.union]
    lines = [
        batch_line(
            "union",
            f"{source}/{unit.key}/union",
            {"kind": "enterprise_union", "seat_area": unit.park, "approved_on": unit.union.approved_on, "enterprises": [enterprise_id]},
        )
        for unit, enterprise_id in founded
        if unit.union
    ]
    ids = await sender.send("membership", "union", lines, [unit.row for unit, _ in founded])
    batches = _member_batches(sender, source, founded, ids)
    await run_concurrently((sender.send("membership", "member", lines, rows) for lines, rows in batches), BATCHES)


def _member_batches(
    sender: Sender, source: str, founded: Sequence[tuple[Enterprise, str]], union_ids: Sequence[str | None]
) -> Iterator[tuple[list[bytes], list[int | None]]]:
    """(lines, rows) of full batches of members."""
    lines: list[bytes] = []
    rows: list[int | None] = []
    for (unit, enterprise_id), union_id in zip(founded, union_ids, strict=True):
        assert unit.union is not None
        if union_id is None:
            sender.skip("member", unit.row, unit.union.members, "union")
            continue
        members = _member_lines(source, unit, enterprise_id, union_id)
        while more := list(islice(members, MOST_LINES - len(lines))):
            lines += more
            rows += [unit.row] * len(more)
            if len(lines) == MOST_LINES:
                yield lines, rows
                lines, rows = [], []
    if lines:
        yield lines, rows


def _member_lines(source: str, unit: Enterprise, enterprise_id: str, union_id: str) -> Iterator[bytes]:
    """One line per person, from a template of bytes for speed."""
    assert unit.union is not None
    mark = "\x1a"
    document = {"kind": DOCUMENT_KIND, "number": f"{unit.key}/{mark}"}
    body = {"union_id": union_id, "enterprise_id": enterprise_id, "document": document, "joined_on": unit.union.approved_on}
    pattern = batch_line("member", f"{source}/{unit.key}/member/{mark}", body)
    before, between, after = pattern.split(_encode(mark)[1:-1])
    for n in range(1, unit.union.members + 1):
        number = b"%d" % n
        yield before + number + between + number + after
