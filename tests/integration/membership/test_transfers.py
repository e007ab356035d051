"""Transfers on a real database: in the past, of persons whom earlier releases wrote twice, and when one of their halves is revised."""

from __future__ import annotations

import asyncio
import itertools
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.membership.members.numbering import number_all
from shared.contracts import decode
from shared.contracts.ids import uuid7
from shared.contracts.membership import SOURCE
from shared.contracts.registry import EnterpriseRegistered, HeadcountReported
from shared.http.auth import Areas
from shared.journal import journal
from shared.problems.errors import Problem
from shared.process import db
from tests import oracle
from tests.integration.membership.service import CONTEXT, Membership, membership_of_a_test  # noqa: F401

KNOWN = date(2100, 1, 1)
DAYS = [date(2020, 12, 1) + timedelta(days=20 * n) for n in range(80)]


class Person:
    """Somebody who works at three enterprises, one after the other; each is covered by the joint union U."""

    def __init__(self, membership: Membership, union: UUID, enterprises: list[UUID]) -> None:
        self.membership, self.union, self.enterprises = membership, union, enterprises
        self.number = uuid7().hex

    async def held_on(self, day: str) -> UUID:
        """The membership on a day, as far as it is entered."""
        async with db.transaction(self.membership.pool, areas=Areas.all()) as conn:
            return UUID(
                str(
                    await conn.fetchval(
                        "SELECT id FROM memberships WHERE union_id = $1 AND period @> $2::text::date AND enterprise_id = ANY($3::uuid[])",
                        *(self.union, day, self.enterprises),
                    )
                )
            )

    async def joins(self, place: int, on: str, left: str | None = None) -> Any:
        past: dict[str, Any] = {"left_on": left, "left_reason": "retired"} if left else {}
        document = {"kind": "sample", "number": self.number}
        enterprise = self.enterprises[place]
        return await self.membership.do("member", union_id=self.union, enterprise_id=enterprise, document=document, joined_on=on, **past)

    async def transfers(self, place: int, on: str, member: UUID | None = None) -> Any:
        ids: dict[str, Any] = {
            "member_id": member or await self.held_on(on),
            "union_id": self.union,
            "enterprise_id": self.enterprises[place],
        }
        return await self.membership.do("transfer", on=on, **ids)

    async def leaves(self, on: str) -> Any:
        return await self.membership.do("leave", member_id=await self.held_on(on), on=on, reason="retired", note="…")

    async def memberships(self) -> list[Any]:
        async with db.transaction(self.membership.pool, areas=Areas.all()) as conn:
            rows = await conn.fetch("SELECT * FROM memberships WHERE union_id = $1 ORDER BY joined_on", self.union)
        return [(self.enterprises.index(row["enterprise_id"]), str(row["joined_on"]), str(row["left_on"])) for row in rows]

    async def figures(self) -> list[Any]:
        """What the enterprises add to the figures, day by day, by the slow oracle."""
        found: list[Any] = []
        for enterprise in self.enterprises:
            subject = f"enterprise/{enterprise}"
            async with db.transaction(self.membership.pool, areas=Areas.all()) as conn:
                rows = await journal.events_of(conn, subject, 0, 1000)
            data = EnterpriseRegistered(enterprise_id=enterprise, name="示例", park="P1", district="D1")
            self.membership.sequences.pop(subject, None)
            known = [self.membership.event(subject, data, "2020-01-01")]
            known.append(self.membership.event(subject, HeadcountReported(workers=30), "2021-01-01"))
            events = [decode(journal.cloud_event(row, SOURCE)) for row in rows]
            found.append([oracle.contribution(oracle.facts_known([*known, *events], KNOWN), day) for day in DAYS])
        return found


async def person_of(membership: Membership) -> Person:
    enterprises = [await membership.enterprise() for _ in range(3)]
    return Person(membership, await membership.union(*enterprises, kind="joint_union"), enterprises)


@pytest.mark.invariant("I3")
async def test_joining_transfers_and_leaving_in_every_order_are_the_same_state_and_figures(membership: Membership) -> None:
    states = []
    for later, order in itertools.product((False, True), itertools.permutations(range(3))):
        person = await person_of(membership)
        if later:
            # Who is a member now has been one before: that is entered with its end, and its transfers after.
            await person.joins(1, "2024-01-01")
        await person.joins(0, "2021-02-01", "2023-06-01" if later else None)
        for n in order:
            if n == 0:
                await person.transfers(1, "2021-08-01")
            elif n == 1:
                await person.transfers(2, "2022-05-01")
            elif not later:
                await person.leaves("2023-06-01")
        if not later:
            await person.joins(1, "2024-01-01")
        states.append((await person.memberships(), await person.figures()))
    assert all(state == states[0] for state in states)
    assert states[0][0] == [
        (0, "2021-02-01", "2021-08-01"),
        (1, "2021-08-01", "2022-05-01"),
        (2, "2022-05-01", "2023-06-01"),
        (1, "2024-01-01", "None"),
    ]
    assert {contribution[1]["members"] for contribution in states[0][1][2]} == {0, 1}


