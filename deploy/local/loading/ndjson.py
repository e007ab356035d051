"""Brings the rows of an NDJSON file in: those that have their form, in batches, with references to enterprises resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from uuid import UUID

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import MOST_LINES, Refusal, Sender
from deploy.local.loading.rows import KINDS, Read, rows
from deploy.local.loading.sample import line, side_by_side
from shared.problems.errors import FieldError

AT_ONCE = 2
MOST_REMEMBERED = 100_000


class Enterprises:
    """Ids of enterprises by their credit codes, asked of the registry."""

    def __init__(self, apis: Apis) -> None:
        self._apis = apis
        self._known: dict[str, str] = {}

    async def id_of(self, reference: str) -> str | None:
        """The id that a reference means; None if no enterprise has the code."""
        if _is_id(reference):
            return reference
        code = reference.upper()
        if code not in self._known:
            found = await self._apis.get("registry", "/v1/enterprises", {"q": code, "limit": 10})
            ids = [str(item["id"]) for item in found["items"] if item.get("credit_code") == code]
            if not ids:
                return None
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[code] = ids[0]
        return self._known[code]


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return len(text) == 36


async def load_rows(sender: Sender, apis: Apis, path: Path, kind: str) -> None:
    """Send the good rows. Areas go one batch after another, since a row may lie in one before it. Raises Trouble."""
    good = (row for row in rows(path, kind) if isinstance(row, Read))
    windows = _windows(good)
    bring = partial(_bring, sender, Enterprises(apis), kind)
    await side_by_side((bring(window) for window in windows), 1 if kind in ("areas", "unions") else AT_ONCE)


def _windows(good: Iterable[Read]) -> Iterator[list[Read]]:
    remaining = iter(good)
    return iter(lambda: list(islice(remaining, MOST_LINES)), [])


async def _bring(sender: Sender, enterprises: Enterprises, kind: str, window: list[Read]) -> None:
    form = KINDS[kind]
    resolved = [row for row in window if await _resolve(sender, enterprises, form.op, form.references, row)]
    lines = [line(form.op, row.key, row.body) for row in resolved]
    ids = await sender.send(form.service, form.op, lines, [row.number for row in resolved])
    reports, numbers = [], []
    for row, enterprise_id in zip(resolved, ids, strict=True):
        if row.headcount is None:
            continue
        if enterprise_id is None:
            sender.skip("headcount", row.number, 1, form.op)
            continue
        reports.append(line("headcount", f"{row.key}/headcount", {"enterprise_id": enterprise_id, **row.headcount}))
        numbers.append(row.number)
    await sender.send("registry", "headcount", reports, numbers)


async def _resolve(sender: Sender, enterprises: Enterprises, op: str, fields: tuple[str, ...], row: Read) -> bool:
    """Put ids in the place of credit codes; whether all were found. A row with one that was not is refused."""
    missing = []
    for field in fields:
        said = row.body.get(field, [])
        ids = [await enterprises.id_of(reference) for reference in ([said] if isinstance(said, str) else said)]
        for n, found in enumerate(ids):
            if found is None:
                name = field if isinstance(said, str) else f"{field}.{n}"
                value = said if isinstance(said, str) else said[n]
                missing.append(Refusal.of(FieldError("UNKNOWN_REFERENCE", name, row.number, {"value": value}), op))
        row.body[field] = ids[0] if isinstance(said, str) else ids
    if missing:
        sender.refuse(op, missing)
    return not missing
