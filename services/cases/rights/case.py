"""The register of rights cases: its row of `nouns.py`."""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec import structs

from services.cases.clocks.happened import Happened
from services.cases.entries.entry import Entry
from services.cases.entries.noun import Noun
from services.cases.rights.progress import progress_of
from shared.contracts.cases.rights import CaseAssigned, CaseClosed, CaseOpened, CaseProgressed, CaseReopened
from shared.writing.facts import Standing

OPEN = "open"
CLOSED = "closed"
NAMES: dict[type[Any], str] = {CaseOpened: "opened", CaseClosed: "outcome", CaseReopened: "reopened"}
"""What the clocks call the facts that are no steps."""


def state(entry: Entry) -> str:
    """`open` or `closed`; a case that was opened again is open."""
    return OPEN if progress_of(entry.facts).open else CLOSED


def starts(entry: Entry) -> date | None:
    """The day on which the case was reported: from then on it is open."""
    found = entry.first(CaseOpened)
    return found[1].reported_on if found else None


def kind(entry: Entry) -> str | None:
    """The kind of the case."""
    found = entry.first(CaseOpened)
    return found[1].kind if found else None


def assigned_to(entry: Entry) -> str | None:
    """Who handles the case."""
    found = entry.last(CaseAssigned)
    return found[1].assigned_to if found else None


def happened(entry: Entry) -> list[Happened]:
    """What its clocks are computed from."""
    return [_happened(fact) for fact in entry.facts if isinstance(fact.data, CaseOpened | CaseClosed | CaseReopened | CaseProgressed)]


def _happened(fact: Standing) -> Happened:
    assert fact.data is not None
    said = {name: value for name, value in structs.asdict(fact.data).items() if value is not None}
    name = fact.data.step.value if isinstance(fact.data, CaseProgressed) else NAMES[type(fact.data)]
    return Happened(name, fact.on, fact.rank, {**said, "occurred_on": fact.on})


CASE = Noun(
    name="case",
    unknown="UNKNOWN_CASE",
    plural="cases",
    key="case_id",
    opening=CaseOpened,
    contracts=(CaseOpened, CaseAssigned, CaseProgressed, CaseClosed, CaseReopened),
    state=state,
    starts=starts,
    kind=kind,
    assigned_to=assigned_to,
    clocked=True,
    happened=happened,
)
