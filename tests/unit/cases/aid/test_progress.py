"""No sequence of facts brings a hardship file or help into a state that it may not have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases.aid.progress import ENDED, NOT_BEGUN, OPEN, STEPS, NotAllowed, Progress, progress_of
from shared.contracts import Event, type_of
from shared.contracts.cases.aid import AidPaid, EmploymentHelped, EmploymentHelpEnded, HardshipClassified, HardshipEnded
from shared.writing.facts import Standing

ID = UUID(int=1)
FIRST = date(2026, 1, 1)


def decision(classification: str = "deep", *, review: bool = False) -> Event:
    return HardshipClassified(hardship_id=ID, area="P1", classification=classification, review=review)


PAID = AidPaid(hardship_id=ID, area="P1", amount_fen=1, fund="own")
END = HardshipEnded(hardship_id=ID, area="P1", reason="relieved")
HELPED = EmploymentHelped(help_id=ID, kind="training")
RESULT = EmploymentHelpEnded(help_id=ID, kind="training", result="employed")
OF_FILE = [decision(), decision("none"), decision(review=True), decision("none", review=True), PAID, END]


def standing(facts: Sequence[Event]) -> list[Standing]:
    return [Standing("hardship/1", n, type_of(data), FIRST + timedelta(n), data, None) for n, data in enumerate(facts, 1)]


@given(st.lists(st.sampled_from([*OF_FILE, HELPED, RESULT]), max_size=8))
def test_what_a_sequence_leads_to_is_what_the_rules_say(facts: list[Event]) -> None:
    """Each sequence that is allowed keeps every rule, stated here without the state machine; each that keeps them is allowed."""
    try:
        reached: Progress | None = progress_of(standing(facts))
    except NotAllowed:
        reached = None
    assert (reached is not None) == keeps_the_rules(facts)
    if reached is not None:
        ended = any(isinstance(one, HardshipEnded | EmploymentHelpEnded) for one in facts)
        assert reached.state == (NOT_BEGUN if not facts else ENDED if ended else OPEN)
        if reached.state == OPEN and not isinstance(facts[0], EmploymentHelped):
            following = {STEPS[type(one)] for one in OF_FILE if one is not OF_FILE[0] and one is not OF_FILE[1] and reached.allows(one)}
            assert following == set(reached.allowed())


def keeps_the_rules(facts: list[Event]) -> bool:
    if not facts:
        return True
    first, *rest = facts
    if isinstance(first, EmploymentHelped):
        return rest in ([], [RESULT])
    if not isinstance(first, HardshipClassified) or first.review:
        return False
    if any(isinstance(one, EmploymentHelped | EmploymentHelpEnded) for one in rest):
        return False
    if any(isinstance(one, HardshipEnded) for one in facts[:-1]):
        return False
    if any(isinstance(one, HardshipClassified) and not one.review for one in rest):
        return False
    classes: list[str] = []
    for one in facts:
        if isinstance(one, HardshipClassified):
            classes.append(one.classification)
        if isinstance(one, AidPaid) and classes[-1] == "none":
            return False
    return True


def test_the_fact_that_is_not_allowed_is_named() -> None:
    with pytest.raises(NotAllowed) as refused:
        progress_of(standing([decision(), PAID, END, PAID]))
    assert (refused.value.fact.rank, refused.value.before.state) == (4, ENDED)
