"""What has just happened: the newest facts of an area, those of one enterprise and minute together, without any person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.metrics.dashboard.words import Words
from services.metrics.explaining.explain import id_of
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.tree import Tree

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
"""What is said of areas is no news of enterprises and unions."""
NEWEST_WITHIN = """
SELECT n.* FROM ({newest}) n WHERE EXISTS (SELECT FROM g{g}.placements p WHERE p.subject = n.subject AND p.park = ANY ($1::text[]))
"""
OF_PARK = """
SELECT f.subject, f.type, f.recorded_at, f.sequence, f.says FROM g{g}.placements p JOIN g{g}.facts f USING (subject)
WHERE p.park = ANY ($1::text[]) ORDER BY f.recorded_at DESC LIMIT {looked_at}
"""
HEADCOUNT_BEFORE = """
SELECT says->'workers' FROM g{g}.facts WHERE subject = $1 AND type = 'parkunion.headcount-reported.v1' AND sequence < $2
ORDER BY sequence DESC LIMIT 1
"""
NAMES = "SELECT id, name, park FROM g{g}.enterprises WHERE id = ANY ($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Happened:
    """One line: when, what, where, and what it comes to."""

    at: datetime
    kind: str
    park: str
    enterprise: str | None
    name: str
    amount: str


async def just_happened(snapshot: Snapshot, tree: Tree, area: str | None, words: Words) -> list[Happened]:
    """The newest facts, newest first. Names are those that row-level security shows."""
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
        kind = row["type"].split(".")[1]
        amount = await _amount(snapshot, kind, row["subject"], row["sequence"], row["count"], says, words)
        lines.append(
            Happened(
                row["at"], kind, tree.shown(park) if park else "", str(enterprise["id"]) if enterprise else None,
                (enterprise["name"] if enterprise else None) or "", amount,
            )
        )  # fmt: skip
    return lines


async def _amount(snapshot: Snapshot, kind: str, subject: str, sequence: int, count: int, says: dict[str, Any], words: Words) -> str:
    match kind:
        case "member-joined":
            return f"+{words.number(count)}"
        case "member-left":
            return words.number(-count)
        case "headcount-reported":
            before = await snapshot.conn.fetchval(HEADCOUNT_BEFORE.format(g=snapshot.generation), subject, sequence)
            now = words.number(says["workers"])
            return now if before is None else f"{words.number(before)} → {now}"
        case "fact-corrected":
            return words.t(f"happened.{says['withdrawn']['fact']}")
        case "event-withdrawn":
            return " · ".join(words.t(f"happened.{fact}") for fact in dict.fromkeys(one["fact"] for one in says["withdrawn"]))
    return words.t(f"amount.{kind}")
