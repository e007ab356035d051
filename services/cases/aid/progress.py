"""The state of a hardship file and of employment help by their facts, and what it allows. Pure.

A file begins with a decision; later decisions, reviews, change its class. Aid is paid while the file is open and its class is not none. Help
has one result. Facts stand in order of (date, rank), so what is entered later of an earlier day must leave the later ones possible.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.cases.aid.deciding import NONE
from shared.contracts import Event
from shared.contracts.cases.aid import AidPaid, EmploymentHelped, EmploymentHelpEnded, HardshipClassified, HardshipEnded
from shared.writing.facts import Standing

OPEN, ENDED = "open", "ended"
NOT_BEGUN = "not_begun"
STEPS: dict[type[Event], str] = {
    HardshipClassified: "reviews",
    AidPaid: "payments",
    HardshipEnded: "end",
    EmploymentHelped: "help",
    EmploymentHelpEnded: "result",
}
"""{fact: the step that records it}"""


class NotAllowed(Exception):
    """A fact that the state before it does not allow."""

    def __init__(self, fact: Standing, before: Progress) -> None:
        super().__init__(fact.type)
        self.fact = fact
        self.before = before


@dataclass(frozen=True, slots=True)
class Progress:
    """`classification`: of a file, by its last decision; None: it is employment help."""

    state: str = NOT_BEGUN
    classification: str | None = None

    def allows(self, data: Event) -> bool:
        """Whether the fact may follow."""
        if self.state == NOT_BEGUN:
            return isinstance(data, EmploymentHelped) or (isinstance(data, HardshipClassified) and not data.review)
        if self.state == ENDED:
            return False
        if self.classification is None:
            return isinstance(data, EmploymentHelpEnded)
        if isinstance(data, HardshipClassified):
            return data.review
        return isinstance(data, HardshipEnded) or (isinstance(data, AidPaid) and self.classification != NONE)

    def allowed(self) -> list[str]:
        """The steps that a file, or help, in this state allows."""
        if self.state != OPEN:
            return []
        if self.classification is None:
            return ["result"]
        return ["reviews", "end"] if self.classification == NONE else ["reviews", "payments", "end"]

    def after(self, data: Event) -> Progress:
        """The state behind the fact."""
        if isinstance(data, HardshipClassified):
            return Progress(OPEN, data.classification)
        if isinstance(data, EmploymentHelped):
            return Progress(OPEN)
        if isinstance(data, HardshipEnded | EmploymentHelpEnded):
            return replace(self, state=ENDED)
        return self


def progress_of(facts: Iterable[Standing]) -> Progress:
    """The state after facts in order. Raises NotAllowed."""
    progress = Progress()
    for fact in facts:
        assert fact.data is not None
        if not progress.allows(fact.data):
            raise NotAllowed(fact, progress)
        progress = progress.after(fact.data)
    return progress
