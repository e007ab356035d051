"""What is published of aid: counts of which none is under five, nor follows from others (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.metrics.folding.tallies import Name
from shared.contracts.case_codes import FUNDS, HELP_KINDS
from shared.contracts.code_list import CodeList, Named

LEAST = 5
"""The least number of persons or payments that is told."""
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
        return self.count is None

    def named(self, language: str) -> str:
        """The name of its code."""
        named = Named("全部", "All") if self.code == "all" else self.codes.label(self.code)
        return named.en if language == "en" else named.zh


def published(cells: Mapping[tuple[str, str], int]) -> list[Cell]:
    """The cells of every section and their totals. `cells` = {(tally, code): count}."""
    return [cell for section in SECTIONS for cell in _of_section(section, cells)]


def _of_section(section: Section, cells: Mapping[tuple[str, str], int]) -> Iterator[Cell]:
    counts = {code: cells.get((section.tally, code), 0) for code in section.codes.codes}
    counts |= {code: count for (name, code), count in cells.items() if name == section.tally}
    told = {code for code, count in counts.items() if count >= LEAST}
    for code, count in counts.items():
        fen = cells.get((Name.AID_FEN, code), 0) if section.tally is Name.AID_PAYMENT and code in told else None
        yield Cell(section.name, code, section.codes, count if code in told else None, fen)
    # Without a total nothing follows from the cells that are told about those that are not.
    whole = sum(counts.values())
    total = whole if len(told) == len(counts) else None
    yield Cell(section.name, "all", section.codes, total)
