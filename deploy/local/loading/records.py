"""Loads neutral records (samples/records.py): areas and enterprises into the registry, unions and members into membership.

Several windows of enterprises are loaded concurrently, so that both services are busy; memory does not grow with the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from deploy.local.loading.batches import MOST_LINES, BatchLine, Sender, batch_line
from samples.records import Area, Enterprise, Founding

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


async def load_areas(sender: Sender, source: str, areas: Iterable[Area], known: frozenset[str] = ALREADY_THERE) -> None:
    """Load areas in their order, parents first; problems with a code of `known` count as accepted."""
    remaining = iter(areas)
    while window := list(islice(remaining, MOST_LINES)):
        lines = [
            batch_line(
                "area", f"{source}/area/{a.code}", {"code": a.code, "name": a.name, "kind": a.kind, "parent": a.parent}, a.row, a.code
            )
            for a in window
        ]
        await sender.send("registry", lines, known)


async def load_enterprises(sender: Sender, source: str, enterprises: Iterable[Enterprise]) -> None:
    """Load enterprises with headcount, union and members. Raises UserError; another run continues."""
    remaining = iter(enterprises)
    windows = iter(lambda: list(islice(remaining, WINDOW)), [])
    # One after the other, so that every enterprise is compared with those before it.
    in_order = asyncio.Lock()
    await run_concurrently((_load_window(sender, source, window, in_order) for window in windows), WINDOWS)


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


async def _load_window(sender: Sender, source: str, window: Sequence[Enterprise], in_order: asyncio.Lock) -> None:
    lines = []
    for unit in window:
        body = {"name": unit.name, "park": unit.park, "settled_on": unit.settled_on}
        lines.append(batch_line("enterprise", f"{source}/{unit.key}", body, unit.row, unit.key))
    async with in_order:
        answers = await sender.send("registry", lines)
    accepted = [(unit, answer.id) for unit, answer in zip(window, answers, strict=True) if answer and answer.id]
    for unit, answer in zip(window, answers, strict=True):
        if answer is None or answer.id is None:
            sender.skip("headcount", unit.row, 1 if unit.headcount else 0, "enterprise")
            sender.skip("union", unit.row, 1 if unit.union else 0, "enterprise")
            sender.skip("member", unit.row, unit.union.members if unit.union else 0, "enterprise")
    await _load_headcounts(sender, source, accepted)
    await _load_unions(sender, source, accepted)


async def _load_headcounts(sender: Sender, source: str, units: Sequence[tuple[Enterprise, str]]) -> None:
    lines = []
    for unit, enterprise_id in units:
        if report := unit.headcount:
            key = f"{source}/{unit.key}/headcount/{report.on}/{report.workers}"
            lines.append(
                batch_line(
                    "headcount", key, {"enterprise_id": enterprise_id, "on": report.on, "workers": report.workers}, unit.row, unit.key
                )
            )
    await sender.send("registry", lines)


async def _load_unions(sender: Sender, source: str, units: Sequence[tuple[Enterprise, str]]) -> None:
    founded = [(unit, unit.union, enterprise_id) for unit, enterprise_id in units if unit.union]
    lines = []
    for unit, union, enterprise_id in founded:
        body = {"kind": "enterprise_union", "seat_area": unit.park, "approved_on": union.approved_on, "enterprises": [enterprise_id]}
        lines.append(batch_line("union", f"{source}/{unit.key}/union", body, unit.row, unit.key))
    answers = await sender.send("membership", lines)
    accepted = []
    for (unit, union, enterprise_id), answer in zip(founded, answers, strict=True):
        if answer is None or answer.id is None:
            sender.skip("member", unit.row, union.members, "union")
        else:
            accepted.append(_member_lines(source, unit, union, enterprise_id, answer.id))
    members = chain.from_iterable(accepted)
    batches = iter(lambda: list(islice(members, MOST_LINES)), [])
    await run_concurrently((sender.send("membership", batch) for batch in batches), BATCHES)


def _member_lines(source: str, unit: Enterprise, union: Founding, enterprise_id: str, union_id: str) -> Iterator[BatchLine]:
    """One line per person, from a template of bytes for speed."""
    mark = "\x1a"
    document = {"kind": DOCUMENT_KIND, "number": f"{unit.key}/{mark}"}
    body = {"union_id": union_id, "enterprise_id": enterprise_id, "document": document, "joined_on": union.approved_on}
    template = batch_line("member", f"{source}/{unit.key}/member/{mark}", body, unit.row)
    before, between, after = template.content.split(b"\\u001a")
    for n in range(1, union.members + 1):
        number = b"%d" % n
        yield BatchLine("member", unit.row, before + number + between + number + after, f"{unit.key}/{n}")
