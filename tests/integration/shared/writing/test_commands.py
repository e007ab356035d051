"""Commands are carried out once, in one batch and for later ones, whatever the service does with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.journal.idempotency import Keys, Result, fingerprint
from shared.problems.errors import Problem, Unprocessable
from shared.process.db import Connection, Pool, transaction
from shared.writing import commands
from shared.writing.commands import Line, Outcome

KEYS = Keys(b"secret")


class Clerk:
    """Writes a note per line; a line whose text is `bad` is refused, after it has written."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def __call__(self, conn: Connection, lines: Sequence[Line[str]]) -> list[Outcome]:
        self.batches.append([line.command for line in lines])
        await conn.executemany("INSERT INTO notes (note_id, text) VALUES ($1, $2)", [(uuid7(), line.command) for line in lines])
        return [
            Unprocessable("INVALID_VALUE") if line.command == "bad" else Result(line.command, f"note/{line.command}", 1, [uuid7()])
            for line in lines
        ]

    async def repeats(self, conn: Connection, results: Sequence[Result]) -> list[Problem | None]:
        return [None for _ in results]


def line(text: str, key: str | None = None) -> Line[str]:
    return Line(text, key, fingerprint(b"k", "POST", "/", text) if key else b"")


def said(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.code if isinstance(outcome, Problem) else outcome.id for outcome in outcomes]


async def notes(pool: Pool) -> int:
    async with transaction(pool, areas=Areas.all()) as conn:
        return int(await conn.fetchval("SELECT count(*) FROM notes"))


@pytest.mark.invariant("I1")
async def test_a_key_repeated_in_one_batch_is_done_once_and_only_a_later_other_body_is_refused(pool: Pool) -> None:
    clerk = Clerk()
    lines = [line("a", "k1"), line("b"), line("a", "k1"), line("c", "k1"), line("b"), line("d", "k2"), line("a", "k1")]
    outcomes = await commands.many(pool, KEYS, "client", lines, clerk)
    assert said(outcomes) == ["a", "b", "a", "IDEMPOTENCY_KEY_REUSED", "b", "d", "a"]
    assert clerk.batches == [["a", "b", "b", "d"]]
    assert outcomes[0] == outcomes[2] == outcomes[6]
    reused = outcomes[3]
    assert isinstance(reused, Problem)
    assert reused.errors[0].field == "Idempotency-Key"


async def test_a_repeat_answers_the_first_result_and_carries_out_nothing(pool: Pool) -> None:
    clerk = Clerk()
    first = await commands.one(pool, KEYS, "client", line("a", "k"), clerk)
    assert await commands.one(pool, KEYS, "client", line("a", "k"), clerk) == first
    assert await commands.one(pool, KEYS, "another", line("a", "k"), clerk) != first
    with pytest.raises(Unprocessable, match="IDEMPOTENCY_KEY_REUSED"):
        await commands.one(pool, KEYS, "client", line("b", "k"), clerk)
    assert clerk.batches == [["a"], ["a"]]


async def test_a_refused_line_frees_its_key_and_repeats_in_its_batch_are_refused_alike(pool: Pool) -> None:
    clerk = Clerk()
    outcomes = await commands.many(pool, KEYS, "client", [line("bad", "k"), line("bad", "k"), line("good", "k")], clerk)
    assert said(outcomes) == ["INVALID_VALUE", "INVALID_VALUE", "IDEMPOTENCY_KEY_REUSED"]
    assert said(await commands.many(pool, KEYS, "client", [line("good", "k")], clerk)) == ["good"]


async def test_nothing_stays_of_one_command_that_is_refused(pool: Pool) -> None:
    clerk = Clerk()
    with pytest.raises(Unprocessable, match="INVALID_VALUE"):
        await commands.one(pool, KEYS, "client", line("bad", "k"), clerk)
    assert await notes(pool) == 0
    assert await pool.fetchval("SELECT count(*) FROM idempotency") == 0


@pytest.mark.invariant("I1")
async def test_the_same_key_twenty_times_at_once_is_done_once(pool: Pool) -> None:
    clerk = Clerk()
    results = await asyncio.gather(*(commands.one(pool, KEYS, "client", line("a", "k"), clerk) for _ in range(20)))
    assert len({result.event_ids[0] for result in results}) == 1
    assert await notes(pool) == 1
