"""The enterprises of a park with what each adds to the figures, and one enterprise with the timeline of its facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, assert_never
from uuid import UUID

from services.metrics.counted import BY_KIND, FIELDS, Area, Attribute, Correction, DayClosing, Members, NotCounted, Withdrawal, kind_of
from services.metrics.dashboard.words import Words, catalogue
from services.metrics.explaining.contributors import id_of
from services.metrics.explaining.explain import FIRST
from services.metrics.explaining.fact_sets import sets_known, sets_of
from services.metrics.figures import sql
from services.metrics.figures.questions import Rate, Snapshot
from services.metrics.figures.scope import Scope, contribution_on, counts_of
from services.metrics.figures.tree import Tree

MOST_STATES = 10_000
MOST_FACTS = 5000
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Enterprise:
    """What one enterprise adds as of a day, and its park."""

    id: UUID
    name: str | None
    credit_code: str | None
    park: str | None
    counts: Mapping[str, int]

    @property
    def joining(self) -> Rate:
        return Rate(self.counts["members"], self.counts["workers"])

    @property
    def key(self) -> tuple[bool, int, UUID]:
        """Without a union first, the largest first."""
        return bool(self.counts["covered_units"]), -self.counts["workers"], self.id


async def of_park(snapshot: Snapshot, park: str, as_of: date, known_at: date, after: UUID | None) -> tuple[list[Enterprise], UUID | None]:
    """The next SHOWN enterprises that operate in a park, those without a union first, and the id of the last one if there are more."""
    scope = Scope(snapshot.areas.at(as_of, known_at), {park})
    rows = await sql.states(snapshot.conn, snapshot.generation, "", MOST_STATES, [park])
    found = []
    for subject, facts in (await sets_of(snapshot, rows, known_at)).items():
        cell, value = contribution_on(facts, as_of, known_at)
        counts = counts_of(value)
        if cell is not None and scope.holds(cell) and counts["units"]:
            found.append(Enterprise(id_of(subject), None, None, cell[0], counts))
    found.sort(key=lambda enterprise: enterprise.key)
    start = next((index + 1 for index, enterprise in enumerate(found) if enterprise.id == after), 0) if after else 0
    page = found[start : start + SHOWN]
    names = await sql.names(snapshot.conn, snapshot.generation, [enterprise.id for enterprise in page])
    shown = [
        Enterprise(e.id, names[e.id]["name"], names[e.id]["credit_code"], e.park, e.counts) if e.id in names else e
        for e in page
    ]  # fmt: skip
    return shown, page[-1].id if start + SHOWN < len(found) else None


async def park_of(snapshot: Snapshot, enterprise: UUID) -> str | None:
    """The park of an enterprise by its last fact; None if there is no such enterprise. Ignores the caller's areas: access is decided by it."""
    await snapshot.conn.execute("SELECT set_config('parkunion.areas', '*', true)")
    row = (await sql.names(snapshot.conn, snapshot.generation, [enterprise])).get(enterprise)
    return row["park"] if row else None


async def one(snapshot: Snapshot, enterprise: UUID, as_of: date, known_at: date) -> Enterprise | None:
    """An enterprise as of a day; None if it is not known."""
    subject = f"enterprise/{enterprise}"
    states = await sql.states_of(snapshot.conn, snapshot.generation, [subject])
    names = await sql.names(snapshot.conn, snapshot.generation, [enterprise])
    if subject not in states or enterprise not in names:
        return None
    cell, value = contribution_on((await sets_known(snapshot, states, known_at))[subject], as_of, known_at)
    counts = counts_of(value)
    row = names[enterprise]
    return Enterprise(enterprise, row["name"], row["credit_code"], cell[0] if cell else None, counts)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: facts of one kind, day and minute together. `kind` is the fact's; of a correction, that of the corrected fact.

    A withdrawal has a line for each kind of fact that it withdraws.
    """

    recorded_at: datetime
    occurred_on: date
    kind: str
    count: int
    says: Mapping[str, Any]
    correction: bool
    in_force: bool

    def texts(self, words: Words, tree: Tree) -> list[str]:
        """The fields of the fact as the page shows them; ids are left out."""
        return [_text(words, tree, name, value) for name, value in self.says.items() if not name.endswith("_id")]


async def timeline(snapshot: Snapshot, enterprise: UUID, as_of: date, known_at: date) -> list[Entry]:
    """The facts of an enterprise known by `known_at` that occurred by `as_of`, counted or not, the latest business date first."""
    subject = f"enterprise/{enterprise}"
    rows = await sql.facts_of(snapshot.conn, snapshot.generation, subject, as_of, known_at, list(FIELDS), FIRST, MOST_FACTS)
    corrected = await sql.corrections(snapshot.conn, snapshot.generation, subject, known_at)
    entries: list[Entry] = []
    for entry in (entry for row in rows for entry in _entries(row, corrected)):
        last = entries[-1] if entries else None
        if last is not None and _same(last, entry):
            entries[-1] = Entry(
                entry.recorded_at, last.occurred_on, last.kind, last.count + entry.count, last.says, last.correction, last.in_force
            )  # fmt: skip
        else:
            entries.append(entry)
    return sorted(entries, key=lambda entry: (entry.occurred_on, entry.recorded_at), reverse=True)


def _text(words: Words, tree: Tree, name: str, value: Any) -> str:
    """A code has a text of its own, `says.<field>.<code>`, or is the value in the field's text, `says.<field>`."""
    match name:
        case "kind":
            return words.t(f"kind.{value}")
        case "workers":
            value = words.number(value)
        case "park":
            value = tree.display_name(value)
        case "size" | "industry" | "ownership":
            value = words.label(name, value)
    key = f"says.{name}.{value}"
    return words.t(key) if key in catalogue(words.language) else words.t(f"says.{name}", value=value)


def _entries(row: Any, corrected: Mapping[tuple[str, int], int]) -> Iterator[Entry]:
    kind, says, sequence = kind_of(row["type"]), row["says"] or {}, row["sequence"]
    recorded_at, occurred_on = row["recorded_at"], row["occurred_on"]
    match BY_KIND[kind]:
        case Withdrawal():
            for fact, count in Counter(one["fact"] for one in says["withdrawn"]).items():
                yield Entry(recorded_at, occurred_on, fact, count, {}, True, False)
        case Correction():
            withdrawn, replacement = says["withdrawn"], says["replacement"]
            in_force = corrected.get((row["source"], withdrawn["rank"])) == sequence
            yield Entry(recorded_at, occurred_on, withdrawn["fact"], 1, replacement["says"] if replacement else {}, True, in_force)
        case Attribute() | Members() | NotCounted() | Area() | DayClosing():
            yield Entry(recorded_at, occurred_on, kind, 1, says, False, (row["source"], sequence) not in corrected)
        case other:
            assert_never(other)


def _same(last: Entry, entry: Entry) -> bool:
    """Members of one day and minute are one line."""
    return (
        not entry.says
        and (last.kind, last.occurred_on, last.correction, last.in_force)
        == (entry.kind, entry.occurred_on, entry.correction, entry.in_force)
        and last.recorded_at.replace(second=0, microsecond=0) == entry.recorded_at.replace(second=0, microsecond=0)
    )
