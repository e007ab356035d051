"""The registers of this service: a row per noun."""

from __future__ import annotations

from collections.abc import Mapping

from services.cases.agreements import registers as agreements
from services.cases.aid.registers import HARDSHIP, HELP
from services.cases.assessments import registers as assessments
from services.cases.entries.noun import Noun
from services.cases.rights.case import CASE
from shared.contracts import Event
from shared.contracts.cases.rules import ClockOverdue

NOUNS: Mapping[str, Noun] = {noun.name: noun for noun in (CASE, HARDSHIP, HELP, *agreements.NOUNS, *assessments.NOUNS)}
"""{noun: its register}"""
_OF_CONTRACT = {contract: noun for noun in NOUNS.values() for contract in noun.contracts}


def noun_of(data: Event | None) -> Noun:
    """The register that a fact belongs to. Raises KeyError for a fact of no register."""
    return NOUNS[data.noun] if isinstance(data, ClockOverdue) else _OF_CONTRACT[type(data)]  # type: ignore[index]
