"""The connection to PostgreSQL is cut while a command is committed: what the answer says is what the database holds.

A real TCP proxy stands before the server. A commit that is cut has reached it, or not; the database can be asked afterwards, or not.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from shared.http.auth import Areas
from shared.process import db
from shared.process.db import transactions
from tests.chaos.cutting_proxy import CuttingProxy
from tests.conftest import NewDatabase
from tests.integration.registry.service import EVERY, Registry, at_work, line, settling

SETTLING = 0.5
"""Seconds in which a service finds out what became of a commit, in these tests."""


@dataclass
class Behind:
    """The registry, whose connections go through `proxy`; `look` are connections that do not."""

    registry: Registry
    proxy: CuttingProxy
    look: db.Pool
    enterprise: str
    event: str

    async def events(self) -> int:
        """Rows of the journal, once no session of the service holds a transaction."""
        while await self.look.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'behind' AND backend_xid IS NOT NULL"
        ):
            pass
        return int(await self.look.fetchval("SELECT count(*) FROM journal"))


@pytest.fixture
async def behind(database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    monkeypatch.setattr(transactions, "SETTLE_WITHIN", SETTLING)
    made = await database("registry")
    parts = urlsplit(made.app_dsn)
    look = await db.create_pool(made.app_dsn, application_name="look")
    async with proxied(str(parts.hostname), parts.port or 5432) as proxy:
        through = urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{proxy.port}"))
        pool = await db.create_pool(through, application_name="behind", by_key=True, max_size=2)
        async with at_work(pool) as registry:
            registry.scopes = EVERY | {"registry:operate"}
            registry.be("*")
            await registry.areas()
            enterprise = await registry.enterprise()
            made_headcount = await registry.made(f"/v1/enterprises/{enterprise}/headcounts", {"on": "2020-02-01", "workers": 3})
            yield Behind(registry, proxy, look, enterprise, made_headcount["event_ids"][0])
        pool.terminate()
    look.terminate()


@asynccontextmanager
async def proxied(host: str, port: int) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(host, port, 1.0, 0) as proxy:
        proxy.cutting = False
        yield proxy


Send = Callable[[Behind, dict[str, str]], Awaitable[httpx.Response]]


async def _post(behind: Behind, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
    return await behind.registry.http.post(path, json=body, headers=headers)


async def _lines(behind: Behind, headers: dict[str, str], *lines: Any) -> httpx.Response:
    content = "\n".join(map(json.dumps, lines))
    return await behind.registry.http.post("/v1/batch", content=content, headers={"Content-Type": "application/x-ndjson", **headers})


PATHS: dict[str, tuple[Send, int]] = {
    "command": (lambda b, h: _post(b, "/v1/enterprises", settling(name="二"), h), 1),
    "changing": (lambda b, h: _post(b, f"/v1/enterprises/{b.enterprise}/headcounts", {"on": "2020-03-01", "workers": 5}, h), 1),
    "correction": (lambda b, h: _post(b, "/v1/corrections", {"corrects": b.event, "reason": "typo", "data": {"workers": 4}}, h), 1),
    "withdrawal": (
        lambda b, h: _post(b, "/v1/withdrawals", {"subject": f"enterprise/{b.enterprise}", "from": 2, "to": 2, "reason": "typo"}, h),
        1,
    ),
    "batch": (
        lambda b, h: _lines(b, h, line("enterprise", **settling(name="二")), line("enterprise", "own", **settling(name="三"))),
        2,
    ),
}
"""{path of writing: (how it is used, the events that it records)}"""


def said(answer: httpx.Response) -> str:
    """What the answer tells of the command: done, refused with a code."""
    if answer.status_code == 503:
        return str(answer.json()["code"])
    told = [json.loads(text) for text in answer.text.splitlines()]
    assert answer.status_code == 201 or all(one["status"] == 201 for one in told), answer.text
    return "done"


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("reaches", [True, False])
async def test_a_commit_whose_answer_is_lost_is_answered_as_it_happened(behind: Behind, path: str, key: str | None, reaches: bool) -> None:
    send, events = PATHS[path]
    before = await behind.events()
    headers = {"Idempotency-Key": key} if key else {}
    behind.proxy.reaches = reaches

    class Once:
        """Only the first commit is cut."""

        def __bool__(self) -> bool:
            return behind.proxy.cuts == 0

    behind.proxy.cutting = Once()  # type: ignore[assignment]
    answer = await send(behind, headers)
    assert behind.proxy.cuts == 1
    assert said(answer) == "done"
    assert await behind.events() == before + events
    if key:
        again = await send(behind, headers)
        assert again.content == answer.content
        assert await behind.events() == before + events


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("reaches", [True, False])
async def test_what_nobody_can_tell_is_said_to_be_unknown_and_found_out_with_a_key(
    behind: Behind, path: str, key: str | None, reaches: bool
) -> None:
    send, events = PATHS[path]
    before = await behind.events()
    headers = {"Idempotency-Key": key} if key else {}
    behind.proxy.reaches = reaches
    behind.proxy.cutting = behind.proxy.refuses = True
    answer = await send(behind, {**headers, "Accept-Language": "en"})
    assert said(answer) == "OUTCOME_UNKNOWN"
    assert answer.headers["retry-after"] == "1"
    (error,) = answer.json()["errors"]
    assert "Nothing was written" not in error["message_en"]
    assert "未写入" not in error["message_zh"]
    assert answer.json().get("idempotency_key") == answer.headers.get("idempotency-key")
    offered = answer.headers.get("idempotency-key")
    assert (offered is None) == (key is not None)
    assert await behind.events() in (before, before + events)
    if reaches:
        assert await behind.events() == before + events
    behind.proxy.cutting = behind.proxy.refuses = False
    told = [await send(behind, {"Idempotency-Key": key or offered or ""}) for _ in range(2)]
    assert [said(one) for one in told] == ["done", "done"]
    assert told[0].content == told[1].content
    assert await behind.events() == before + events


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("path", PATHS)
async def test_wherever_the_connection_is_cut_nothing_was_written_is_said_only_when_it_is_true(behind: Behind, path: str) -> None:
    send, events = PATHS[path]
    seen: set[str] = set()
    for position in range(1, 40):
        before, cuts = await behind.events(), behind.proxy.cuts
        behind.proxy.reaches = position % 2 == 0
        behind.proxy.refuses, behind.proxy.cut_at = True, position
        answer = await send(behind, {})
        behind.proxy.refuses, behind.proxy.cut_at = False, 0
        cut = behind.proxy.cuts > cuts
        outcome = said(answer)
        seen.add(outcome)
        written = await behind.events() - before
        if outcome == "done":
            assert written == events
            break
        assert cut
        assert written == 0 if outcome == "UNAVAILABLE" else written in (0, events)
        # The next one finds new connections.
        while (await behind.registry.get("/v1/areas"))[0] != 200:
            pass
        if written:
            break
    else:
        raise AssertionError("the command was never done")
    assert seen >= {"UNAVAILABLE"}


async def test_a_question_whose_answer_is_cut_off_has_written_nothing(behind: Behind) -> None:
    behind.proxy.cutting = behind.proxy.refuses = True
    behind.proxy.reaches = True
    status, answer = await behind.registry.get("/v1/areas")
    assert (status, answer["code"]) == (503, "UNAVAILABLE")


async def test_a_transaction_that_postgresql_rolled_back_is_never_answered_as_done(behind: Behind) -> None:
    """A statement fails and its error is swallowed: COMMIT is then answered with ROLLBACK."""

    async def work(conn: db.Connection) -> None:
        await conn.execute("INSERT INTO notes (note_id, text) VALUES (gen_random_uuid(), 'x')")
        with suppress(Exception):
            await conn.execute("SELECT 1 / 0")

    with pytest.raises(db.RolledBackError):
        await db.run_command(behind.look, work, areas=Areas.all())
