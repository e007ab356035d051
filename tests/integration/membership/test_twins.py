"""The same command several times at the same moment: one is done, all get its answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.membership.facts import TABLE
from shared.http.auth import Areas
from shared.journal import idempotency
from shared.journal.idempotency import Keys, Lines, Result
from shared.journal.journal import Actor
from shared.problems.errors import Problem
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import BatchKey, Line, Outcome
from tests.integration.membership.service import CONTEXT, Membership, command, membership_of_a_test  # noqa: F401

KEYS = Keys(CONTEXT.fingerprint_key)
WORK = carrying_out(TABLE, CONTEXT, Areas.all(), Actor("tester", "api"))


async def union_of(membership: Membership) -> dict[str, str]:
    """A union and the enterprise that it covers, as fields of a body."""
    await membership.areas()
    enterprise = str(await membership.enterprise())
    made = await membership.do("union", kind="enterprise_union", seat_area="P1", approved_on="2021-01-01", enterprises=[enterprise])
    return {"union_id": made.id, "enterprise_id": enterprise}


def joining(place: dict[str, str], number: str, key: str | None, at: int = 1) -> Line[Any]:
    body = {**place, "document": {"kind": "sample", "number": number}, "joined_on": "2024-01-02"}
    return Line(command("member", body), key, idempotency.fingerprint(b"f", "POST", "member", body) if key else b"", number=at)


async def at_once(membership: Membership, keys: Keys, lines: list[Line[Any]], times: int) -> list[list[Outcome]]:
    return await asyncio.gather(*(commands.many(membership.pool, keys, "tester", lines, WORK) for _ in range(times)))


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("keys", [KEYS, Keys(CONTEXT.fingerprint_key, also_plain=True)], ids=["hashed", "both forms"])
async def test_twins_are_not_refused_for_what_one_of_them_has_done(membership: Membership, keys: Keys) -> None:
    place = await union_of(membership)
    for turn in range(5):
        answers = await at_once(membership, keys, [joining(place, f"n{turn}-{n}", f"k{turn}-{n}") for n in range(3)], 6)
        assert all(isinstance(outcome, Result) for outcomes in answers for outcome in outcomes)
        assert all(outcomes == answers[0] for outcomes in answers)
    assert await membership.pool.fetchval("SELECT count(*) FROM persons") == 15


@pytest.mark.invariant("I1")
async def test_twins_of_a_batch_with_a_key_of_its_own_get_one_answer(membership: Membership) -> None:
    place = await union_of(membership)
    lines = [joining(place, f"n{n}", None, n) for n in (1, 2)]
    batch = BatchKey("whole", b"print")
    answers = await asyncio.gather(*(commands.many(membership.pool, KEYS, "tester", lines, WORK, batch) for _ in range(6)))
    assert all(outcomes == answers[0] for outcomes in answers)
    # A batch that grew by a line refused before: its row holds all that was done.
    more = [*lines, joining(place, "n3", None, 3)]
    grown = await asyncio.gather(*(commands.many(membership.pool, KEYS, "tester", more, WORK, batch) for _ in range(4)))
    assert all(outcomes == grown[0] for outcomes in grown)
    async with membership.pool.acquire() as conn:
        kept = (await idempotency.look_up(conn, KEYS, "tester", [("whole", b"print")]))["whole"]
    assert isinstance(kept, Lines)
    assert [number for number, _ in kept.lines] == [1, 2, 3]


async def test_others_with_the_same_person_are_refused(membership: Membership) -> None:
    place = await union_of(membership)
    lines = [joining(place, "one", f"k{n}") for n in range(6)]
    answers = await asyncio.gather(*(commands.many(membership.pool, KEYS, "tester", [line], WORK) for line in lines))
    assert sum(isinstance(outcome, Result) for [outcome] in answers) == 1
    assert {outcome.code for [outcome] in answers if isinstance(outcome, Problem)} == {"ALREADY_MEMBER"}
