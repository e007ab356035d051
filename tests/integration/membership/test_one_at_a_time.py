"""The database itself refuses two memberships of one person that share a day, and no others."""

from __future__ import annotations

import random
from datetime import date, timedelta
from itertools import pairwise
from uuid import uuid4

import asyncpg
import pytest

from services.membership.world import Membership, MembershipId, PersonNo, UnionId
from shared.directory.known import EnterpriseId
from shared.http.auth import Areas
from shared.process.db import Connection, transaction
from tests.integration.membership.service import Membership as Service
from tests.integration.membership.service import membership_of_a_test  # noqa: F401

FIRST = date(1900, 1, 1)
FAR = 2**40
"""A person's number of which neither half of a double is whole."""


def some(person: int, chance: random.Random) -> Membership:
    """A membership within a few days, ended or not, begun or not."""
    joined = FIRST + timedelta(chance.randrange(5)) if chance.random() < 0.9 else None
    left = (joined or FIRST) + timedelta(chance.randrange(4)) if chance.random() < 0.7 else None
    ids = MembershipId(uuid4()), PersonNo(person), EnterpriseId(uuid4()), UnionId(uuid4())
    return Membership(*ids, joined, 1, left, None if left is None else 2)


async def insert(service: Service, one: Membership) -> None:
    async with transaction(service.pool, areas=Areas.all()) as conn:
        await _insert(conn, one)


async def _insert(conn: Connection, one: Membership) -> None:
    await conn.execute(
        "INSERT INTO memberships (id, person_no, enterprise_id, union_id, joined_on, joined_rank, left_on, left_rank)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(one.id, one.person, one.enterprise_id, one.union_id, one.joined_on, one.joined_rank, one.left_on, one.left_rank),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_two_memberships_of_a_person_share_no_day(membership: Service, seed: int) -> None:
    chance = random.Random(seed)
    for person in range(FAR, FAR + 120, 2):
        first, second, neighbour = some(person, chance), some(person, chance), some(person + 1, chance)
        overlap = second.joined_on is not None and first.overlaps(second.joined_on, second.left_on)
        await insert(membership, first)
        await insert(membership, neighbour)
        if overlap:
            with pytest.raises(asyncpg.ExclusionViolationError):
                await insert(membership, second)
        else:
            await insert(membership, second)


async def test_a_day_that_ends_one_membership_begins_another(membership: Service) -> None:
    days = [FIRST, date(1999, 12, 31), date(2000, 1, 1), date(2024, 2, 29), None]
    for start, end in pairwise(days):
        assert start is not None
        ids = MembershipId(uuid4()), PersonNo(1), EnterpriseId(uuid4()), UnionId(uuid4())
        await insert(membership, Membership(*ids, start, 1, end, None if end is None else 2))
