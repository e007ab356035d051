"""Contracts of several enterprises: each fact stands on the stream of every one of them."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from tests.integration.cases.contracts import names, signed
from tests.integration.cases.service import Cases, cases_of_a_test, client_of_a_test
from tests.integration.client import Client

__all__ = ["cases_of_a_test", "client_of_a_test"]


async def test_two_thousand_enterprises_in_one_contract(client: Client, cases: Cases) -> None:
    first = await cases.enterprise()
    others = await enterprises(cases, 1999)
    last, elsewhere = others[-1], await cases.enterprise("P2")
    await cases.turn(date(2026, 3, 4))
    path = await signed(client, first, *others, elsewhere, kind="regional", workers=50_000)
    for enterprise in (first, last, elsewhere):
        ((name, _, data),) = await cases.said(f"enterprise/{enterprise}")
        assert (name, data["enterprise_id"], data["enterprises"]) == ("contract-signed", str(enterprise), 2001)
    await client.made(f"{path}/receipt", {"on": "2026-03-04"})
    for area in ("P1", "P2"):
        (found,) = (await client.get("/v1/contracts", area=area))[1]["items"]
        assert (len(found["enterprises"]), found["enterprise_id"]) == (2001, str(first))
    assert len((await client.get("/v1/contracts", enterprise=str(last)))[1]["items"]) == 1
    await cases.turn(date(2026, 3, 19))
    assert await cases.wake() == 1
    expected = [("contract-signed", "2026-03-02"), ("contract-received", "2026-03-04"), ("contract-effective", "2026-03-19")]
    for enterprise in (first, last, elsewhere):
        # The submission was met by the receipt, so no clock passed.
        assert await names(cases, enterprise) == expected
    await client.made(f"{path}/objection", {"on": "2026-03-18"})
    assert await cases.wake() == 1
    for enterprise in (first, last, elsewhere):
        name, _, data = (await cases.said(f"enterprise/{enterprise}"))[-1]
        assert (name, data["rank"], data["withdrawn"]["data"]["enterprise_id"]) == ("fact-corrected", 3, str(enterprise))
    assert await cases.wake() == 0


async def enterprises(cases: Cases, number: int) -> list[UUID]:
    """So many enterprises in P1."""
    async with cases.pool.acquire() as conn, conn.transaction():
        rows = await conn.fetch(
            "INSERT INTO enterprises (id, park, settled_on) "
            "SELECT gen_random_uuid(), 'P1', date '2020-01-01' FROM generate_series(1, $1) RETURNING id",
            number,
        )
    return [row["id"] for row in rows]


async def test_a_fact_of_several_enterprises_is_withdrawn_and_not_corrected(client: Client, cases: Cases) -> None:
    first, second = await cases.enterprise(), await cases.enterprise("P2")
    await cases.turn(date(2026, 3, 20))
    path = await signed(client, first, second)
    made = await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    for event in made["event_ids"]:
        for data in (None, {"on": "2026-03-06"}):
            status, refused = await client.post("/v1/corrections", {"corrects": event, "reason": "typo", "data": data})
            assert (status, refused["code"]) == (409, "SEVERAL_ENTERPRISES")
    withdrawal = {"from": 2, "to": 2, "reason": "test_data"}
    status, refused = await client.post("/v1/withdrawals", {"subject": f"enterprise/{second}", **withdrawal})
    assert (status, refused["code"]) == (409, "SEVERAL_ENTERPRISES")
    await client.made("/v1/withdrawals", {"subject": f"enterprise/{first}", **withdrawal})
    assert (await client.get(path))[1]["state"] == "signed"
    assert [name for name, _ in await names(cases, second)] == ["contract-signed", "contract-received", "fact-corrected"]
    await client.made(f"{path}/receipt", {"on": "2026-03-06"})
    status, refused = await client.post("/v1/withdrawals", {"subject": f"enterprise/{first}", "from": 1, "to": 1, "reason": "test_data"})
    assert (status, refused["code"]) == (409, "OTHERS_REST_ON_IT")


async def test_an_enterprise_that_the_registry_withdrew_does_not_hold_up_the_others(client: Client, cases: Cases) -> None:
    first, second, third = [await cases.enterprise() for _ in range(3)]
    await cases.turn(date(2026, 3, 20))
    path = await signed(client, first, second, third)
    await cases.withdraw(second)
    await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    assert await cases.wake() == 1
    for enterprise in (first, second, third):
        assert (await names(cases, enterprise))[-1] == ("contract-effective", "2026-03-20")


async def test_with_a_contract_goes_what_the_service_said_of_it(client: Client, cases: Cases) -> None:
    first, second, alone = [await cases.enterprise() for _ in range(3)]
    await cases.turn(date(2027, 3, 2))
    path = await signed(client, first, second, term_until="2027-03-01")
    await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    own = await signed(client, alone, term_until="2027-03-01")
    assert await cases.wake() == 2
    overdue = [("clock-overdue", "2026-03-13"), ("clock-overdue", "2027-03-02")]
    said = [("contract-effective", "2026-03-20"), ("contract-expired", "2027-03-02")]
    assert [one for one in await names(cases, second) if one in (*said, *overdue)] == said
    for rank in (2, 1):
        await client.made("/v1/withdrawals", {"subject": f"enterprise/{first}", "from": rank, "to": rank, "reason": "test_data"})
    await cases.wake()
    for enterprise in (first, second):
        stated = [(name, data) for name, _, data in await cases.said(f"enterprise/{enterprise}")]
        never = {data["rank"] for name, data in stated if name == "fact-corrected"}
        never |= {rank for name, data in stated if name == "event-withdrawn" for rank in range(data["from"], data["to"] + 1)}
        assert [name for rank, (name, _) in enumerate(stated, 1) if rank not in never and not name.startswith(("fact-", "event-"))] == []
    assert await cases.wake() == 0
    assert await cases.count("entry_copies") == 0
    event = (await client.get(own))[1]["event_id"]
    await client.made("/v1/corrections", {"corrects": event, "reason": "never_was", "data": None})
    assert await cases.wake() == 1
    assert (await cases.entry(UUID(own.rpartition("/")[2]))).facts == ()


async def test_a_contract_that_never_was_is_gone_from_every_stream(client: Client, cases: Cases) -> None:
    first, second = await cases.enterprise(), await cases.enterprise("P2")
    path = await signed(client, first, second)
    await client.made("/v1/withdrawals", {"subject": f"enterprise/{first}", "from": 1, "to": 1, "reason": "test_data"})
    assert (await client.get(path))[0] == 404
    assert [name for name, _ in await names(cases, second)] == ["contract-signed", "fact-corrected"]
    assert (await client.get("/v1/contracts", area="P2"))[1]["items"] == []
    assert await cases.count("entry_copies") == 0
    assert await cases.wake() == 0
