"""A person is erased: what names them is gone from every table, what is counted stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from services.membership.app import api
from services.membership.erasing import ERASING
from services.membership.members.numbering import number_all
from services.membership.settings import Settings
from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.process import db
from shared.service.erasing import Erased
from tests.integration.client import Client, settings_of
from tests.integration.membership.service import CONTEXT, DOCUMENT, Membership, membership_of_a_test  # noqa: F401
from tests.patience import PATIENCE

pytestmark = pytest.mark.invariant("I5")
EVERY = frozenset({"membership:read", "membership:write", "membership:persons"})
TABLES = """
SELECT oid::regclass::text AS name, has_table_privilege(oid, 'SELECT') AS readable FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
NOTE = "经本人说明"
OTHER = "E12345678"


@pytest.fixture(name="client")
async def client_of_a_test(membership: Membership) -> AsyncIterator[Client]:
    app = api(settings_of(Settings))
    app.state.pool = membership.pool
    async with Client.of(app, *EVERY) as made:
        yield made


async def erase(client: Client, person: object, body: Any = None, query: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    content = {} if body is None else {"json": body}
    answer = await client.http.request("DELETE", f"/v1/persons/{person}{query}", headers=headers, **content)
    return answer.status_code, answer.json()


def joining(union: UUID, enterprise: UUID, number: str = DOCUMENT, kind: str = "resident_id", on: str = "2021-02-01") -> dict[str, Any]:
    return {"union_id": str(union), "enterprise_id": str(enterprise), "document": {"kind": kind, "number": number}, "joined_on": on}


async def everything(membership: Membership) -> str:
    """Every row of every table, as text; bytes in hexadecimal."""
    async with db.transaction(membership.pool, areas=Areas.all()) as conn:
        tables = await conn.fetch(TABLES)
        assert [table["name"] for table in tables if not table["readable"]] == ["schema_migrations"]
        names = [table["name"] for table in tables if table["readable"]]
        return "\n".join([f"{name} {row[0]}" for name in names for row in await conn.fetch(f"SELECT t::text FROM {name} AS t")])


async def traces_of(membership: Membership, member: str, number: str = DOCUMENT) -> list[str]:
    """What the tables hold of a person: the number as it may stand there, its hashes, the sealed document, the prints of requests."""
    async with db.transaction(membership.pool, areas=Areas.all()) as conn:
        row = await conn.fetchrow(
            "SELECT hash, number_hash, document FROM persons AS p JOIN memberships AS m ON m.person_no = p.no WHERE m.id = $1", UUID(member)
        )
    assert row is not None
    prints = await membership.pool.fetch("SELECT fingerprint FROM idempotency WHERE result->>'id' = $1", member)
    hashes = [digest for kind in ("", "resident_id") for _, digest in CONTEXT.person_keys.hashes(kind, number)]
    held = {*row.values(), *(one["fingerprint"] for one in prints)}
    return [number, number.encode().hex(), *(one.hex() for one in {*held, *hashes})]


async def test_what_names_a_person_is_in_no_table_and_no_log_and_what_is_counted_stays(
    client: Client, membership: Membership, capfd: pytest.CaptureFixture[str]
) -> None:
    a, b = await membership.enterprise(), await membership.enterprise("P2")
    union, other = await membership.union(a), await membership.union(b, seat="P2")
    status, member = await client.post("/v1/members", joining(union, a), Idempotency_Key="joins")
    assert status == 201
    _, moved = await client.post(
        f"/v1/members/{member['id']}/transfer",
        {"on": "2021-06-01", "union_id": str(other), "enterprise_id": str(b)},
        Idempotency_Key="moves",
    )
    leaving = {"on": "2021-07-01", "reason": "retired", "note": NOTE + "一"}
    _, left = await client.post(f"/v1/members/{moved['id']}/leave", leaving, Idempotency_Key="leaves")
    correction = {"corrects": left["event_ids"][0], "reason": "typo", "data": {"on": "2021-07-02"}, "note": NOTE + "二"}
    await client.post("/v1/corrections", correction)
    _, stays = await client.post("/v1/members", joining(union, a, OTHER, "passport"), Idempotency_Key="another")
    await client.post(f"/v1/members/{stays['id']}/leave", {"on": "2021-07-01", "reason": "retired", "note": "别人的"})
    traces = await traces_of(membership, member["id"])
    before = await everything(membership)
    assert sum(one in before for one in traces) >= 4
    assert NOTE + "一" in before
    assert NOTE + "二" in before
    counted = {
        table: await rows(membership, table) for table in ("journal", "memberships", "coverage_facts", "unions", "streams", "corrections")
    }

    status, erased = await erase(client, moved["id"], {"reason": "requested"})
    assert (status, erased["reason"], erased["actor"]) == (200, "requested", "tester")

    after = await everything(membership)
    assert [one for one in (*traces, NOTE) if one in after] == []
    assert counted == {table: await rows(membership, table) for table in counted}
    printed = capfd.readouterr()
    assert [one for one in (*traces, NOTE) if one in printed.out + printed.err] == []
    for membership_id in (member["id"], moved["id"]):
        _, shown = await client.get(f"/v1/members/{membership_id}")
        assert shown["document"] is None
    _, another = await client.get(f"/v1/members/{stays['id']}")
    assert another["document"]["number"] == "E12345***"
    assert "别人的" in after


async def rows(membership: Membership, table: str) -> list[str]:
    async with db.transaction(membership.pool, areas=Areas.all()) as conn:
        return [row[0] for row in await conn.fetch(f"SELECT t::text FROM {table} AS t ORDER BY 1")]


async def test_an_erasure_is_done_once_and_answered_again(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    member = await membership.member(await membership.union(a), a, DOCUMENT, kind="resident_id")
    _, read = await client.get(f"/v1/members/{member}")
    first = await erase(client, member, {"reason": "requested"})
    assert first[0] == 200
    assert await erase(client, member, query="?reason=unlawful", **{"Idempotency-Key": "again"}) == first
    assert await erase(client, first[1]["person_id"], {"reason": "requested"}) == first, "by the person's id"
    assert read["document"] != (await client.get(f"/v1/members/{member}"))[1]["document"]
    assert (await client.get("/v1/erasures"))[1] == {"items": [first[1]], "next": None}


async def test_a_membership_leads_to_the_person_of_the_row(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    member = await membership.member(await membership.union(a), a)
    person = await membership.pool.fetchval("SELECT id FROM persons")
    assert (await erase(client, member, query="?reason=requested"))[1]["person_id"] == str(person)
    assert await membership.count("persons") == 0


async def test_who_comes_again_is_a_new_person(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    union = await membership.union(a)
    _, member = await client.post("/v1/members", joining(union, a), Idempotency_Key="joins")
    assert (await client.post("/v1/members", joining(union, a, on="2022-01-01")))[1]["code"] == "ALREADY_MEMBER"
    _, erased = await erase(client, member["id"], {"reason": "requested"})
    status, refused = await client.post("/v1/members", joining(union, a), Idempotency_Key="joins")
    assert (status, refused["code"]) == (422, "IDEMPOTENCY_KEY_REUSED"), "a repeat does not bring the person back"
    status, again = await client.post("/v1/members", joining(union, a, on="2022-01-01"))
    assert status == 201
    assert await membership.pool.fetch("SELECT id FROM persons WHERE id <> $1", UUID(erased["person_id"]))
    assert (await client.get(f"/v1/members/{member['id']}"))[1]["document"] is None
    assert (await client.get(f"/v1/members/{again['id']}"))[1]["document"] is not None
    assert (await client.post(f"/v1/members/{member['id']}/leave", {"on": "2023-01-01", "reason": "resigned"}))[0] == 201


async def test_a_repeated_batch_does_not_bring_a_person_back(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    union = await membership.union(a)
    line = {"op": "member", "body": joining(union, a)}
    sent: dict[str, Any] = {"json": line, "headers": {"Content-Type": "application/x-ndjson", "Idempotency-Key": "file"}}
    first = await client.http.post("/v1/batch", **sent)
    assert first.json()["status"] == 201, first.text
    await erase(client, first.json()["id"], {"reason": "requested"})
    assert (await client.http.post("/v1/batch", **sent)).status_code == 422
    assert await membership.count("persons") == 0


async def test_a_key_that_an_earlier_release_stored_as_it_was_sent_is_hashed(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    union = await membership.union(a)
    _, member = await client.post("/v1/members", joining(union, a), Idempotency_Key=f"person/{DOCUMENT}")
    await membership.pool.execute("UPDATE idempotency SET key = $1 WHERE result->>'id' = $2", f"person/{DOCUMENT}", member["id"])
    assert DOCUMENT in await everything(membership)
    await erase(client, member["id"], {"reason": "requested"})
    assert DOCUMENT not in await everything(membership)
    status, refused = await client.post("/v1/members", joining(union, a), Idempotency_Key=f"person/{DOCUMENT}")
    assert (status, refused["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_every_row_of_a_person_whom_earlier_releases_wrote_twice_goes(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    union = await membership.union(a)
    member = await membership.member(union, a, DOCUMENT, "2021-02-01", "resident_id")
    twin, keys = uuid7(), CONTEXT.person_keys
    sealed, (version, digest) = keys.seal(twin, DOCUMENT), keys.hashes("permit", DOCUMENT)[0]
    await membership.pool.execute(
        "INSERT INTO persons (id, document_kind, hash, hash_version, document, key_version) VALUES ($1, 'permit', $2, $3, $4, $5)",
        *(twin, digest, version, sealed.blob, sealed.key_version),
    )
    status, erased = await erase(client, member, {"reason": "requested"})
    assert status == 200
    assert await membership.count("persons") == 0
    assert (await erase(client, twin, {"reason": "requested"}))[1]["erased_at"] == erased["erased_at"]
    async with membership.pool.acquire() as conn:
        assert await number_all(conn, keys) == 0


async def test_who_came_back_with_a_backup_is_erased_again(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    member = await membership.member(await membership.union(a), a, DOCUMENT, kind="resident_id")
    traces = await traces_of(membership, str(member))
    backup = await membership.pool.fetch("SELECT * FROM persons")
    _, erased = await erase(client, member, {"reason": "requested"})
    (columns,) = {tuple(row.keys()) for row in backup}
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    await membership.pool.execute(
        f"INSERT INTO persons ({', '.join(columns)}) OVERRIDING SYSTEM VALUE VALUES ({places})", *backup[0].values()
    )
    assert (await client.get(f"/v1/members/{member}"))[1]["document"] is not None
    assert (await erase(client, erased["person_id"], query="?reason=restored"))[0] == 200
    after = await everything(membership)
    assert [one for one in traces if one in after] == []


async def test_refusals(client: Client, membership: Membership) -> None:
    a, b = await membership.enterprise("P1"), await membership.enterprise("P2")
    union, other = await membership.union(a), await membership.union(b, seat="P2")
    member = await membership.member(union, a, DOCUMENT, kind="resident_id")
    moved = (await membership.do("transfer", member_id=member, on="2022-01-01", union_id=other, enterprise_id=b)).id
    why = {"reason": "requested"}
    assert await code_of(client, uuid7(), why) == (404, "NOT_FOUND", None)
    assert await code_of(client, "x", why) == (422, "INVALID_ID", "person_id")
    assert await code_of(client, moved) == (422, "FIELD_REQUIRED", "reason")
    assert await code_of(client, moved, why, "?reason=requested") == (422, "DUPLICATE_FIELD", "reason")
    assert await code_of(client, moved, {"reason": "张三 asked"}) == (422, "NOT_ONE_OF", "reason")
    assert await code_of(client, moved, {**why, "note": "x"}) == (422, "UNKNOWN_FIELD", "note")
    client.be("*", scopes=frozenset({"membership:write", "membership:operate"}))
    assert (await code_of(client, moved, why))[:2] == (403, "SCOPE_MISSING")
    for areas in (["P1"], ["D2"], []):
        client.be(*areas)
        assert (await code_of(client, moved, why))[:2] == (403, "AREA_NOT_GRANTED"), areas
        assert (await client.get("/v1/erasures"))[0] == 403
    assert await membership.count("persons") == 1
    client.be("P1", "D2")
    assert (await erase(client, moved, why))[0] == 200
    client.be("P1")
    assert (await code_of(client, moved, why))[:2] == (403, "AREA_NOT_GRANTED")


async def code_of(client: Client, person: object, body: Any = None, query: str = "") -> tuple[int, Any, Any]:
    status, answer = await erase(client, person, body, query)
    error = answer["errors"][0] if answer.get("errors") else {}
    return status, error.get("code", answer.get("code")), error.get("field")


async def test_erasures_are_listed_page_by_page(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    union = await membership.union(a)
    for number in range(3):
        await erase(client, await membership.member(union, a, str(number)), {"reason": "sample_data"})
    _, page = await client.get("/v1/erasures", limit=2)
    _, rest = await client.get("/v1/erasures", limit=2, after=page["next"])
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    instants = [one["erased_at"] for one in (*page["items"], *rest["items"])]
    assert instants == sorted(instants)


async def test_who_joins_while_being_erased_is_a_new_person_or_erased_whole(client: Client, membership: Membership) -> None:
    """The joining waits for the erasure that holds the person's row, finds the row gone and begins again."""
    a, b = await membership.enterprise(), await membership.enterprise()
    union, other = await membership.union(a), await membership.union(b)
    member = await membership.member(union, a, DOCUMENT, "2021-02-01", "resident_id")
    await membership.do("leave", member_id=member, on="2021-03-01", reason="resigned")
    async with db.transaction(membership.pool, areas=Areas.all()) as conn:
        found = await ERASING.find(conn, CONTEXT, member)
        assert isinstance(found, Erased)
        join = asyncio.create_task(client.post("/v1/members", joining(other, b, on="2022-01-01")))
        await _waits_for_a_lock(membership)
        await ERASING.erase(conn, CONTEXT, found)
    status, again = await join
    assert status == 201
    _, shown = await client.get(f"/v1/members/{again['id']}")
    assert shown["document"] is not None
    assert await membership.count("persons") == 1


async def _waits_for_a_lock(membership: Membership) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await membership.pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            await asyncio.sleep(0.02)