def _told(person: Person, first: UUID | str) -> list[tuple[str, None, dict[str, Any]]]:
    """Two transfers and the leaving of who joined at the first enterprise, as lines of a batch that all name that membership."""
    places = [{"union_id": str(person.union), "enterprise_id": str(enterprise)} for enterprise in person.enterprises]
    return [
        ("transfer", None, {"member_id": str(first), "on": "2021-08-01", **places[1]}),
        ("transfer", None, {"member_id": str(first), "on": "2022-05-01", **places[2]}),
        ("leave", None, {"member_id": str(first), "on": "2023-06-01", "reason": "retired"}),
    ]


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("one_batch", [False, True])
async def test_what_names_the_first_membership_of_a_chain_may_come_in_every_order(membership: Membership, one_batch: bool) -> None:
    states = []
    for order in itertools.permutations(range(3)):
        person = await person_of(membership)
        lines = _told(person, (await person.joins(0, "2021-02-01")).id)
        batches = [[lines[n] for n in order]] if one_batch else [[lines[n]] for n in order]
        outcomes = [outcome for batch in batches for outcome in await membership.batch(batch)]
        assert not [outcome for outcome in outcomes if isinstance(outcome, Problem)]
        states.append((await person.memberships(), await person.figures()))
        # The journal and the state agree: the last half of the chain can be corrected as it stands.
        (again,) = await membership.batch([lines[1]])
        assert isinstance(again, Problem)
        assert (again.code, again.errors[0].params["on"]) == ("ALREADY_TRANSFERRED", "2022-05-01")
    assert all(state == states[0] for state in states)
    assert states[0][0] == [(0, "2021-02-01", "2021-08-01"), (1, "2021-08-01", "2022-05-01"), (2, "2022-05-01", "2023-06-01")]


async def test_who_comes_back_is_entered_after_going_away_also_by_the_first_membership(membership: Membership) -> None:
    person = await person_of(membership)
    first = str((await person.joins(0, "2021-02-01")).id)
    places = [{"member_id": first, "union_id": str(person.union), "enterprise_id": str(enterprise)} for enterprise in person.enterprises]
    back, away = ("transfer", None, {"on": "2022-05-01", **places[0]}), ("transfer", None, {"on": "2021-08-01", **places[1]})
    refused, taken = await membership.batch([back, away])
    assert isinstance(refused, Problem)
    assert (refused.code, isinstance(taken, Problem)) == ("SAME_MEMBERSHIP", False)
    (returned,) = await membership.batch([back])
    assert not isinstance(returned, Problem)
    assert await person.memberships() == [(0, "2021-02-01", "2021-08-01"), (1, "2021-08-01", "2022-05-01"), (0, "2022-05-01", "None")]


async def test_commands_that_name_the_same_membership_at_the_same_time_come_to_the_same_state(membership: Membership) -> None:
    for _ in range(8):
        person = await person_of(membership)
        lines = _told(person, (await person.joins(0, "2021-02-01")).id)
        outcomes = await asyncio.gather(*(membership.batch([line]) for line in lines))
        assert not [outcome for batch in outcomes for outcome in batch if isinstance(outcome, Problem)]
        assert await person.memberships() == [
            (0, "2021-02-01", "2021-08-01"),
            (1, "2021-08-01", "2022-05-01"),
            (2, "2022-05-01", "2023-06-01"),
        ]


async def test_a_command_that_acts_on_a_later_membership_needs_its_grants_and_names_it(membership: Membership) -> None:
    here, there = await membership.enterprise("P1"), await membership.enterprise("P2")
    union = await membership.union(here, there, kind="joint_union")
    member = await membership.member(union, here)
    new = (await membership.do("transfer", member_id=member, on="2022-01-01", union_id=union, enterprise_id=there)).id
    body: dict[str, Any] = {"member_id": member, "on": "2023-01-01", "reason": "retired"}
    with pytest.raises(Problem) as refused:
        await membership.do("leave", areas=Areas(frozenset({"P1"})), **body)
    assert (refused.value.code, refused.value.errors[0].field) == ("AREA_NOT_GRANTED", "member_id")
    back: dict[str, Any] = {"member_id": member, "on": "2022-06-01", "union_id": union, "enterprise_id": here}
    with pytest.raises(Problem) as refused:
        await membership.do("transfer", areas=Areas(frozenset({"P1"})), **back)
    assert refused.value.code == "AREA_NOT_GRANTED"
    left = await membership.do("leave", areas=Areas(frozenset({"P2"})), **body)
    assert (left.id, left.subject) == (new, f"enterprise/{there}")
    assert [(one.code, one.params) for one in left.notices] == [("ACTED_ON_SUCCESSOR", {"member": new, "named": str(member)})]


