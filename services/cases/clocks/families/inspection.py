"""Labour inspection: acceptance, decision, look-back."""

from __future__ import annotations

from services.cases.clocks.clock import Clock
from services.cases.clocks.counting import Counting, Ends, Row, clock_of
from services.cases.clocks.families.claims import claim_of
from services.cases.clocks.happened import Timeline, day_of
from services.cases.clocks.names import Reason

COMPLAINED = ("inspection_complained",)
ROWS = (
    # Several Provisions 2004, art. 18: whether to file is decided in 5 working days of the complaint.
    Row("inspection_acceptance", "inspection_complained", ("inspection_filed",), ("inspection_decided",)),
    # Inspection Regulation 2004, art. 17: 60 working days from filing, up to 30 more. Some places know suspension (Zhejiang, art. 30).
    Row(
        "inspection",
        "inspection_filed",
        ("inspection_decided",),
        listed=COMPLAINED,
        waits=Reason.NOT_FILED,
        extended_by="inspection_extended",
        suspendable=True,
    ),
)


def inspection_clocks(line: Timeline, counting: Counting) -> list[Clock]:
    """The clocks of an inspection, and the look-back of a claim."""
    found = [clock for row in ROWS if (clock := clock_of(row, line, counting)) is not None]
    return found + lookback(line, counting)


def lookback(line: Timeline, counting: Counting) -> list[Clock]:
    """Two years from the act (Inspection Regulation 2004, art. 20), until a complaint or the inspector's own filing.

    For an act that goes on the law counts from its end, which no fact states: the day given for the act is a lower bound.
    """
    claim = claim_of(line)
    if claim is None:
        return []
    met = Ends(day_of(line.named("inspection_complained", "inspection_filed")))
    return [counting.running("inspection_lookback", claim.occurred_on, met, begun_by=claim.opened.rank)]
