"""What the caller of a snapshot may see: the rule of `shared.directory.visibility` on rows of `facts` and on contributions.

The view `facts` says the same about whole rows (migration 0013). Figures are computed of all facts, so what computes
reads within `unrestricted`; what is shown goes through `shown`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from typing import Any, cast

from services.metrics.counted import kind_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import generation_store, name_store
from shared.directory.visibility import EveryArea, Part, Sight, Stay
from shared.http.auth import Areas

EVERYTHING = Areas.all().setting()
Row = Mapping[str, Any]
"""A row of `facts`."""


@asynccontextmanager
async def unrestricted(snapshot: Snapshot) -> AsyncIterator[None]:
    """Within it every row of `facts` is read, to compute with; nothing of it may be shown that `shown` has not let through."""
    if snapshot.setting == EVERYTHING:
        yield
        return
    await generation_store.see_areas(snapshot.conn, EVERYTHING)
    yield
    await generation_store.see_areas(snapshot.conn, snapshot.setting)


@asynccontextmanager
async def limited_to(snapshot: Snapshot, area: str | None) -> AsyncIterator[Snapshot]:
    """Within it, row-level security and `sights` show what somebody with this area alone sees; None: what the caller sees.

    The area must have been granted to the caller.
    """
    if area is None:
        yield snapshot
        return
    areas = Areas.of([area])
    await generation_store.see_areas(snapshot.conn, areas.setting())
    yield replace(snapshot, setting=areas.setting(), granted=snapshot.areas.granted(areas))
    await generation_store.see_areas(snapshot.conn, snapshot.setting)


async def sights(snapshot: Snapshot, subjects: Collection[str]) -> dict[str, Sight]:
    """{subject: what the caller sees of it}."""
    found: dict[str, list[Stay]] = {subject: [] for subject in subjects}
    for row in await name_store.stays(snapshot.conn, snapshot.generation, list(found)):
        found[row["subject"]].append(Stay(row["since"], row["until"], row["park"]))
    return {subject: Sight(stays, snapshot.granted) for subject, stays in found.items()}


async def hidden(snapshot: Snapshot, subjects: Collection[str], *days: date) -> set[str]:
    """The subjects of contributions to figures of the caller's areas that were, as known now, elsewhere on all of these days.

    They count where they were believed to be. So the sums stay right, but who they are is not shown.
    """
    if isinstance(snapshot.granted, EveryArea):
        return set()
    return {subject for subject, sight in (await sights(snapshot, subjects)).items() if not any(map(sight.on, days))}


def shown(row: Row, sight: Sight) -> Row | None:
    """A row as the caller may see it: `says` without what is not the caller's to know; None: not at all.

    Of a correction that brings a fact into the caller's days, `withdrawn` has only `fact` and `rank`; one that takes a fact out of them has no
    `replacement`, as if it were corrected to nothing. `occurred_on` is a day of what is shown.
    """
    if isinstance(sight.granted, EveryArea) or row["subject"].startswith("area/"):
        return row
    says = _says(row, sight)
    return None if says is None else {**row, "says": says, "occurred_on": _day(row, says)}


def _day(row: Row, says: Mapping[str, Any]) -> date:
    if "withdrawn" not in says:
        return cast(date, row["occurred_on"])
    parts = says["withdrawn"] if isinstance(says["withdrawn"], list) else [says["replacement"] or says["withdrawn"]]
    return max(date.fromisoformat(part["occurred_on"]) for part in parts)


async def shown_rows(snapshot: Snapshot, rows: Sequence[Row]) -> list[Row]:
    """The rows that the caller may see, as `shown` leaves them."""
    if isinstance(snapshot.granted, EveryArea):
        return list(rows)
    seen = await sights(snapshot, {row["subject"] for row in rows})
    return [found for row in rows if (found := shown(row, seen[row["subject"]])) is not None]


def _says(row: Row, sight: Sight) -> dict[str, Any] | None:
    says = row["says"] or {}
    if "withdrawn" not in says:
        return sight.part(Part(kind_of(row["type"]), row["occurred_on"], says))
    if isinstance(says["withdrawn"], list):
        kept = _parts(says["withdrawn"], sight)
        return {"withdrawn": kept} if kept else None
    withdrawn, replacement = (
        next(iter(_parts([part], sight)), None) if (part := says[name]) else None for name in ("withdrawn", "replacement")
    )
    if withdrawn is None and replacement is None:
        return None
    return {"withdrawn": withdrawn or {name: says["withdrawn"][name] for name in ("fact", "rank")}, "replacement": replacement}


def _parts(parts: Iterable[dict[str, Any]], sight: Sight) -> list[dict[str, Any]]:
    """Those of the facts within a correction or a withdrawal that are seen."""
    kept = []
    for part in parts:
        data = sight.part(Part(part["fact"], date.fromisoformat(part["occurred_on"]), part["says"]))
        if data is not None:
            kept.append({**part, "says": data})
    return kept
