"""What this service keeps of persons: encrypted, read with a purpose and logged, erased without a trace (invariant I5)."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from services.cases.persons.erasing import ERASING
from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.persons.sealing import Person, PersonKeys, Sealed, open_person
from shared.process import db
from shared.service.erasing import Erased
from tests.integration.cases.service import EVERY, KEYS, Cases, cases_of_a_test, client_of_a_test
from tests.integration.client import REQUIRED, Client
from tests.patience import PATIENCE

__all__ = ["cases_of_a_test", "client_of_a_test"]
pytestmark = pytest.mark.invariant("I5")

NUMBER = "11010519491231002X"
NAME = "欧阳样例"
PHONE = "0571-87654321"
NOTE = "经本人说明"
TABLES = """
SELECT oid::regclass::text AS name, has_table_privilege(oid, 'SELECT') AS readable FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
KEPT = ("journal", "entries", "entry_clocks", "streams", "corrections", "person_readings")
INCOME = {"persons": 3, "annual_income_fen": 2345678, "rigid_expenditure_fen": 345679, "employment_costs_fen": 7654321}


def person(number: str = NUMBER, kind: str = "resident_id", **more: Any) -> dict[str, Any]:
    return {"document": {"kind": kind, "number": number}, "name": NAME, "phone": PHONE, **more}


def case(enterprise: UUID, **more: Any) -> dict[str, Any]:
    said = {"kind": "wage_arrears", "enterprise_id": str(enterprise), "occurred_on": "2026-03-02", "reported_on": "2026-03-05"}
    return {**said, "reporter": person(), **more}


def hardship(area: str = "P1", **more: Any) -> dict[str, Any]:
    return {"person": person(), "area": area, "on": "2026-03-06", **INCOME, **more}


async def read(client: Client, path: str, purpose: str | None = "call back") -> tuple[int, dict[str, Any]]:
    answer = await client.http.get(f"{path}/persons", headers={} if purpose is None else {"Purpose": purpose})
    return answer.status_code, answer.json()


async def erase(client: Client, given: object, body: Any = None) -> tuple[int, dict[str, Any]]:
    answer = await client.http.request("DELETE", f"/v1/persons/{given}", json={"reason": "requested"} if body is None else body)
    return answer.status_code, answer.json()


async def rows(cases: Cases, *without: str) -> dict[str, list[str]]:
    """Every row of every table, as text; bytes in hexadecimal."""
    async with db.transaction(cases.pool, areas=Areas.all()) as conn:
        tables = await conn.fetch(TABLES)
        assert [table["name"] for table in tables if not table["readable"]] == ["schema_migrations"]
        names = [table["name"] for table in tables if table["readable"] and table["name"] not in without]
        return {name: [row[0] for row in await conn.fetch(f"SELECT t::text FROM {name} AS t")] for name in names}


async def traces(cases: Cases) -> list[str]:
    """What may stand in a table of the person: number, name, telephone, hashes, sealed rows, prints of requests, figures of the household."""
    async with db.transaction(cases.pool, areas=Areas.all()) as conn:
        held = [value for row in await conn.fetch("SELECT sealed, hash FROM persons") for value in row.values()]
        held += [row["fingerprint"] for row in await conn.fetch("SELECT fingerprint FROM idempotency WHERE fingerprint <> ''")]
    hashes = [digest for kind in ("", "resident_id") for _, digest in KEYS.hashes(kind, NUMBER)]
    plain = [NUMBER, NAME, PHONE, NOTE]
    figures = [str(value) for name, value in INCOME.items() if name != "persons"]
    return [*plain, *(one.encode().hex() for one in plain), *(one.hex() for one in {*held, *hashes}), *figures]


