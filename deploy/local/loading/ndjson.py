"""Loads the valid rows of an NDJSON file in batches, with credit codes replaced by enterprise ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from uuid import UUID

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import MOST_LINES, Refusal, Sender, batch_line
from deploy.local.loading.records import run_concurrently
from deploy.local.loading.rows import KINDS, ParsedRow, read_rows
from shared.problems.errors import FieldError

AT_ONCE = 2
"""Batches in flight."""
MOST_REMEMBERED = 100_000


class EnterpriseIds:
    """Ids of enterprises by their credit codes, from the registry, cached."""

    def __init__(self, apis: Apis) -> None:
        self._apis = apis
        self._known: dict[str, str] = {}

    async def id_of(self, reference: str) -> str | None:
        """The id of a reference, which is an id or a credit code; None if no enterprise has the code."""
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
    """Send the valid rows. Batches of areas and unions are sequential, since a row may refer to an earlier one. Raises UserError."""
    valid = (row for row in read_rows(path, kind) if isinstance(row, ParsedRow))
    windows = _windows(valid)
    load = partial(_load_window, sender, EnterpriseIds(apis), kind)
    await run_concurrently((load(window) for window in windows), 1 if kind in ("areas", "unions") else AT_ONCE)


def _windows(valid: Iterable[ParsedRow]) -> Iterator[list[ParsedRow]]:
    remaining = iter(valid)
    return iter(lambda: list(islice(remaining, MOST_LINES)), [])


async def _load_window(sender: Sender, enterprises: EnterpriseIds, kind: str, window: list[ParsedRow]) -> None:
    form = KINDS[kind]
    resolved = [row for row in window if await _resolve(sender, enterprises, form.op, form.references, row)]
    answers = await sender.send(form.service, [batch_line(form.op, row.key, row.body, row.number) for row in resolved])
    reports = []
    for row, answer in zip(resolved, answers, strict=True):
        if row.headcount is None:
            continue
        if answer is None:
            sender.skip("headcount", row.number, 1, form.op)
            continue
        reports.append(batch_line("headcount", f"{row.key}/headcount", {"enterprise_id": answer.id, **row.headcount}, row.number))
    await sender.send("registry", reports)


async def _resolve(sender: Sender, enterprises: EnterpriseIds, op: str, fields: tuple[str, ...], row: ParsedRow) -> bool:
    """Replace credit codes by ids; whether all were found. If not, the row is refused."""
    missing = []
    for field in fields:
        given = row.body.get(field, [])
        ids = [await enterprises.id_of(reference) for reference in ([given] if isinstance(given, str) else given)]
        for n, found in enumerate(ids):
            if found is None:
                name = field if isinstance(given, str) else f"{field}.{n}"
                value = given if isinstance(given, str) else given[n]
                missing.append(Refusal.of(FieldError("UNKNOWN_REFERENCE", name, row.number, {"value": value}), op))
        row.body[field] = ids[0] if isinstance(given, str) else ids
    if missing:
        sender.refuse(op, missing)
    return not missing
