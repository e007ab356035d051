"""What a hardship file is decided to be, by the rule of its place and day. Pure.

Classes since the reform of 2020 by the rules of the national federation, as local pages give them (docs/design/DOMAIN.md): deep (深度困难),
relative (相对困难), accidental (意外致困). The line, its factors and operators are local, and no national value stands in for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from services.cases.rulebook.rulebook import Ruling

MONTHS = 12
PERCENT = 100
NO_RULE = "NO_RULE"
"""Why there is no class: the place has set no rule for the day; or the place has no formula for the sudden event that was stated."""
DEEP, RELATIVE, ACCIDENTAL, NONE = "deep", "relative", "accidental", "none"


class Shock(msgspec.Struct, frozen=True):
    """A sudden event: its code, what it cost and what of that was compensated, in fen."""

    kind: str
    cost_fen: int
    compensated_fen: int = 0


class Figures(msgspec.Struct, frozen=True):
    """A household: how many persons, and its money of a year in fen."""

    persons: int
    annual_income_fen: int
    rigid_expenditure_fen: int
    employment_costs_fen: int = 0
    shock: Shock | None = None


class Class(msgspec.Struct, frozen=True):
    """A decision: the class, why there is none if no rule says so, and the rule that decided."""

    classification: str
    reason: str | None = None
    rule_version: str | None = None


def decided(figures: Figures, ruling: Ruling | None) -> Class:
    """The first class that holds of deep, relative and accidental; none if no one does."""
    if ruling is None:
        return Class(NONE, NO_RULE)
    rule, version = ruling.value, ruling.version
    disposable = figures.annual_income_fen - figures.rigid_expenditure_fen
    if _below_line(disposable, figures.persons, rule["line_fen"], rule["deep"]):
        return Class(DEEP, None, version)
    relative = rule["relative"]
    costs = figures.employment_costs_fen if relative["deduct_employment_costs"] else 0
    if _below_line(disposable - costs, figures.persons, rule["line_fen"], relative):
        return Class(RELATIVE, None, version)
    if figures.shock is None:
        return Class(NONE, None, version)
    if rule["accidental"] is None:
        return Class(NONE, NO_RULE, version)
    return Class(ACCIDENTAL if _hit(figures, figures.shock, rule["accidental"]) else NONE, None, version)


def _below_line(disposable_fen: int, persons: int, line_fen: int, rule: Mapping[str, Any]) -> bool:
    """Whether the income of a month and person is below so many per cent of the line, as products: no fen is rounded away."""
    limit: int = line_fen * rule["factor_percent"] * persons * MONTHS
    income = disposable_fen * PERCENT
    return income <= limit if rule["operator"] == "<=" else income < limit


def _hit(figures: Figures, shock: Shock, rule: Mapping[str, Any]) -> bool:
    """Whether the costs that were left to the household are above so many per cent of its income of a year."""
    left = shock.cost_fen - shock.compensated_fen
    limit: int = figures.annual_income_fen * rule["cost_percent_of_income"]
    costs = left * PERCENT
    return left > 0 and (costs >= limit if rule["operator"] == ">=" else costs > limit)
