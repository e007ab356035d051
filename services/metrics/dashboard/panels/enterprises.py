"""The enterprises of a park with what each adds to the figures, and one enterprise with the timeline of its facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from heapq import nsmallest
from typing import Any, NamedTuple, TypeAlias, assert_never
from uuid import UUID

import numpy as np

from services.metrics.counted import BY_KIND, Area, Attribute, Correction, DayClosing, Matter, Members, NotCounted, Withdrawal, kind_of
from services.metrics.dashboard.words import Words, catalogue
from services.metrics.explaining import timeline as facts
from services.metrics.explaining.explain import Behind
from services.metrics.explaining.sets.standing import read, standing
from services.metrics.explaining.timeline import FIRST, Enterprise, Position
from services.metrics.explaining.unions import union_names
from services.metrics.figures.labels import reason_text
from services.metrics.figures.scope import Scope, contribution_on, counts_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.tree import Tree
from shared.contracts.case_codes import CASE_KINDS, CASE_SUBKINDS, CONTRACT_KINDS, HELP_KINDS, LEVELS, NEGOTIATION_RESULTS, OUTCOMES
from shared.contracts.code_list import CodeList

CHUNK = 500
SHOWN = 100

Key: TypeAlias = tuple[bool, int, str]
"""The position in a park's list: whether it has a union, the workers (negative), the subject."""


async def of_park(snapshot: Snapshot, park: str, as_of: date, known_at: date, after: Key | None) -> tuple[list[Enterprise], Key | None]:
    """The next SHOWN enterprises that operate in a park, those without a union first, then the largest; and where the next page begins."""
    rest = nsmallest(SHOWN + 1, (key for key in await _keys(snapshot, park, as_of, known_at) if after is None or key > after))
    shown = [subject for _, _, subject in rest[:SHOWN]]
    return await facts.enterprises_on(snapshot, shown, as_of, known_at), rest[SHOWN - 1] if len(rest) > SHOWN else None


async def _keys(snapshot: Snapshot, park: str, as_of: date, known_at: date) -> Sequence[Key]:
    """The position of every enterprise that operates in a park, in no order."""
    question = (snapshot.version, "park", park, as_of, known_at)
    if (kept := snapshot.lists.get(question)) is not None:
        return kept
    scope, found = Scope(snapshot.areas.at(as_of, known_at), {park}), list[Key]()
    standing_sets = await standing(snapshot, [park], as_of, known_at)
    sets = standing_sets.sets
    at = np.flatnonzero(standing_sets.told & sets.counting(scope) & (sets.counts["units"] != 0))
    covered, workers = sets.counts["covered_units"][at] != 0, -sets.counts["workers"][at]
    found += zip(covered.tolist(), workers.tolist(), [subject.decode() for subject in sets.subjects[at].tolist()], strict=True)
    async for subject, one in read(snapshot, standing_sets.rest, known_at):
        cell, value = contribution_on(one, as_of, known_at)
        counts = counts_of(value)
        if cell is not None and scope.holds(cell) and counts["units"]:
            found.append((bool(counts["covered_units"]), -counts["workers"], subject))
    snapshot.lists.keep(question, found)
    return found


CODES: Mapping[str, Sequence[CodeList]] = {
    "kind": (CASE_KINDS, CONTRACT_KINDS, HELP_KINDS),
    "subkind": (CASE_SUBKINDS,),
    "result": (NEGOTIATION_RESULTS,),
    "level": (LEVELS,),
}
"""{field: the lists of its codes}"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: facts of one kind, day and minute, by one actor, together.

    `kind` is the fact's; of a correction, that of the corrected fact. A withdrawal has a line for each kind of fact that it withdraws.
    `type`: of the event that gives the `reason`.
    """

    recorded_at: datetime
    occurred_on: date
    kind: str
    count: int
    says: Mapping[str, Any]
    correction: bool
    in_force: bool
    type: str = ""
    actor: str | None = None
    reason: str | None = None
    union_name: str | None = None

    def texts(self, words: Words, tree: Tree) -> list[str]:
        """The fields of the fact as the page shows them: a union by its name, other ids left out."""
        found = [_text(words, tree, name, value) for name, value in self.says.items() if not name.endswith("_id") and name != "id"]
        if "union_id" in self.says:
            found.append(self.union_name or words.t("union.unnamed"))
        return found

    def why(self, words: Words) -> str | None:
        """The reason that was given, in the page's language."""
        return reason_text(self.type, self.reason, words.language)


