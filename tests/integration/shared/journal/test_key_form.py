"""Idempotency keys beside processes of a release up to 0.2, which store and look for them as they are sent."""

from __future__ import annotations

import asyncio
from functools import partial

import asyncpg
import pytest

from shared.journal import idempotency, key_form
from shared.journal.idempotency import HASHED, Keys, Mismatch, Result
from shared.journal.key_form import KeyForm, api_name, old_name
from shared.process.db import Connection, Pool, run_command, transaction
from tests.conftest import Database

SECRET = b"secret"
HASHES, BOTH = Keys(SECRET), Keys(SECRET, also_plain=True)
RESULT = Result("e", "enterprise/e", 3, [])

OLD_CLAIM = """
INSERT INTO idempotency AS i (client, key, fingerprint)
SELECT $1, key, fingerprint FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS e(key, fingerprint, n) ORDER BY n
ON CONFLICT (client, key) DO UPDATE SET fingerprint = excluded.fingerprint, result = NULL, created_at = excluded.created_at
    WHERE i.created_at < excluded.created_at - interval '30 days'
RETURNING key
"""
"""As 0.2 claims keys."""
OLD_RECORD = "UPDATE idempotency SET result = $3 WHERE client = $1 AND key = $2"
OLD_LOOK = "SELECT fingerprint, result FROM idempotency WHERE client = $1 AND key = $2"


async def old_does(conn: Connection, key: str) -> bool:
    """Whether a process of 0.2 carries the command out; else it has found what it answered."""
    ours = await conn.fetch(OLD_CLAIM, "client", [key], [b"f"])
    if ours:
        plain = {"id": "e", "subject": "enterprise/e", "sequence": 3, "event_ids": [], "warnings": []}
        await conn.execute(OLD_RECORD, "client", key, plain)
        return True
    row = await conn.fetchrow(OLD_LOOK, "client", key)
    assert row is not None
    assert row["result"]["id"] == "e"
    return False


async def new_does(conn: Connection, keys: Keys, key: str, print_: bytes = b"f") -> bool:
    """The same of this release."""
    found = (await idempotency.look_up(conn, keys, "client", [(key, print_)]))[key]
    assert not isinstance(found, Mismatch)
    if found is None:
        await idempotency.record(conn, keys, "client", {(key, print_): RESULT})
        return True
    assert isinstance(found, Result)
    assert found.id == "e"
    return False


async def plain_rows(pool: Pool) -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM idempotency WHERE key NOT LIKE '{HASHED}%'"))


@pytest.mark.invariant("I8")
async def test_both_releases_find_what_the_other_has_done(pool: Pool) -> None:
    async with transaction(pool) as conn:
        assert await new_does(conn, BOTH, "new first")
        assert await old_does(conn, "old first")
    async with transaction(pool) as conn:
        assert not await old_does(conn, "new first")
        assert not await new_does(conn, BOTH, "old first")
        assert not await new_does(conn, HASHES, "old first")
        assert not await new_does(conn, HASHES, "new first")
        assert await idempotency.look_up(conn, HASHES, "client", [("old first", b"other")]) == {"old first": Mismatch()}
        assert await idempotency.look_up(conn, BOTH, "client", [("new first", b"other")]) == {"new first": Mismatch()}
        assert await new_does(conn, HASHES, "hashed")
    async with transaction(pool) as conn:
        # In the wrong order: what is known to this release alone becomes known to the old one, too.
        assert not await new_does(conn, BOTH, "hashed")
    async with transaction(pool) as conn:
        assert not await old_does(conn, "hashed")


@pytest.mark.invariant("I8")
async def test_the_same_key_at_both_releases_at_the_same_moment_is_done_once(pool: Pool) -> None:
    for n in range(10):

        async def at(old: bool, key: str = f"k{n}") -> bool:
            async def work(conn: Connection) -> bool:
                done = await old_does(conn, key) if old else await new_does(conn, BOTH, key)
                await asyncio.sleep(0.005)
                return done

            return await run_command(pool, work, areas=None)

        assert sum(await asyncio.gather(*(at(turn % 2 == 0) for turn in range(6)))) == 1


async def test_a_refused_command_leaves_no_row_in_either_form(pool: Pool) -> None:
    async with transaction(pool) as conn:
        assert await idempotency.look_up(conn, BOTH, "client", [("k", b"f")]) == {"k": None}
    assert await pool.fetchval("SELECT count(*) FROM idempotency") == 0


@pytest.mark.invariant("I8")
async def test_keys_of_an_earlier_release_are_hashed_while_commands_use_them(pool: Pool) -> None:
    async with transaction(pool) as conn:
        for n in range(30):
            assert await old_does(conn, f"k{n}")

    async def hashing() -> None:
        while await plain_rows(pool):
            async with transaction(pool) as conn:
                await idempotency.hash_plain(conn, 3, keys=HASHES)
                await asyncio.sleep(0.002)

    async def repeating(keys: Keys) -> None:
        for n in range(30):
            # Its row may be exchanged for the hashed one while it is looked for: then the transaction begins again.
            assert not await run_command(pool, partial(new_does, keys=keys, key=f"k{n}"), areas=None)

    await asyncio.gather(hashing(), repeating(HASHES), repeating(HASHES))
    assert await pool.fetchval("SELECT count(*) FROM idempotency") == 30
    assert await plain_rows(pool) == 0
    # With a row in both forms, the hashed one stays.
    async with transaction(pool) as conn:
        assert await new_does(conn, BOTH, "both")
    async with transaction(pool) as conn:
        assert await idempotency.hash_plain(conn, keys=HASHES) == 1
    async with transaction(pool) as conn:
        assert not await new_does(conn, HASHES, "both")


async def test_keys_are_kept_in_both_forms_while_an_old_process_is_connected_and_for_ten_minutes(
    dummy: Database, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_form, "LOOK_EVERY", 0.0)
    form = KeyForm(SECRET, "dummy")
    assert not (await form.keys(pool)).also_plain
    own = await asyncpg.connect(dummy.app_dsn, server_settings={"application_name": api_name("dummy")})
    assert not (await form.keys(pool)).also_plain
    old = await asyncpg.connect(dummy.app_dsn, server_settings={"application_name": old_name("dummy")})
    assert (await form.keys(pool)).also_plain
    async with transaction(pool) as conn:
        assert await old_does(conn, "k")
        assert await form.hash_plain(conn, 10) == 0
    await old.close()
    await own.close()
    assert (await form.keys(pool)).also_plain
    await pool.execute("UPDATE idempotency_form SET old_seen_at = clock_timestamp() - interval '11 minutes'")
    while (await form.keys(pool)).also_plain:
        # The old session is just ending.
        await pool.execute("UPDATE idempotency_form SET old_seen_at = '-infinity'")
    async with transaction(pool) as conn:
        assert await form.hash_plain(conn, 10) == 1
