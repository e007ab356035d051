"""Loads employers with their cases (samples/records.py): enterprises into the registry, cases and their outcomes into cases.

Several windows are loaded concurrently, so that both services are busy; memory does not grow with the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from deploy.local.loading.api import Apis
from deploy.local.loading.batches import MOST_LINES, Sender, batch_line
from deploy.local.loading.records import run_concurrently
from deploy.local.loading.references import MOST_KEYS
from samples.records import Case, Employer

WINDOWS = 3
"""Windows in flight."""
REUSED = frozenset({"IDEMPOTENCY_KEY_REUSED"})
"""The problem code of an employer that another file of the source has registered, by another spelling or from another day on."""


async def load_employers(sender: Sender, apis: Apis, source: str, employers: Iterable[Employer]) -> None:
    """Load enterprises, their cases, and what ended. Raises UserError; another run continues."""
    # One after the other, so that every enterprise is compared with those before it.
    in_order = asyncio.Lock()
    await run_concurrently((_load_window(sender, apis, source, window, in_order) for window in _windows(employers)), WINDOWS)


def _windows(employers: Iterable[Employer]) -> Iterator[list[Employer]]:
    """Employers whose cases fill a batch; an employer is not divided."""
    window: list[Employer] = []
    cases = 0
    for employer in employers:
        if window and cases + len(employer.cases) > MOST_LINES:
            yield window
            window, cases = [], 0
        window.append(employer)
        cases += len(employer.cases)
    if window:
        yield window


async def _load_window(sender: Sender, apis: Apis, source: str, window: Sequence[Employer], in_order: asyncio.Lock) -> None:
    keys = [f"{source}/employer/{unit.key}" for unit in window]
    lines = []
    for unit, key in zip(window, keys, strict=True):
        body = {"name": unit.name, "park": unit.park, "settled_on": unit.settled_on}
        lines.append(batch_line("enterprise", key, body, unit.row, unit.key))
    async with in_order:
        answers = await sender.send("registry", lines, REUSED)
    ids = [answer.id if answer is not None else None for answer in answers]
    known = await _known(apis, [key for key, found in zip(keys, ids, strict=True) if found is None])
    placed: list[tuple[Case, str]] = []
    for unit, key, found in zip(window, keys, ids, strict=True):
        enterprise_id = found or known.get(key)
        for case in unit.cases:
            if enterprise_id is not None:
                placed.append((case, enterprise_id))
                continue
            sender.skip("case", case.row, 1, "enterprise")
            sender.skip("case_outcome", case.row, case.closed_on is not None, "enterprise")
    await _load_cases(sender, source, placed)


async def _known(apis: Apis, keys: Sequence[str]) -> dict[str, str]:
    """{key: id} of the enterprises that were registered by these keys before; not those that were refused."""
    found: dict[str, str] = {}
    for start in range(0, len(keys), MOST_KEYS):
        answer = await apis.post("registry", "/v1/keys", {"keys": list(keys[start : start + MOST_KEYS])})
        found.update((item["key"], item["id"]) for item in answer["items"])
    return found


async def _load_cases(sender: Sender, source: str, cases: Sequence[tuple[Case, str]]) -> None:
    """Open the cases of enterprises (case, id), then close those that have ended: an outcome names the id that the opening got."""
    lines = []
    for case, enterprise_id in cases:
        body = {
            "kind": case.kind,
            "subkind": case.subkind,
            "enterprise_id": enterprise_id,
            "occurred_on": case.opened_on,
            "reported_on": case.opened_on,
            "workers_concerned": case.workers,
            "channel": case.channel,
        }
        lines.append(batch_line("case", f"{source}/{case.key}", body, case.row, case.key))
    answers = await sender.send("cases", lines)
    outcomes = []
    for (case, _), answer in zip(cases, answers, strict=True):
        if case.closed_on is None:
            continue
        if answer is None or answer.id is None:
            sender.skip("case_outcome", case.row, 1, "case")
            continue
        body = {"case_id": answer.id, "on": case.closed_on, "outcome": case.outcome}
        outcomes.append(batch_line("case_outcome", f"{source}/{case.key}/outcome", body, case.row, case.key))
    await sender.send("cases", outcomes)
