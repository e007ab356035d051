"""Streams of cases beside those of a history (`tests.histories`): cases, agreements and assessments of its enterprises, and aid.

Business dates and known days are free, as there; facts of one case come in any order, also without the fact that opened it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from shared.contracts import Envelope, Event, cases, registry
from shared.contracts.cases.agreements import (
    CongressHeld,
    ContractEffective,
    ContractExpired,
    ContractSigned,
    ContractTerminated,
    NegotiationProgressed,
    NegotiationStep,
    TripartiteHeld,
)
from shared.contracts.cases.aid import AidPaid, EmploymentHelped, HardshipClassified, HardshipEnded
from shared.contracts.cases.assessments import Assessed, AssessmentMade
from shared.contracts.cases.rights import CaseAssigned, CaseClosed, CaseOpened, CaseProgressed, CaseReopened, Letter, Step
from shared.contracts.cases.rules import ClockOverdue
from tests.histories import FIRST_BUSINESS_DAY, FIRST_KNOWN, PARKS, Stream, err

KINDS = ("wage_arrears", "labour_dispute", "other")
CONTRACTS = ("collective", "wage")
STEPS = (Step.MEDIATION_SETTLED, Step.MEDIATION_FAILED, Step.SUPERVISION_LETTER_SENT, Step.REPLIED, Step.AWARDED)

Streams = dict[str, list[list[Envelope]]]


def with_cases(streams: Streams, seed: int, *, length: int = 40, mistakes: bool = False) -> Streams:
    """The history with streams of cases: at most `length` facts an enterprise, three hardship files and a help. Depends on its arguments alone."""
    random_ = random.Random(f"cases/{seed}")
    made: list[list[Envelope]] = []

    def day() -> date:
        return FIRST_BUSINESS_DAY + timedelta(days=random_.randint(-30, 900))

    def stream(subject: str) -> Stream:
        own = Stream(cases.SOURCE, subject, random_, FIRST_KNOWN + timedelta(days=random_.randint(0, 30)))
        made.append(own.events)
        return own

    def tell(own: Stream, number: int, fact: Callable[[], tuple[Event, date]]) -> None:
        for _ in range(number):
            if mistakes and random_.random() < 0.2:
                err(own, day)
            if random_.random() < 0.2 and own.in_force:
                own.correct(day(), lambda data: _change(random_, data))
            else:
                own.append(*fact())
        while own.mistakes:
            own.withdraw(day())

    for subject in sorted({events[0].subject for events in streams[registry.SOURCE] if events}):
        ids = [_uuid(random_) for _ in range(2)]
        enterprise = UUID(subject.partition("/")[2])
        tell(stream(subject), random_.randint(0, length), lambda e=enterprise, i=ids: _fact(random_, e, i, day))  # type: ignore[misc]
    for _ in range(3):
        made_id = _uuid(random_)
        tell(stream(f"hardship/{made_id}"), random_.randint(1, 5), lambda i=made_id: _of_file(random_, i, day))  # type: ignore[misc]
    helped = _uuid(random_)
    tell(
        stream(f"help/{helped}"), 2, lambda: (EmploymentHelped(help_id=helped, kind="training", area=random_.choice((None, *PARKS))), day())
    )
    tell(stream("area/D"), 1, lambda: (TripartiteHeld(meeting_id=_uuid(random_), area="D"), day()))
    return {**streams, cases.SOURCE: made}


def _fact(random_: random.Random, enterprise: UUID, ids: list[UUID], day: Callable[[], date]) -> tuple[Event, date]:
    case, on = random_.choice(ids), day()
    who: dict[str, Any] = {"case_id": case, "enterprise_id": enterprise}
    agreed: dict[str, Any] = {"enterprise_id": enterprise, "kind": random_.choice(CONTRACTS)}
    contract = ids[0]
    until = random_.choice((day(), on + timedelta(days=200)))
    document = random_.choice((None, *Letter))
    facts: tuple[Callable[[], Event], ...] = (
        lambda: CaseOpened(
            **who, kind=random_.choice(KINDS), reported_on=day(), collective=random_.random() < 0.4, collective_proxy=random_.random() < 0.2
        ),
        lambda: CaseOpened(**who, kind=random_.choice(KINDS), reported_on=on),
        lambda: CaseClosed(**who, outcome="settled"),
        lambda: CaseReopened(**who),
        lambda: CaseAssigned(**who),
        lambda: CaseProgressed(**who, step=random_.choice(STEPS), document=document, letter=random_.choice((None, 1, 2, 3))),
        lambda: CaseProgressed(**who, step=random_.choice(STEPS[2:4]), document=document),
        lambda: ClockOverdue(
            noun=random_.choice(("case", "case", "contract")), id=case, enterprise_id=enterprise, due_on=on - timedelta(days=1),
            clock=random_.choice(("mediation", "supervision_reply", "supervision_reply")), begun_by=random_.choice((None, None, 1, 2, 3, 4)),
        ),
        lambda: ContractSigned(contract_id=contract, **agreed, term_until=until),
        lambda: ContractEffective(contract_id=random_.choice(ids), **agreed, until=until),
        lambda: ContractEffective(contract_id=contract, **agreed, until=until),
        lambda: random_.choice((ContractTerminated, ContractExpired))(contract_id=contract, **agreed),
        lambda: CongressHeld(congress_id=contract, enterprise_id=enterprise),
        lambda: NegotiationProgressed(
            negotiation_id=contract, **agreed, step=random_.choice((NegotiationStep.INVITED, NegotiationStep.RESULT)),
            result=random_.choice(("agreed", "refused", "failed")),
        ),
        lambda: AssessmentMade(
            assessment_id=contract, assessed=Assessed.ENTERPRISE, enterprise_id=enterprise, level="city", grade="a",
            valid_until=random_.choice((None, until)),
        ),
    )  # fmt: skip
    return random_.choice(facts)(), on


def _of_file(random_: random.Random, file: UUID, day: Callable[[], date]) -> tuple[Event, date]:
    area, chosen = random_.choice(PARKS), random_.random()
    if chosen < 0.5:
        return HardshipClassified(hardship_id=file, area=area, classification=random_.choice(("deep", "relative", "none"))), day()
    if chosen < 0.8:
        return AidPaid(hardship_id=file, area=area, amount_fen=random_.randint(1, 10**9), fund=random_.choice(("own", "central"))), day()
    return HardshipEnded(hardship_id=file, area=area, reason="relieved"), day()


def _change(random_: random.Random, data: dict[str, Any]) -> None:
    if "reported_on" in data:
        data["reported_on"] = (FIRST_BUSINESS_DAY + timedelta(days=random_.randint(0, 700))).isoformat()
        data["kind"] = random_.choice(KINDS)
    if "collective" in data:
        data["collective"] = not data["collective"]
    if "amount_fen" in data:
        data["amount_fen"] = random_.randint(1, 10**6)
    if "until" in data:
        data["until"] = (FIRST_BUSINESS_DAY + timedelta(days=random_.randint(0, 900))).isoformat()


def _uuid(random_: random.Random) -> UUID:
    return UUID(int=random_.getrandbits(128), version=4)
