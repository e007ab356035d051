"""A command sent again is answered again and done once."""

from __future__ import annotations

import asyncio

import pytest

from shared.contracts.ids import uuid7
from shared.journal import idempotency
from shared.journal.idempotency import Keys, KeyTakenError, Lines, Mismatch, Result, fingerprint
from shared.process.db import Connection, Pool, run_command, transaction

KEY = b"secret"
KEYS = Keys(KEY)


def print_of(body: object) -> bytes:
    return fingerprint(KEY, "POST", "/v1/enterprises", body)


def result(name: str = "e") -> Result:
    return Result(name, f"enterprise/{name}", 3, [uuid7(), uuid7()], ["PROBABLE_DUPLICATE"])


async def test_a_repeat_returns_the_first_result_and_another_body_is_told(pool: Pool) -> None:
    first = result()
    async with transaction(pool) as conn:
        assert await idempotency.look_up(conn, KEYS, "client", [("k", print_of({"a": 1, "b": 2}))]) == {"k": None}
        await idempotency.record(conn, KEYS, "client", {("k", print_of({"a": 1, "b": 2})): first})
    async with transaction(pool) as conn:
        assert await idempotency.look_up(conn, KEYS, "client", [("k", print_of({"b": 2, "a": 1}))]) == {"k": first}
        assert await idempotency.look_up(conn, KEYS, "client", [("k", print_of({"a": 2}))]) == {"k": Mismatch()}
        assert await idempotency.look_up(conn, KEYS, "another", [("k", print_of({"a": 2}))]) == {"k": None}


async def test_a_refused_command_leaves_its_key_free(pool: Pool) -> None:
    async def refused(conn: Connection) -> None:
        await idempotency.look_up(conn, KEYS, "client", [("k", print_of(1))])
        raise LookupError

    with pytest.raises(LookupError):
        await run_command(pool, refused, areas=None)
    async with transaction(pool) as conn:
        assert await idempotency.look_up(conn, KEYS, "client", [("k", print_of(2)), ("l", print_of(3))]) == {"k": None, "l": None}
        await idempotency.record(conn, KEYS, "client", {("k", print_of(2)): result()})
    async with transaction(pool) as conn:
        answer = await idempotency.look_up(conn, KEYS, "client", [("k", print_of(2)), ("l", print_of(4))])
    assert isinstance(answer["k"], Result)
    assert answer["l"] is None


async def test_the_same_command_at_the_same_time_is_done_once(pool: Pool) -> None:
    async def work(conn: Connection) -> Result:
        known = (await idempotency.look_up(conn, KEYS, "client", [("k", print_of(1)), ("j", print_of(1))]))["k"]
        if isinstance(known, Result):
            return known
        assert known is None
        await conn.execute("INSERT INTO notes (note_id, text) VALUES (gen_random_uuid(), 'done')")
        await asyncio.sleep(0.02)
        made = result()
        await idempotency.record(conn, KEYS, "client", {("k", print_of(1)): made, ("j", print_of(1)): made})
        return made

    answers = await asyncio.gather(*(run_command(pool, work, areas=None) for _ in range(8)))
    assert await pool.fetchval("SELECT count(*) FROM notes") == 1
    assert all(answer == answers[0] for answer in answers)


async def test_a_command_is_not_refused_for_what_its_twin_has_done_meanwhile(pool: Pool) -> None:
    entry = ("k", print_of(1))
    async with transaction(pool) as slow:
        assert await idempotency.look_up(slow, KEYS, "client", [entry]) == {"k": None}
        await idempotency.require_unused(slow, KEYS, "client", ["k"])
        async with transaction(pool) as fast:
            await idempotency.record(fast, KEYS, "client", {entry: result()})
        with pytest.raises(KeyTakenError):
            await idempotency.require_unused(slow, KEYS, "client", ["k"])


async def test_what_a_batch_answered_is_replaced_only_by_who_has_looked_it_up(pool: Pool) -> None:
    entry, lines = ("k", print_of(1)), Lines([(1, result())])
    async with transaction(pool) as conn:
        await idempotency.record(conn, KEYS, "client", {entry: Lines([])})
    with pytest.raises(KeyTakenError):
        async with transaction(pool) as conn:
            await idempotency.record(conn, KEYS, "client", {entry: lines})
    async with transaction(pool) as conn:
        assert await idempotency.look_up(conn, KEYS, "client", [entry]) == {"k": Lines([])}
        await idempotency.record(conn, KEYS, "client", {entry: lines}, ["k"])
        assert await idempotency.look_up(conn, KEYS, "client", [entry]) == {"k": lines}


async def test_one_key_with_two_bodies_in_one_batch_is_a_mismatch(pool: Pool) -> None:
    async with transaction(pool) as conn:
        entries = [("k", print_of(1)), ("k", print_of(2)), ("l", print_of(1)), ("l", print_of(1))]
        assert await idempotency.look_up(conn, KEYS, "client", entries) == {"k": Mismatch(), "l": None}


async def test_keys_are_forgotten_after_thirty_days(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await idempotency.record(conn, KEYS, "client", {(key, print_of(1)): result() for key in ("old", "older", "young")})
        await conn.execute(
            "UPDATE idempotency SET created_at = created_at - interval '31 days' WHERE key <> $1", KEYS.hashed("client", "young")
        )
    async with transaction(pool) as conn:
        answer = await idempotency.look_up(conn, KEYS, "client", [("old", print_of(2)), ("young", print_of(2))])
        assert answer == {"old": None, "young": Mismatch()}
        await idempotency.record(conn, KEYS, "client", {("old", print_of(2)): result("new")})
        assert await idempotency.forget(conn) == 1
    async with transaction(pool) as conn:
        assert await idempotency.look_up(conn, KEYS, "client", [("old", print_of(1))]) == {"old": Mismatch()}


def test_the_fingerprint_depends_on_all_of_the_request_and_on_the_key() -> None:
    prints = {
        fingerprint(KEY, "POST", "/a", {"x": 1}),
        fingerprint(KEY, "PUT", "/a", {"x": 1}),
        fingerprint(KEY, "POST", "/b", {"x": 1}),
        fingerprint(KEY, "POST", "/a", {"x": "1"}),
        fingerprint(b"other", "POST", "/a", {"x": 1}),
    }
    assert len(prints) == 5
