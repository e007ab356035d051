"""The registers that pages show besides the cases: a row per register, with its columns. A new register is a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from services.cases.agreements import answers as agreements
from services.cases.agreements import registers as nouns
from services.cases.assessments import answers as assessments
from services.cases.assessments import registers as assessed
from services.cases.entries.noun import Noun
from services.cases.reads.listing import Row

Form: TypeAlias = Literal["day", "end", "number", "code", "said", "text", "several"]
"""How a value is written. `end`: a day that is soon over; `code`: of a list; `said`: of a family of words; `several`: how many of them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A value of an answer; `of`: its list or its family of words."""

    name: str
    form: Form
    of: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """A register. `path`: in addresses. `kinds`: the list of its kinds, which can be chosen; `states` likewise. `until`: whether entries end.

    `single`: whether one entry has a page.
    """

    path: str
    noun: Noun
    show: Callable[[Row], dict[str, Any]]
    columns: Sequence[Column]
    kinds: str = ""
    states: Sequence[str] = ()
    until: bool = False
    single: bool = False


_KIND = Column("kind", "code", "contract_kinds")
_LEVEL = Column("level_code", "code", "levels")
_ROWS = (
    Register(
        "contracts",
        nouns.CONTRACT,
        agreements.show_contract,
        (
            *(_KIND, Column("enterprises", "several"), Column("signed_on", "day"), Column("workers", "number")),
            *(Column("effective_on", "day"), Column("next_due", "day"), Column("term_until", "end")),
        ),
        kinds="contract_kinds",
        states=("signed", "submitted", "received", "objected", "effective", "expired", "terminated"),
        until=True,
        single=True,
    ),
    Register(
        "negotiations",
        nouns.NEGOTIATION,
        agreements.show_negotiation,
        (
            *(_KIND, Column("invited_on", "day"), Column("invited_by", "said", "side"), Column("next_due", "day")),
            Column("result", "code", "negotiation_results"),
        ),
        kinds="contract_kinds",
        states=("invited", "accepted", "refused", "negotiating", "suspended", "ended"),
        single=True,
    ),
    Register(
        "pacts",
        nouns.PACT,
        agreements.show_pact,
        (Column("signed_on", "day"), Column("workers", "number"), Column("until", "end")),
        until=True,
    ),
    Register("meetings", nouns.MEETING, agreements.show_meeting, (Column("held_on", "day"),)),
    Register("congresses", nouns.CONGRESS, agreements.show_congress, (Column("held_on", "day"), Column("delegates", "number"))),
    Register(
        "assessments",
        assessed.ASSESSMENT,
        assessments.show_assessment,
        (
            *(Column("subject", "said", "assessed"), Column("on", "day"), _LEVEL, Column("grade", "text")),
            Column("valid_until", "end"),
        ),
        until=True,
    ),
    Register(
        "awards",
        assessed.AWARD,
        assessments.show_award,
        (Column("title", "text"), _LEVEL, Column("on", "day"), Column("until", "end")),
        states=("granted", "expired"),
        until=True,
    ),
)
REGISTERS: Mapping[str, Register] = {register.path: register for register in _ROWS}
"""{path: register}"""
