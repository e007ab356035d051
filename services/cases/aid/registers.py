"""The registers of hardship files and of employment help: their rows of `nouns.py`."""

from __future__ import annotations

from datetime import date

from services.cases.aid.progress import progress_of
from services.cases.entries.entry import Entry
from services.cases.entries.noun import Noun
from shared.contracts.cases.aid import AidPaid, EmploymentHelped, EmploymentHelpEnded, HardshipClassified, HardshipEnded


def state(entry: Entry) -> str:
    """`open` or `ended`."""
    return progress_of(entry.facts).state


def hardship_starts(entry: Entry) -> date | None:
    """The day of the first decision."""
    found = entry.first(HardshipClassified)
    return found[0].on if found else None


def classification(entry: Entry) -> str | None:
    """The class by the last decision: what the list's `kind` filters by."""
    found = entry.last(HardshipClassified)
    return found[1].classification if found else None


def help_starts(entry: Entry) -> date | None:
    """The day on which the help began."""
    found = entry.first(EmploymentHelped)
    return found[0].on if found else None


def help_kind(entry: Entry) -> str | None:
    """The kind of help."""
    found = entry.first(EmploymentHelped)
    return found[1].kind if found else None


HARDSHIP = Noun(
    name="hardship",
    unknown="UNKNOWN_HARDSHIP",
    plural="hardships",
    key="hardship_id",
    opening=HardshipClassified,
    contracts=(HardshipClassified, AidPaid, HardshipEnded),
    state=state,
    starts=hardship_starts,
    kind=classification,
)
HELP = Noun(
    name="help",
    unknown="UNKNOWN_HELP",
    plural="employment-help",
    key="help_id",
    opening=EmploymentHelped,
    contracts=(EmploymentHelped, EmploymentHelpEnded),
    state=state,
    starts=help_starts,
    kind=help_kind,
)
