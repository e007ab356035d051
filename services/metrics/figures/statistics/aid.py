"""What is published of aid: counts of which none is under five, nor follows from others (shared/suppression).

The decision is made once for the areas of the whole deployment and all codes, and read for the area asked about. Days are not protected
from one another: the same number on two days may differ by less than five.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.statistics import sql
from services.metrics.figures.statistics.answers import BEGINNING, Question
from services.metrics.figures.tree import Tree
from services.metrics.folding.tallying.tally import EVENTS, Name
from shared.contracts.case_codes import FUNDS, HELP_KINDS
from shared.contracts.code_list import CodeList, Named
from shared.suppression.deciding import EVERYWHERE, Shown, decide

NOWHERE = "-"
"""Stands for the area of help that the office of the whole city gave."""
CLASSES = CodeList(
    "hardship_classes",
    Named("困难类别", "classes of hardship"),
    {
        "deep": Named("深度困难", "deep hardship"),
        "relative": Named("相对困难", "relative hardship"),
        "accidental": Named("意外致困", "accidental hardship"),
    },
    more=False,
)


class Section(NamedTuple):
    """One part of the answer: the tally of its counts, and the list of its codes."""

    name: str
    tally: Name
    codes: CodeList


SECTIONS: Sequence[Section] = (
    Section("hardship", Name.HARDSHIP, CLASSES),
    Section("payments", Name.AID_PAYMENT, FUNDS),
    Section("help", Name.HELP, HELP_KINDS),
)
Counts = Mapping[tuple[str, str], int]
"""{(area, code): count}"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number. `code` `all`: of the whole section. `count` None: it is withheld."""

    section: str
    code: str
    codes: CodeList
    count: int | None
    amount_fen: int | None = None

    @property
    def suppressed(self) -> bool:
        """Whether the number is withheld."""
        return self.count is None

    def named(self, language: str) -> str:
        """The name of its code."""
        named = Named("全部", "All") if self.code == "all" else self.codes.label(self.code)
        return named.en if language == "en" else named.zh


async def published(snapshot: Snapshot, question: Question) -> list[Cell]:
    """The cells of every section and their totals of an area (None: of everything), as far as they are told."""
    tree = snapshot.areas.at(question.as_of, question.known_at)
    counts = {name: Counter[tuple[str, str]]() for name in question.statistic.names}
    for name, own in counts.items():
        days = (question.since if name in EVENTS else BEGINNING, question.as_of)
        for row in await sql.tallies(snapshot.conn, snapshot.generation, "park", [name], days, question.known_at, None):
            own[row["key"] or NOWHERE, row["code"]] += row["count"]
    return cells(tree, question.area, counts)


def cells(tree: Tree, area: str | None, counts: Mapping[Name, Counts]) -> list[Cell]:
    """As `published`, from the counts of all areas (pure)."""
    within = None if area is None else tree.under(area)
    parents = {code: one.parent if one.parent in tree.areas else None for code, one in tree.areas.items()}
    found = []
    for section in SECTIONS:
        own = counts[section.tally]
        codes = list(dict.fromkeys((*section.codes.codes, *(code for _, code in own))))
        # An area that is not known on these days has none around it.
        areas = dict.fromkeys((*(one for one, _ in own), *filter(None, (area,))))
        shown = decide({**areas, **parents}, codes, own)
        found += [_cell(section, code, shown, area, _fen(section, code, counts, within)) for code in (*codes, None)]
    return found


def _cell(section: Section, code: str | None, shown: Shown, area: str | None, fen: int | None) -> Cell:
    count = shown.count(area or EVERYWHERE, code)
    return Cell(section.name, code or "all", section.codes, count, None if count is None else fen)


def _fen(section: Section, code: str | None, counts: Mapping[Name, Counts], within: set[str] | None) -> int | None:
    """What the payments of an area came to, in fen."""
    if section.tally is not Name.AID_PAYMENT:
        return None
    paid = counts[Name.AID_FEN].items()
    return sum(fen for (area, fund), fen in paid if (within is None or area in within) and code in (None, fund))
