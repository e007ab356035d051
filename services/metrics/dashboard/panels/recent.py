"""The newest facts of an area ("Just happened"). Facts of one enterprise, kind and minute are one line; no person is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from services.metrics.counted import BY_KIND, Area, Attribute, Correction, DayClosing, Members, NotCounted, Withdrawal, kind_of
from services.metrics.dashboard.words import Words
from services.metrics.explaining.contributors import id_of
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.tree import Tree
from shared.process.db import Record

SHOWN = 8
LOOKED_AT = 3000

GROUPED = """
SELECT subject, type, max(recorded_at) AS at, count(*) AS count, (array_agg(says ORDER BY recorded_at DESC, sequence DESC))[1] AS says,
    max(sequence) AS sequence
FROM ({facts}) f GROUP BY subject, type, date_trunc('minute', recorded_at) ORDER BY at DESC, subject LIMIT {shown}
"""
NEWEST = """
SELECT subject, type, recorded_at, sequence, says FROM g{g}.facts WHERE NOT starts_with(subject, 'area/') ORDER BY recorded_at DESC LIMIT {looked_at}
"""
"""Facts about areas are left out."""
NEWEST_WITHIN = """
SELECT n.* FROM ({newest}) n WHERE EXISTS (SELECT FROM g{g}.placements p WHERE p.subject = n.subject AND p.park = ANY ($1::text[]))
"""
OF_PARK = """
SELECT f.subject, f.type, f.recorded_at, f.sequence, f.says FROM g{g}.placements p JOIN g{g}.facts f USING (subject)
WHERE p.park = ANY ($1::text[]) ORDER BY f.recorded_at DESC LIMIT {looked_at}
"""
NUMBER_BEFORE = """
SELECT says->$4 FROM g{g}.facts WHERE subject = $1 AND type = $2 AND sequence < $3 ORDER BY sequence DESC LIMIT 1
"""
NAMES = "SELECT id, name, park FROM g{g}.enterprises WHERE id = ANY ($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Happened:
    """One line: time, kind of fact, place, enterprise, and the amount or a word for it."""

    at: datetime
    kind: str
    park: str
    enterprise: str | None
    name: str
    amount: str


async def just_happened(snapshot: Snapshot, tree: Tree, area: str | None, words: Words) -> list[Happened]:
    """The newest facts, newest first. Only names that row-level security shows are given."""
    g = snapshot.generation
    newest = NEWEST.format(g=g, looked_at=LOOKED_AT)
    found = tree.areas.get(area) if area else None
    if area is None:
        facts, scope = newest, []
    elif found is not None and found.kind == "park":
        facts, scope = OF_PARK.format(g=g, looked_at=LOOKED_AT), [[area]]
    else:
        facts, scope = NEWEST_WITHIN.format(g=g, newest=newest), [list(tree.under(area))]
    rows = await snapshot.conn.fetch(GROUPED.format(facts=facts, shown=SHOWN), *scope)
    ids = [id_of(row["subject"]) for row in rows if row["subject"].startswith("enterprise/")]
    names = {row["id"]: row for row in await snapshot.conn.fetch(NAMES.format(g=g), ids)}
    lines = []
    for row in rows:
        enterprise = names.get(id_of(row["subject"]))
        says: dict[str, Any] = row["says"] or {}
        park = (enterprise["park"] if enterprise else says.get("seat_area")) or ""
        kind = kind_of(row["type"])
        amount = await _amount(snapshot, row, says, words)
        lines.append(
            Happened(
                row["at"], kind, tree.display_name(park) if park else "", str(enterprise["id"]) if enterprise else None,
                (enterprise["name"] if enterprise else None) or "", amount,
            )
        )  # fmt: skip
    return lines


async def _amount(snapshot: Snapshot, line: Record, says: dict[str, Any], words: Words) -> str:
    kind = kind_of(line["type"])
    match BY_KIND[kind]:
        case Members(each=each):
            return f"+{words.number(line['count'])}" if each > 0 else words.number(-line["count"])
        case Attribute(number=str() as field):
            statement = NUMBER_BEFORE.format(g=snapshot.generation)
            before = await snapshot.conn.fetchval(statement, line["subject"], line["type"], line["sequence"], field)
            now = words.number(says[field])
            return now if before is None else f"{words.number(before)} → {now}"
        case Attribute() | NotCounted():
            return words.t(f"amount.{kind}")
        case Correction():
            return words.t(f"happened.{says['withdrawn']['fact']}")
        case Withdrawal():
            return " · ".join(words.t(f"happened.{fact}") for fact in dict.fromkeys(one["fact"] for one in says["withdrawn"]))
        case Area() | DayClosing():
            return ""
        case row:
            assert_never(row)
