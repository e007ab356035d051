"""How far a case is: the state that its steps lead to, and the steps that this state allows. Pure.

Mediation, arbitration with suits, inspection and letters run beside each other (Labour Dispute Mediation and Arbitration Law 2007;
Regulation on Labour Security Inspection; Case-handling Rules 2017, order 33). Steps are taken in order of (date, rank).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from shared.contracts.cases.rights import CaseClosed, CaseOpened, CaseProgressed, CaseReopened, Letter, Party, Step, SuspendableClock
from shared.writing.facts import Standing

OUTCOME = "outcome"
REOPENING = "reopening"
AFTER_CLOSING = frozenset({Step.CALLED_BACK})
"""Steps that a closed case allows, too."""


class NotAllowed(Exception):
    """The state does not allow the step; `fact` is the one that states it."""

    def __init__(self, step: str, allowed: list[str], fact: Standing) -> None:
        super().__init__(step)
        self.step = step
        self.allowed = allowed
        self.fact = fact


@dataclass(slots=True)
class SentLetter:
    """A supervision letter; `replied`: an answer to it was entered."""

    rank: int
    document: Letter
    on: date
    replied: bool = False


@dataclass(slots=True)
class Progress:
    """The state of a case. `mediation`: none, applied, accepted; `arbitration`: none, applied, accepted, awarded; `inspection`: none,
    complained, filed. `served_to`: parties that received the award; `sued`: those that sued, None one that is not named.
    """

    open: bool = False
    mediation: str = "none"
    arbitration: str = "none"
    served: bool = False
    defence: bool = False
    extended: bool = False
    notice: bool = False
    suspended: set[SuspendableClock] = field(default_factory=set)
    final: bool = False
    served_to: set[Party] = field(default_factory=set)
    sued: set[Party | None] = field(default_factory=set)
    set_aside: bool = False
    judged: bool = False
    inspection: str = "none"
    inspection_extended: bool = False
    employment_ended: bool = False
    letters: list[SentLetter] = field(default_factory=list)
    last_on: date | None = None

    def allowed(self) -> list[str]:
        """The steps that may come next, and `outcome` or `reopening`."""
        if not self.open:
            return [REOPENING, *sorted(AFTER_CLOSING)]
        return [*(step.value for step in Step if self.allows(step)), OUTCOME]

    def allows(self, step: Step, clock: SuspendableClock | None = None, party: Party | None = None) -> bool:
        """Whether a step may come next; without `clock` or `party`, whether it may for any."""
        if not self.open and step not in AFTER_CLOSING:
            return False
        running = self.arbitration == "accepted"
        match step:
            case Step.MEDIATION_APPLIED:
                return self.mediation == "none" and self.arbitration == "none"
            case Step.MEDIATION_ACCEPTED:
                return self.mediation == "applied"
            case Step.MEDIATION_SETTLED | Step.MEDIATION_FAILED:
                return self.mediation != "none"
            case Step.ARBITRATION_APPLIED:
                return self.arbitration == "none"
            case Step.MATERIALS_COMPLETED | Step.ACCEPTED:
                return self.arbitration == "applied"
            case Step.SERVED:
                return running and not self.served
            case Step.DEFENCE_FILED:
                return running and self.served and not self.defence
            case Step.EXTENDED:
                return running and not self.extended
            case Step.AWARD_RESTARTED | Step.AWARDED:
                return running
            case Step.NOTICE_BEGAN:
                return running and not self.notice
            case Step.NOTICE_ENDED:
                return running and self.notice
            case Step.SUSPENDED | Step.RESUMED:
                return self._suspends(step, clock)
            case Step.AWARD_SERVED:
                return self.arbitration == "awarded" and len(self.served_to) < len(Party) and party not in self.served_to
            case Step.SUIT_FILED:
                return self._sues(party)
            case Step.SET_ASIDE_REQUESTED:
                return self.final and Party.EMPLOYER in self.served_to and not self.set_aside
            case Step.JUDGED:
                return bool(self.sued or self.set_aside) and not self.judged
            case Step.EMPLOYMENT_ENDED:
                return not self.employment_ended
            case Step.INSPECTION_COMPLAINED:
                return self.inspection == "none"
            case Step.INSPECTION_FILED:
                return self.inspection in ("none", "complained")
            case Step.INSPECTION_EXTENDED:
                return self.inspection == "filed" and not self.inspection_extended
            case Step.INSPECTION_DECIDED:
                return self.inspection == "filed"
            case Step.REPLIED:
                return any(not letter.replied for letter in self.letters)
            case Step.INTERRUPTED | Step.SUPERVISION_LETTER_SENT | Step.CALLED_BACK:
                return True

    def _suspends(self, step: Step, clock: SuspendableClock | None) -> bool:
        """Limitation until arbitration is applied for, the award from acceptance to award, inspection from filing to decision."""
        runs = {
            SuspendableClock.LIMITATION: self.arbitration == "none",
            SuspendableClock.AWARD: self.arbitration == "accepted",
            SuspendableClock.INSPECTION: self.inspection == "filed",
        }
        wanted = [clock] if clock is not None else list(SuspendableClock)
        return any(runs[one] and (one in self.suspended) == (step is Step.RESUMED) for one in wanted)

    def _sues(self, party: Party | None) -> bool:
        """Who has received an award may sue, once (Mediation and Arbitration Law, arts 48, 50), but not the employer after a final one (art.
        47); without acceptance or award in time the applicant may (arts 29, 43)."""
        if party in self.sued or self.judged:
            return False
        if self.arbitration == "awarded":
            may = {one for one in self.served_to if not (self.final and one is Party.EMPLOYER)} - self.sued
            return party in may if party is not None else bool(may)
        return self.arbitration in ("applied", "accepted") and party is not Party.EMPLOYER

    def take(self, fact: Standing) -> None:
        """The next fact of the case. Raises NotAllowed."""
        data = fact.data
        if isinstance(data, CaseOpened):
            self.open = True
        elif isinstance(data, CaseClosed):
            if not self.open:
                raise NotAllowed(OUTCOME, self.allowed(), fact)
            self.open = False
        elif isinstance(data, CaseReopened):
            if self.open:
                raise NotAllowed(REOPENING, self.allowed(), fact)
            self.open = True
        elif isinstance(data, CaseProgressed):
            unanswered = data.step is Step.REPLIED and self.answered_by(data) is None
            if unanswered or not self.allows(data.step, data.clock, data.party):
                raise NotAllowed(data.step.value, self.allowed(), fact)
            self._step(fact, data)
        if isinstance(data, CaseClosed | CaseReopened) or (isinstance(data, CaseProgressed) and data.step not in AFTER_CLOSING):
            self.last_on = fact.on

    def _step(self, fact: Standing, data: CaseProgressed) -> None:
        match data.step:
            case Step.MEDIATION_APPLIED:
                self.mediation = "applied"
            case Step.MEDIATION_ACCEPTED:
                self.mediation = "accepted"
            case Step.MEDIATION_SETTLED | Step.MEDIATION_FAILED:
                self.mediation = "none"
            case Step.ARBITRATION_APPLIED:
                self.arbitration = "applied"
                self.suspended.discard(SuspendableClock.LIMITATION)
            case Step.ACCEPTED:
                self.arbitration = "accepted"
            case Step.SERVED:
                self.served = True
            case Step.DEFENCE_FILED:
                self.defence = True
            case Step.EXTENDED:
                self.extended = True
            case Step.NOTICE_BEGAN | Step.NOTICE_ENDED:
                self.notice = data.step is Step.NOTICE_BEGAN
            case Step.AWARDED:
                self.arbitration, self.final = "awarded", bool(data.final)
                self.suspended.discard(SuspendableClock.AWARD)
            case Step.AWARD_SERVED if data.party is not None:
                self.served_to.add(data.party)
            case Step.SUIT_FILED:
                self.sued.add(data.party)
            case Step.SET_ASIDE_REQUESTED:
                self.set_aside = True
            case Step.JUDGED:
                self.judged = True
            case Step.EMPLOYMENT_ENDED:
                self.employment_ended = True
            case Step.SUSPENDED if data.clock is not None:
                self.suspended.add(data.clock)
            case Step.RESUMED if data.clock is not None:
                self.suspended.discard(data.clock)
            case Step.INSPECTION_COMPLAINED:
                self.inspection = "complained"
            case Step.INSPECTION_FILED:
                self.inspection, self.inspection_extended = "filed", False
            case Step.INSPECTION_EXTENDED:
                self.inspection_extended = True
            case Step.INSPECTION_DECIDED:
                self.inspection = "none"
                self.suspended.discard(SuspendableClock.INSPECTION)
            case Step.SUPERVISION_LETTER_SENT if data.document is not None:
                self.letters.append(SentLetter(fact.rank, data.document, fact.on))
            case Step.REPLIED:
                self._reply(data)
            case _:
                pass

    def answered_by(self, data: CaseProgressed) -> SentLetter | None:
        """The oldest letter without a reply that a reply may be about: it names the letter, its kind, or nothing."""
        for letter in self.letters:
            if not letter.replied and data.letter in (None, letter.rank) and data.document in (None, letter.document):
                return letter
        return None

    def _reply(self, data: CaseProgressed) -> None:
        if (answered := self.answered_by(data)) is not None:
            answered.replied = True


def progress_of(facts: Iterable[Standing]) -> Progress:
    """The state after these facts, which stand in order of (date, rank). Raises NotAllowed."""
    progress = Progress()
    # A case is open for what was entered of days before it was reported, too.
    facts = list(facts)
    for fact in sorted(facts, key=lambda one: not isinstance(one.data, CaseOpened)):
        progress.take(fact)
    return progress
