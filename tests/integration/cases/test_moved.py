"""I6: of an enterprise that moved, each district sees what ended in its own time, and the one where it is now sees what goes on."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.registry import EnterpriseMoved
from tests.integration.cases.service import Cases, cases_of_a_test, client_of_a_test
from tests.integration.client import Client

__all__ = ["cases_of_a_test", "client_of_a_test"]
pytestmark = pytest.mark.invariant("I6")


async def seen(client: Client, area: str, case: str) -> tuple[bool, ...]:
    """Whether a caller of an area finds a case: by its id, its clocks, and in the list."""
    client.be(area)
    path = f"/v1/cases/{case}"
    status = [(await client.get(path))[0], (await client.get(f"{path}/clocks"))[0]]
    listed: list[list[dict[str, Any]]] = [(await client.get("/v1/cases", area=area))[1]["items"]]
    assert set(status) <= {200, 403}
    return (*(one == 200 for one in status), *([case in [item["id"] for item in items] for items in listed]))


async def test_what_ended_stays_with_its_district_and_what_goes_on_moves(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    ended = str(await cases.open(enterprise, "wage_arrears", "2026-03-02"))
    await cases.do("case_outcome", case_id=ended, on="2026-03-09", outcome="paid")
    open_still = str(await cases.open(enterprise, "wage_arrears", "2026-03-03"))
    await cases.receive((f"enterprise/{enterprise}", EnterpriseMoved(park="P2", district="D2"), "2026-06-01"))
    later = str(await cases.open(enterprise, "wage_arrears", "2026-06-02"))
    assert [await seen(client, "D1", case) for case in (ended, open_still, later)] == [(True,) * 3, (False,) * 3, (False,) * 3]
    assert [await seen(client, "D2", case) for case in (ended, open_still, later)] == [(False,) * 3, (True,) * 3, (True,) * 3]
    assert [await seen(client, "ROOT", case) for case in (ended, open_still, later)] == [(True,) * 3] * 3
    client.be("D1")
    assert (await client.get(f"/v1/cases/{ended}"))[1]["area"] == "P1", "nothing tells where it went"
    client.be("D2")
    status, refused = await client.post(f"/v1/cases/{ended}/reopening", {"on": "2026-06-03", "reason": "not_performed"})
    assert (status, refused["code"]) == (403, "AREA_NOT_GRANTED")
    assert (await client.post(f"/v1/cases/{open_still}/outcome", {"on": "2026-06-03", "outcome": "paid"}))[0] == 201
    assert await seen(client, "D2", open_still) == (True,) * 3
