"""What a labour bureau gets of cases: what is granted, in the areas and fields that are granted, and nothing of persons or aid."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from uuid import UUID

import pytest

from shared.contracts import cases
from shared.contracts.cases.aid import AidPaid, HardshipClassified
from shared.contracts.cases.rights import CaseAssigned, CaseOpened, CaseProgressed, Step
from shared.contracts.ids import uuid7
from tests.conftest import NewDatabase
from tests.integration.subscriptions.house import House, house_of

FIELDS = {"case_id", "enterprise_id", "kind", "subkind", "workers_concerned", "collective", "collective_proxy", "reported_on"}


@pytest.fixture
async def house(database: NewDatabase) -> AsyncIterator[House]:
    async with house_of(await database("subscriptions")) as house:
        house.city()
        await house.fan()
        yield house


def opened(subject: str) -> CaseOpened:
    """A case with every field that no bureau gets."""
    return CaseOpened(
        case_id=uuid7(),
        enterprise_id=UUID(subject.partition("/")[2]),
        kind="labour_dispute",
        subkind="pay",
        collective=True,
        collective_proxy=True,
        reported_on=date(2026, 3, 5),
        workers_concerned=12,
        knew_on=date(2026, 3, 3),
        channel="hotline",
        amount_fen=1_500_000,
        rule_version="collective_workers/default/2008-05-01/b448c78e",
    )


async def test_a_bureau_gets_cases_of_its_areas_in_the_fields_of_bureaus(house: House) -> None:
    north = await house.subscribe(await house.grant(["D1"], ["case-opened"]))
    narrow = await house.subscribe(await house.grant(["D1"], ["case-opened"], {"case-opened": ["kind"]}, client="narrow"))
    south = await house.subscribe(await house.grant(["D2"], ["case-progressed"], client="south"))
    here, there = house.enterprise("P1"), house.enterprise("P3")
    made = {subject: opened(subject) for subject in (here, there)}
    for subject, data in made.items():
        house.append(subject, data, "2026-03-02", cases.SOURCE)
        case, enterprise = data.case_id, data.enterprise_id
        assigned = CaseAssigned(case_id=case, enterprise_id=enterprise, assigned_to="handler-7")
        house.append(subject, assigned, "2026-03-05", cases.SOURCE)
        step = CaseProgressed(case_id=case, enterprise_id=enterprise, step=Step.INTERRUPTED, ground="claim")
        house.append(subject, step, "2026-03-06", cases.SOURCE)
    hardship = uuid7()
    house.append(
        f"hardship/{hardship}", HardshipClassified(hardship_id=hardship, area="P1", classification="deep"), "2026-03-02", cases.SOURCE
    )
    house.append(f"hardship/{hardship}", AidPaid(hardship_id=hardship, area="P1", amount_fen=1, fund="own"), "2026-03-03", cases.SOURCE)
    await house.fan()
    [got] = await house.got(north)
    assert (got.number, got.type, got.subject, set(got.data)) == (1, "parkunion.case-opened.v1", here, FIELDS)
    assert [one.data for one in await house.got(narrow)] == [{"kind": "labour_dispute"}]
    [other] = await house.got(south)
    assert (other.type, other.subject, other.data["step"]) == ("parkunion.case-progressed.v1", there, "interrupted")
    assert "ground" not in other.data


async def test_a_correction_and_a_withdrawal_of_a_case_reach_who_got_it(house: House) -> None:
    north = await house.subscribe(await house.grant(["D1"], ["case-opened"]))
    subject = house.enterprise("P1")
    event = house.append(subject, opened(subject), "2026-03-02", cases.SOURCE)
    await house.fan()
    house.correct(event, "2026-03-02", workers_concerned=9, collective=False, collective_proxy=False)
    await house.fan()
    first, corrected = await house.got(north)
    assert corrected.corrects == [first.number]
    told = corrected.data["replacement"]["data"]
    assert (told["workers_concerned"], told.keys() <= FIELDS) == (9, True)