class _Line(NamedTuple):
    entry: Entry
    last: Position
    """The position of the last event in it."""


async def timeline(
    snapshot: Snapshot, enterprise: UUID, as_of: date, known_at: date, after: Position = FIRST
) -> tuple[list[Entry], Position | None]:
    """The next lines of an enterprise's timeline, the latest business date first, and where the next page begins.

    At least SHOWN lines, if there are so many: the lines of one event are not divided.
    """
    lines, position, more = list[_Line](), after, True
    while more and len(lines) <= SHOWN:
        found, more = await facts.facts(snapshot, enterprise, as_of, known_at, position, CHUNK)
        for behind in found:
            position = facts.position_of(behind)
            for entry in _entries(behind):
                if lines and _same(lines[-1].entry, entry):
                    last = lines[-1].entry
                    lines[-1] = _Line(replace(last, count=last.count + entry.count), position)
                else:
                    lines.append(_Line(entry, position))
    cut = SHOWN
    while cut < len(lines) and lines[cut].last == lines[cut - 1].last:
        cut += 1
    following = lines[cut - 1].last if cut < len(lines) or more else None
    return await _with_unions(snapshot, [line.entry for line in lines[:cut]]), following


async def _with_unions(snapshot: Snapshot, entries: Sequence[Entry]) -> list[Entry]:
    names = await union_names(snapshot, [UUID(entry.says["union_id"]) for entry in entries if "union_id" in entry.says])
    return [replace(entry, union_name=names.get(UUID(entry.says["union_id"]))) if "union_id" in entry.says else entry for entry in entries]


def _text(words: Words, tree: Tree, name: str, value: Any) -> str:
    """A code has a text of its own, `says.<field>.<code>`, or is the value in the field's text, `says.<field>`."""
    match name:
        case "kind" if (key := f"kind.{value}") in catalogue(words.language):
            return words.t(key)
        case "kind" | "subkind" | "result" | "level":
            return words.code(value, *CODES[name])
        case "outcome" if value in OUTCOMES.listed:
            value = words.code(value, OUTCOMES)
        case "workers":
            value = words.number(value)
        case "park":
            value = tree.display_name(value)
        case "size" | "industry" | "ownership":
            value = words.label(name, value)
    key = f"says.{name}.{value}"
    return words.t(key) if key in catalogue(words.language) else words.t(f"says.{name}", value=value)


def _entries(behind: Behind) -> Iterator[Entry]:
    row, in_force = behind.row, behind.in_force
    kind, says = kind_of(row["type"]), row["says"] or {}
    when, who = (row["recorded_at"], row["occurred_on"]), (row["type"], row["actor"], row["reason"])
    match BY_KIND[kind]:
        case Withdrawal():
            for fact, count in Counter(one["fact"] for one in says["withdrawn"]).items():
                yield Entry(*when, fact, count, {}, True, False, *who)
        case Correction():
            withdrawn, replacement = says["withdrawn"], says["replacement"]
            yield Entry(*when, withdrawn["fact"], 1, replacement["says"] if replacement else {}, True, in_force, *who)
        case Attribute() | Members() | Matter() | NotCounted() | Area() | DayClosing():
            yield Entry(*when, kind, 1, says, False, in_force, *who)
        case other:
            assert_never(other)


def _same(last: Entry, entry: Entry) -> bool:
    """Members of one day and minute, by one actor and for one reason, are one line."""
    return (
        not entry.says
        and not last.says
        and (last.kind, last.occurred_on, last.correction, last.in_force, last.actor, last.reason)
        == (entry.kind, entry.occurred_on, entry.correction, entry.in_force, entry.actor, entry.reason)
        and last.recorded_at.replace(second=0, microsecond=0) == entry.recorded_at.replace(second=0, microsecond=0)
    )
