"""Single commands of one caller that come at the same time: one transaction, and to each its own answer, key and trace."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.integration.client import Client
from tests.integration.membership.service import Membership, membership_of_a_test  # noqa: F401
from tests.integration.membership.test_api import client_of_a_test, founding, joining  # noqa: F401

TRACE = "00-{:032x}-00f067aa0ba902b7-01"


async def covered(client: Client, membership: Membership) -> tuple[str, Any]:
    """A union and an enterprise that it covers."""
    enterprise = await membership.enterprise()
    _, union = await client.post("/v1/unions", founding(enterprise))
    return union["id"], enterprise


async def test_commands_of_one_caller_share_transactions_and_each_has_its_own_trace(client: Client, membership: Membership) -> None:
    union, enterprise = await covered(client, membership)
    traces = {number: TRACE.format(number + 1) for number in range(12)}

    async def join(number: int) -> tuple[int, dict[str, Any]]:
        return await client.post("/v1/members", joining(union, enterprise, f"together-{number}", "sample"), traceparent=traces[number])

    answers = await asyncio.gather(*(join(number) for number in traces))
    assert {status for status, _ in answers} == {201}
    assert sorted(answer["sequence"] for _, answer in answers) == list(range(2, 14))
    rows = await membership.pool.fetch(
        "SELECT event_id, traceparent, xmin::text AS transaction FROM journal WHERE type LIKE '%member-joined%'"
    )
    told = {str(row["event_id"]): row["traceparent"][3:35] for row in rows}
    assert told == {answer["event_ids"][0]: traces[number][3:35] for number, (_, answer) in enumerate(answers)}
    transactions = Counter(row["transaction"] for row in rows)
    assert max(transactions.values()) > 1, transactions


async def test_a_key_that_comes_twice_at_once_is_carried_out_once(client: Client, membership: Membership) -> None:
    union, enterprise = await covered(client, membership)
    body, other = joining(union, enterprise, "twice", "sample"), joining(union, enterprise, "another", "sample")
    sent = [client.post("/v1/members", one, Idempotency_Key="the-same") for one in (body, body, body, other)]
    answers = await asyncio.gather(*sent)
    assert [status for status, _ in answers] == [201, 201, 201, 422]
    assert len({answer["id"] for _, answer in answers[:3]}) == 1
    assert await client.post("/v1/members", body, Idempotency_Key="the-same") == answers[0]


async def test_of_two_who_say_the_same_at_once_one_is_refused_and_others_are_not(client: Client, membership: Membership) -> None:
    union, enterprise = await covered(client, membership)
    numbers = ["a", "b", "b", "c", "b"]
    answers = await asyncio.gather(*(client.post("/v1/members", joining(union, enterprise, number, "sample")) for number in numbers))
    assert sorted(status for status, _ in answers) == [201, 201, 201, 409, 409]
    assert await membership.pool.fetchval("SELECT count(*) FROM journal WHERE type LIKE '%member-joined%'") == 3


async def test_a_date_that_is_refused_stops_only_its_own_command(client: Client, membership: Membership) -> None:
    union, enterprise = await covered(client, membership)
    bodies = [joining(union, enterprise, f"good-{number}", "sample") for number in range(4)]
    bodies.insert(2, {**joining(union, enterprise, "late", "sample"), "joined_on": "9999-12-31"})
    answers = await asyncio.gather(*(client.post("/v1/members", body) for body in bodies))
    assert [status for status, _ in answers] == [201, 201, 422, 201, 201]


async def test_of_two_with_the_same_etag_at_once_one_is_refused(client: Client, membership: Membership) -> None:
    """Of commands in one transaction the later would be compared with what was there before the earlier."""
    union, enterprise = await covered(client, membership)
    _, member = await client.post("/v1/members", joining(union, enterprise, "tagged", "sample"))
    path = f"/v1/members/{member['id']}"
    etag = (await client.http.get(path)).headers["ETag"]
    others = [client.post("/v1/members", joining(union, enterprise, f"beside-{number}", "sample")) for number in range(3)]
    moves = [client.post(f"{path}/leave", {"on": day, "reason": "resigned"}, **{"If-Match": etag}) for day in ("2021-05-01", "2021-06-01")]
    answers = await asyncio.gather(*others, *moves)
    assert [status for status, _ in answers[:3]] == [201, 201, 201]
    assert sorted(status for status, _ in answers[3:])[0] == 201
    assert sorted(status for status, _ in answers[3:])[1] in (409, 412)