async def test_a_transfer_in_the_past_needs_the_grants_of_the_end_that_it_moves(membership: Membership) -> None:
    here, there = await membership.enterprise("P1"), await membership.enterprise("P2")
    union = await membership.union(here, there, kind="joint_union")
    member = await membership.member(union, here)
    await membership.do("leave", member_id=member, on="2023-01-01", reason="retired")
    body: dict[str, Any] = {"member_id": member, "on": "2022-01-01", "union_id": union, "enterprise_id": there}
    for areas in ("P1", "P2"):
        with pytest.raises(Problem) as refused:
            await membership.do("transfer", areas=Areas(frozenset({areas})), **body)
        assert refused.value.code == "AREA_NOT_GRANTED"
    await membership.do("transfer", areas=Areas(frozenset({"P1", "P2"})), **body)


@pytest.mark.parametrize("numbered", [False, True])
async def test_a_transfer_looks_at_every_row_of_a_person_who_was_written_twice(membership: Membership, numbered: bool) -> None:
    person = await person_of(membership)
    first, second, third = person.enterprises
    for enterprise, kind, period in ((first, "passport", ("2021-02-01", None)), (second, "permit", ("2023-01-01", "2024-01-01"))):
        await _as_written_before(membership, kind, "E1234567", person.union, enterprise, period)
    if numbered:
        async with membership.pool.acquire() as conn:
            await number_all(conn, CONTEXT.person_keys)
    member = await person.held_on("2022-01-01")
    with pytest.raises(Problem) as refused:
        await person.transfers(2, "2022-01-01", member)
    assert refused.value.code == "ALREADY_MEMBER"
    assert third in person.enterprises


async def _as_written_before(membership: Membership, kind: str, number: str, union: UUID, enterprise: UUID, period: Any) -> None:
    """A person's row of release 0.1, with a membership, whose events are not needed here."""
    documents, person = CONTEXT.person_keys, uuid7()
    sealed, (version, digest) = documents.seal(person, number), documents.hashes(kind, number)[0]
    no = await membership.pool.fetchval(
        "INSERT INTO persons (id, document_kind, hash, hash_version, document, key_version) VALUES ($1, $2, $3, $4, $5, $6) RETURNING no",
        *(person, kind, digest, version, sealed.blob, sealed.key_version),
    )
    insert = (
        "INSERT INTO memberships (id, person_no, enterprise_id, union_id, joined_on, joined_rank, left_on)"
        " VALUES ($1, $2, $3, $4, $5::text::date, 1, $6::text::date)"
    )
    async with db.transaction(membership.pool, areas=Areas.all()) as conn:
        await conn.execute(insert, uuid7(), no, enterprise, union, *period)


async def _halves(membership: Membership, person: Person) -> tuple[UUID, UUID]:
    """(event of the leaving, event of the joining) of a transfer on 2022-01-01 from the first enterprise to the second."""
    await person.joins(0, "2021-02-01")
    left, joined = (await person.transfers(1, "2022-01-01")).event_ids
    return left, joined


async def test_a_half_of_a_transfer_that_is_revised_alone_names_the_other_one(membership: Membership) -> None:
    person = await person_of(membership)
    left, joined = await _halves(membership, person)
    moved = await membership.do("correction", corrects=str(joined), reason="typo", data={"joined_on": "2022-02-01"})
    (notice,) = moved.notices
    member = str(await person.held_on("2021-03-01"))
    assert (notice.code, notice.params) == ("OTHER_HALF_OF_TRANSFER", {"event": str(left), "member": member})
    # Both say the same again: nothing to warn of.
    both = await membership.do("correction", corrects=str(left), reason="typo", data={"on": "2022-02-01"})
    assert both.notices == []
    gone = await membership.do("correction", corrects=moved.id, reason="never_was", data=None)
    assert [one.params["event"] for one in gone.notices] == [both.id]
    rest = await membership.do("correction", corrects=both.id, reason="never_was", data=None)
    assert rest.notices == []
    assert await person.memberships() == [(0, "2021-02-01", "None"), (1, "None", "None")]


async def test_a_repeat_warns_of_the_other_half_again(membership: Membership) -> None:
    person = await person_of(membership)
    _, joined = await _halves(membership, person)
    body: dict[str, Any] = {"corrects": str(joined), "reason": "typo", "data": {"joined_on": "2022-02-01"}}
    first = await membership.do("correction", key="k", **body)
    assert first.notices
    assert await membership.do("correction", key="k", **body) == first
