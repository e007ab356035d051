"""The registers of assessments and awards: their rows of `nouns.py`."""

from __future__ import annotations

from datetime import date, timedelta

from services.cases.entries.entry import Entry
from services.cases.entries.noun import Noun
from services.cases.rulebook.book import Book
from shared.contracts.cases.assessments import AssessmentMade, AwardExpired, AwardGranted
from shared.writing.facts import Fact

DAY = timedelta(days=1)


def _made_on(entry: Entry) -> date | None:
    found = entry.first(AssessmentMade)
    return found[0].on if found else None


def _assessed(entry: Entry) -> str | None:
    found = entry.first(AssessmentMade)
    return found[1].assessed.value if found else None


def _valid_until(entry: Entry) -> date | None:
    found = entry.first(AssessmentMade)
    return found[1].valid_until if found else None


def _granted_on(entry: Entry) -> date | None:
    found = entry.first(AwardGranted)
    return found[0].on if found else None


def _level(entry: Entry) -> str | None:
    found = entry.first(AwardGranted)
    return found[1].level if found else None


def _until(entry: Entry) -> date | None:
    found = entry.first(AwardGranted)
    return found[1].until if found else None


def award_due(entry: Entry, _book: Book) -> list[Fact]:
    """That the award holds no longer, from the day after its last one."""
    until = _until(entry)
    if until is None or until == date.max:
        return []
    return [Fact(entry.subject, AwardExpired(award_id=entry.id, enterprise_id=entry.enterprises[0]), until + DAY)]


ASSESSMENT = Noun(
    name="assessment",
    unknown="UNKNOWN_ASSESSMENT",
    plural="assessments",
    key="assessment_id",
    opening=AssessmentMade,
    contracts=(AssessmentMade,),
    state=lambda _: "made",
    starts=_made_on,
    kind=_assessed,
    until=_valid_until,
)
AWARD = Noun(
    name="award",
    unknown="UNKNOWN_AWARD",
    plural="awards",
    key="award_id",
    opening=AwardGranted,
    contracts=(AwardGranted, AwardExpired),
    state=lambda entry: "expired" if entry.first(AwardExpired) else "granted",
    starts=_granted_on,
    kind=_level,
    until=_until,
    due=award_due,
    says=(AwardExpired,),
)
NOUNS = (ASSESSMENT, AWARD)