async def test_the_same_reporter_is_one_person_and_is_in_no_event_and_no_answer(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    first = await client.made("/v1/cases", case(enterprise))
    second = await client.made(
        "/v1/cases", case(enterprise, reporter={"document": {"kind": "residence_permit", "number": NUMBER}, "phone": "12351"})
    )
    assert await cases.pool.fetchval("SELECT count(*) FROM persons") == 1
    status, found = await read(client, f"/v1/cases/{first['id']}")
    assert status == 200
    (shown,) = found["items"]
    assert (shown["role"], shown["document"]["number"], shown["name"], shown["phone"]) == ("reporter", NUMBER, NAME, "12351")
    assert (await read(client, f"/v1/cases/{second['id']}"))[1]["items"][0]["id"] == shown["id"]
    _, entry = await client.get(f"/v1/cases/{first['id']}")
    _, events = await client.get("/v1/events", subject=f"enterprise/{enterprise}")
    held = await rows(cases, "persons")
    for text in (str(entry), str(events), str(held)):
        assert [one for one in (NUMBER, NAME, PHONE, "12351") if one in text] == []


async def test_a_person_is_found_and_written_under_the_newest_key(cases: Cases) -> None:
    enterprise = await cases.enterprise()
    first = await cases.do("case", **case(enterprise))
    newer = {1: REQUIRED["encryption_keys"][1], 2: bytes(range(1, 33))}, {1: REQUIRED["hash_keys"][1], 2: bytes(range(2, 34))}
    cases.context = dataclasses.replace(cases.context, person_keys=PersonKeys(*newer))  # type: ignore[type-var]
    second = await cases.do("case", **case(enterprise, reporter={"document": NUMBER, "phone": "12351"}))
    (row,) = await cases.pool.fetch("SELECT id, sealed, key_version, hash_version FROM persons")
    assert (row["key_version"], row["hash_version"]) == (2, 2)
    found = open_person(PersonKeys(*newer), row["id"], Sealed(row["sealed"], 2))
    assert found == Person("resident_id", NUMBER, NAME, "12351")
    named = await cases.pool.fetch("SELECT entry_id FROM entry_persons WHERE person_id = $1", row["id"])
    assert {str(one["entry_id"]) for one in named} == {first.id, second.id}


async def test_a_reporter_may_be_known_by_a_name_alone_or_not_at_all(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    named = await client.made("/v1/cases", case(enterprise, reporter={"name": NAME}))
    again = await client.made("/v1/cases", case(enterprise, reporter={"name": NAME}))
    nobody = await client.made("/v1/cases", case(enterprise, reporter={}))
    none = await client.made("/v1/cases", case(enterprise, reporter=None))
    found = [(await read(client, f"/v1/cases/{one['id']}"))[1]["items"] for one in (named, again, nobody, none)]
    assert [len(items) for items in found] == [1, 1, 0, 0]
    assert found[0][0]["id"] != found[1][0]["id"], "without a document nobody is recognised"


async def test_a_reporter_is_refused_without_a_trace(client: Client, cases: Cases, capfd: pytest.CaptureFixture[str]) -> None:
    enterprise = await cases.enterprise()
    wrong = NUMBER[:-1] + "1"
    status, refused = await client.post("/v1/cases", case(enterprise, reporter=person(wrong)))
    assert (status, refused["errors"][0]["code"], refused["errors"][0]["field"]) == (422, "INVALID_DOCUMENT", "reporter.document.number")
    status, unknown = await client.post("/v1/cases", case(enterprise, reporter=person(kind="library_card")))
    assert (status, unknown["errors"][0]["code"], unknown["errors"][0]["field"]) == (422, "NOT_ONE_OF", "reporter.document.kind")
    status, born = await client.post("/v1/cases", case(enterprise, occurred_on="1949-01-01"))
    assert (status, born["errors"][0]["field"]) == (422, "reporter.document.number")
    printed = capfd.readouterr()
    for text in (str(refused), str(unknown), str(born), printed.out, printed.err, str(await rows(cases))):
        assert [one for one in (NUMBER, wrong, NAME, PHONE) if one in text] == []


async def test_readings_need_a_purpose_and_are_logged(client: Client, cases: Cases) -> None:
    made = await client.made("/v1/cases", case(await cases.enterprise()))
    path = f"/v1/cases/{made['id']}"
    for purpose, code in ((None, "FIELD_REQUIRED"), (" ", "EMPTY"), ("x" * 201, "TOO_LONG"), (f"id {NUMBER}", "HOLDS_RESIDENT_NUMBER")):
        status, refused = await read(client, path, purpose)
        assert (status, refused["errors"][0]["code"], refused["errors"][0]["field"]) == (422, code, "Purpose"), purpose
    client.be("*", scopes=frozenset({"cases:read", "cases:write", "cases:operate"}))
    assert (await read(client, path))[1]["code"] == "SCOPE_MISSING"
    client.be("P2")
    assert (await read(client, path))[1]["code"] == "AREA_NOT_GRANTED"
    client.be("*")
    assert (await client.get("/v1/readings"))[1]["items"] == [], "nobody has read anything"
    client.be("P1", client="handler-7")
    assert (await read(client, path, quote(f"回访{NAME}")))[0] == 200
    client.be("*", client="handler-8")
    assert (await read(client, path, "again"))[0] == 200
    _, page = await client.get("/v1/readings", limit=1)
    _, rest = await client.get("/v1/readings", limit=1, after=page["next"])
    (first,), (second,) = page["items"], rest["items"]
    assert (first["client"], first["purpose"], first["noun"], first["area"]) == ("handler-7", "回访***", "case", "P1")
    assert first["entry_id"] == made["id"]
    assert len(first["persons"]) == 1
    assert (second["client"], second["purpose"], rest["next"]) == ("handler-8", "again", None)
    today = first["read_at"][:10]
    assert len((await client.get("/v1/readings", area="D1", **{"from": "2020-01-01", "to": "2099-01-01"}))[1]["items"]) == 2, today
    assert (await client.get("/v1/readings", area="P2"))[1]["items"] == []
    assert (await client.get("/v1/readings", to="2020-01-01"))[1]["items"] == []
    assert (await client.get("/v1/readings", area="NOWHERE"))[1]["errors"][0]["code"] == "UNKNOWN_AREA"
    client.be("P2")
    assert (await client.get("/v1/readings", area="P1"))[1]["code"] == "AREA_NOT_GRANTED"
    client.be("*", scopes=frozenset({"cases:persons"}))
    assert (await client.get("/v1/readings"))[1]["code"] == "SCOPE_MISSING"


async def test_an_erased_person_is_in_no_table_and_what_is_counted_stays(
    client: Client, cases: Cases, capfd: pytest.CaptureFixture[str]
) -> None:
    enterprise = await cases.enterprise()
    status, opened = await client.post("/v1/cases", case(enterprise), Idempotency_Key="one")
    assert status == 201
    status, file = await client.post("/v1/hardships", hardship(enterprise_id=str(enterprise)), Idempotency_Key="two")
    assert status == 201, file
    _, ended = await client.post(f"/v1/hardships/{file['id']}/end", {"on": "2026-04-01", "reason": "relieved", "note": NOTE + "一"})
    correction = {"corrects": ended["event_ids"][0], "reason": "typo", "data": {"on": "2026-04-02"}, "note": NOTE + "二"}
    assert (await client.post("/v1/corrections", correction))[0] == 201
    line = {"op": "help", "body": {"kind": "training", "person": person(), "on": "2026-03-07", "area": "P2"}}
    assert (await client.batch(line))[0]["status"] == 201
    marks = await traces(cases)
    stays = await client.made("/v1/cases", case(enterprise, reporter=person("E12345678", "passport", name="别人", phone="12351")))
    _, found = await read(client, f"/v1/cases/{opened['id']}", quote(f"致电{NAME} {PHONE}"))
    person_id = found["items"][0]["id"]
    before = await rows(cases)
    assert sum(one in str(before) for one in marks) >= 7
    outside = {name: content for name, content in before.items() if name not in ("persons", "entries", "idempotency", "notes")}
    assert [one for one in marks if one in str(outside)] == [], "no event, clock or log of readings ever held it"

    status, erased = await erase(client, opened["id"])
    assert (status, erased["person_id"], erased["reason"], erased["actor"]) == (200, person_id, "requested", "tester")

    after = await rows(cases)
    assert [(one, name) for one in marks for name, content in after.items() if one in str(content)] == []
    assert {name: len(before[name]) for name in KEPT} == {name: len(after[name]) for name in KEPT}
    for name in ("journal", "entry_clocks", "streams", "corrections", "person_readings"):
        assert before[name] == after[name]
    printed = capfd.readouterr()
    assert [one for one in marks if one in printed.out + printed.err] == []
    for path in (f"/v1/cases/{opened['id']}", f"/v1/hardships/{file['id']}"):
        assert (await read(client, path))[1]["items"] == []
    assert (await read(client, f"/v1/hardships/{file['id']}"))[1]["figures"] == []
    assert (await client.get(f"/v1/hardships/{file['id']}"))[1]["state"] == "ended"
    assert (await read(client, f"/v1/cases/{stays['id']}"))[1]["items"][0]["name"] == "别人"
    assert (await erase(client, file["id"]))[1] == erased, "asked again, it answers what was done"
    assert (await client.get("/v1/erasures"))[1]["items"] == [erased]
    status, again = await client.post("/v1/cases", case(enterprise), Idempotency_Key="one")
    assert (status, again["errors"][0]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED"), "a repeat does not bring the person back"
    assert (await client.post("/v1/hardships", hardship()))[0] == 201, "who comes again is a new person"


async def test_who_is_named_by_nothing_that_holds_is_not_kept(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    opened = await client.made("/v1/cases", case(enterprise))
    file = await client.made("/v1/hardships", hardship(enterprise_id=str(enterprise)))
    await client.made("/v1/withdrawals", {"subject": file["subject"], "from": 1, "to": 1, "reason": "test_data"})
    assert len((await read(client, f"/v1/cases/{opened['id']}"))[1]["items"]) == 1, "the case still names the reporter"
    assert (await cases.entry(UUID(file["id"]))).private == {}
    correction = {"corrects": opened["event_ids"][0], "reason": "typo", "data": None}
    assert (await client.post("/v1/corrections", correction))[0] == 201
    for table in ("persons", "entry_persons"):
        assert await cases.pool.fetchval(f"SELECT count(*) FROM {table}") == 0
    await client.made("/v1/hardships", hardship())


async def test_erasing_needs_the_scope_every_area_and_a_reason(client: Client, cases: Cases) -> None:
    opened = await client.made("/v1/cases", case(await cases.enterprise("P1")))
    await client.made("/v1/hardships", hardship("P2"))
    assert (await erase(client, uuid7()))[0] == 404
    assert (await erase(client, opened["id"], {"reason": f"{NAME} asked"}))[1]["errors"][0]["field"] == "reason"
    client.be("*", scopes=frozenset(EVERY) - {"cases:persons"})
    assert (await erase(client, opened["id"]))[1]["code"] == "SCOPE_MISSING"
    for areas in (["P1"], ["D2"], []):
        client.be(*areas)
        assert (await erase(client, opened["id"]))[1]["code"] == "AREA_NOT_GRANTED", areas
    assert await cases.pool.fetchval("SELECT count(*) FROM persons") == 1
    client.be("P1", "D2")
    assert (await erase(client, opened["id"]))[0] == 200
    client.be("P1")
    assert (await erase(client, opened["id"]))[1]["code"] == "AREA_NOT_GRANTED"


async def test_whoever_is_named_while_being_erased_is_a_new_person(client: Client, cases: Cases) -> None:
    """The command waits for the erasure that holds the person's row, and finds the row gone."""
    opened = await client.made("/v1/cases", case(await cases.enterprise()))
    async with db.transaction(cases.pool, areas=Areas.all()) as conn:
        found = await ERASING.find(conn, cases.context, UUID(opened["id"]))
        assert isinstance(found, Erased)
        naming = asyncio.create_task(client.post("/v1/hardships", hardship()))
        async with asyncio.timeout(PATIENCE):
            while not await cases.pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.02)
        await ERASING.erase(conn, cases.context, found)
    status, file = await naming
    assert status == 201
    (one,) = (await read(client, f"/v1/hardships/{file['id']}"))[1]["items"]
    assert one["id"] != str(found.person_id)


async def test_two_commands_that_name_a_new_person_at_once_write_one(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    other = await cases.enterprise("P2")
    made = await asyncio.gather(*(client.post("/v1/cases", case(one)) for one in (enterprise, other) * 3))
    assert [status for status, _ in made] == [201] * 6
    assert await cases.pool.fetchval("SELECT count(*) FROM persons") == 1
    files = await asyncio.gather(*(client.post("/v1/hardships", hardship()) for _ in range(4)))
    assert sorted(status for status, _ in files) == [201, 409, 409, 409]
