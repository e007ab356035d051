"""What each party may do about an award: sue, or have a final one set aside."""

from __future__ import annotations

from services.cases.clocks.clock import Clock
from services.cases.clocks.counting import Counting, Ends
from services.cases.clocks.happened import Happened, Timeline, day_of
from services.cases.clocks.names import Reason

WORKER = "worker"
EMPLOYER = "employer"


def court_clocks(line: Timeline, counting: Counting) -> list[Clock]:
    """Per party, from that party's receipt of the award (Mediation and Arbitration Law, arts 48 to 50).

    A final award (art. 47): the worker may sue in 15 days, the employer may have it set aside in 30. Any other: either may sue in 15 days.
    A dispute may have an award of either kind (Case-handling Rules 2017, art. 50): then the employer has both clocks.
    """
    awards = line.named("awarded")
    if not awards and not line.has("award_served"):
        return []
    final = {bool(award.said.get("final")) for award in awards} or {False}
    clocks = [_clock("suit", WORKER, line, counting, "50" if False in final else "48")]
    if False in final:
        clocks.append(_clock("suit", EMPLOYER, line, counting, "50"))
    if True in final:
        clocks.append(_clock("set_aside", EMPLOYER, line, counting, "49"))
    return clocks


def _clock(name: str, party: str, line: Timeline, counting: Counting, article: str) -> Clock:
    receipt = _receipt(line, party)
    ends = _ends(name, party, line)
    if receipt is None:
        return counting.waiting(name, Reason.NOT_RECEIVED, ends, party=party, article=article)
    return counting.running(name, receipt.on, ends, party=party, article=article, begun_by=receipt.rank)


def _receipt(line: Timeline, party: str) -> Happened | None:
    """The party's first receipt of the last award."""
    awards = line.named("awarded")
    since = awards[-1].on if awards else None
    return next((fact for fact in line.named("award_served") if fact.said["party"] == party and (since is None or fact.on >= since)), None)


def _ends(name: str, party: str, line: Timeline) -> Ends:
    """One's own suit meets the clock, the other's stops it: the award is before the court. A suit without a party is of both.

    A worker's suit also ends the employer's request to set a final award aside, which the court then does not take.
    """
    suits = line.named("suit_filed")
    own = [fact for fact in suits if fact.said.get("party") in (None, party)]
    others = [fact for fact in suits if fact.said.get("party") not in (None, party)]
    judged = line.named("judged")
    if name == "set_aside":
        return Ends(day_of(line.named("set_aside_requested")), day_of([*suits, *judged]))
    return Ends(day_of(own), day_of([*others, *judged]))
