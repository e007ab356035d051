"""The commands on hardship files and employment help: their bodies, declared once. What they say of persons and money is in no event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from shared.contracts.case_codes import FUNDS, HARDSHIP_ENDING, HELP_KINDS, HELP_RESULTS, SHOCKS
from shared.http.forms import AreaCode, Code, Day, Id, Listed
from shared.http.forms import Command as Form
from shared.journal.reasons import Reason
from shared.persons.bodies import PersonBody

MOST_FEN = 10**14
"""A million million yuan: more is a slip, and products stay exact."""
MOST_PERSONS = 100


def _whole(value: object) -> object:
    # In JSON 40, 40.0 and 4e1 are one integer.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Fen: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=0, le=MOST_FEN)]
"""A sum of money in fen."""
Paid: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=1, le=MOST_FEN)]
"""A sum of money in fen that was paid."""
Household: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=1, le=MOST_PERSONS)]
"""Persons of a household."""

PersonOf = Annotated[PersonBody, Field(description="The person, by document or name at least. Encrypted; in no event, list or error.")]
FileId = Annotated[Id, Field(description="The id of the hardship file.", examples=["01938c5e-7f00-7000-8000-0000000000a2"])]
Persons = Annotated[Household, Field(description="How many persons the household has.", examples=[3])]
Income = Annotated[Fen, Field(description="The disposable income of the household in a year, in fen.", examples=[4000000])]
Rigid = Annotated[
    Fen, Field(description="Of it, what had to be spent in that year, such as on illness or schooling, in fen.", examples=[600000])
]
Costs = Annotated[Fen, Field(description="Necessary costs of employment in that year, in fen.", examples=[0])]


class ShockBody(Form):
    """A sudden event, with what it cost and what of that insurance, relief and others compensated."""

    kind: Annotated[Code, Listed(SHOCKS)] = Field(description="A code of the list hardship_shocks.", examples=["illness"])
    cost_fen: Fen = Field(description="What it cost the household, in fen.", examples=[5000000], repr=False)
    compensated_fen: Fen = Field(0, description="What of that was compensated, in fen.", examples=[1000000], repr=False)


ShockOf = Annotated[ShockBody | None, Field(description="The sudden event, if there was one.", examples=[None])]


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A worker's household is in hardship, or is found not to be: decided on `on` by the rule `hardship` of the area.

    Income per person and month is (annual income − rigid expenditure) / 12 / persons. No rule: class none with the reason NO_RULE. One open
    file per person (by document) and area: what changes is a review. Money, person and enterprise stay with the service.
    """

    person: PersonOf
    area: Annotated[AreaCode, Field(description="The division or park that keeps the file, and whose rule decides.", examples=["330201"])]
    on: Annotated[Day, Field(description="The day of the decision.", examples=["2026-03-02"])]
    persons: Persons
    annual_income_fen: Income
    rigid_expenditure_fen: Rigid
    employment_costs_fen: Costs = 0
    shock: ShockOf = None
    enterprise_id: Annotated[
        Id | None, Field(description="Where the person works; in no event.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    ] = None


@dataclass(frozen=True, slots=True)
class Review:
    """The file is decided anew on `on`, with the figures and the rule of that day."""

    hardship_id: FileId
    on: Annotated[Day, Field(description="The day of the decision.", examples=["2026-09-01"])]
    persons: Persons
    annual_income_fen: Income
    rigid_expenditure_fen: Rigid
    employment_costs_fen: Costs = 0
    shock: ShockOf = None


@dataclass(frozen=True, slots=True)
class Pay:
    """Aid was paid on `on`. The file is open, and its class is not none."""

    hardship_id: FileId
    on: Annotated[Day, Field(description="The day of the payment.", examples=["2026-04-01"])]
    amount_fen: Annotated[Paid, Field(description="The sum in fen.", examples=[200000])]
    fund: Annotated[Annotated[Code, Listed(FUNDS)], Field(description="A code of the list aid_funds.", examples=["local"])]


@dataclass(frozen=True, slots=True)
class EndFile:
    """The file ended on `on`; whoever is in hardship again gets a new one."""

    hardship_id: FileId
    on: Annotated[Day, Field(description="The day on which it ended.", examples=["2026-10-08"])]
    reason: Annotated[Reason, Listed(HARDSHIP_ENDING), Field(examples=["relieved"])]


@dataclass(frozen=True, slots=True)
class Help:
    """A person was helped to find or keep work. `area`: who helped, by default where the enterprise is; without both, the whole city."""

    kind: Annotated[Annotated[Code, Listed(HELP_KINDS)], Field(description="A code of the list help_kinds.", examples=["training"])]
    person: PersonOf
    on: Annotated[Day, Field(description="The day on which the help began.", examples=["2026-03-02"])]
    area: Annotated[
        AreaCode | None,
        Field(description="The division or park that helped; null: that of the enterprise, or the whole city.", examples=["330201"]),
    ] = None
    enterprise_id: Annotated[Id | None, Field(description="Where the person works or is to work; in no event.", examples=[None])] = None


@dataclass(frozen=True, slots=True)
class EndHelp:
    """What came of the help. It is said once."""

    help_id: Annotated[Id, Field(description="The id of the employment help.", examples=["01938c5e-7f00-7000-8000-0000000000a3"])]
    on: Annotated[Day, Field(description="The day of the result.", examples=["2026-05-06"])]
    result: Annotated[Annotated[Code, Listed(HELP_RESULTS)], Field(description="A code of the list help_results.", examples=["employed"])]
