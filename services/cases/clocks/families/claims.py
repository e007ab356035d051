"""Whether a case is a claim of workers against their employer, and when it arose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.cases.clocks.happened import Happened, Timeline

REMUNERATION = frozenset({"wage_arrears", "pay_cut"})
"""Kinds that are claims of remuneration by themselves."""
NO_CLAIM = frozenset({"safety_hazard", "safety_accident", "work_stoppage"})
"""Kinds and subkinds that no limitation runs against: a stoppage is no claim, and safety at work is not for labour inspection (Inspection
Regulation 2004, art. 35)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of a case. `knew_on`: the day on which the worker knew or should have known; of the act, if nobody gave another."""

    opened: Happened
    occurred_on: date
    knew_on: date
    remuneration: bool


def claim_of(line: Timeline) -> Claim | None:
    """The claim of the case; None if it is none."""
    opened = next(iter(line.named("opened")), None)
    if opened is None or NO_CLAIM & {opened.said.get("kind"), opened.said.get("subkind")}:
        return None
    occurred_on = opened.said.get("occurred_on") or opened.on
    remuneration = opened.said.get("kind") in REMUNERATION or bool(opened.said.get("remuneration"))
    return Claim(opened, occurred_on, opened.said.get("knew_on") or occurred_on, remuneration)
