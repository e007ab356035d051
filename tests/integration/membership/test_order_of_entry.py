"""The same facts, entered in any order through the commands' bodies into a real database: the same state and the same figures."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import decode
from shared.contracts.ids import uuid7
from shared.contracts.membership import SOURCE
from shared.contracts.registry import EnterpriseClosed, EnterpriseRegistered, HeadcountReported
from shared.http.auth import Areas
from shared.journal import journal
from shared.problems.errors import Problem
from shared.process import db
from tests import oracle
from tests.integration.membership.service import Membership, membership_of_a_test  # noqa: F401

KNOWN = date(2100, 1, 1)
DAYS = [date(2020, 12, 1) + timedelta(days=15 * n) for n in range(90)]
Entry = Callable[[], Awaitable[Any]]


class Case:
    """One enterprise E with another, X, in a joint union U; and the facts that are entered about them."""

    def __init__(self, membership: Membership, enterprise: UUID, other: UUID, union: UUID) -> None:
        self.membership, self.enterprise, self.other, self.union = membership, enterprise, other, union
        self.registered: list[Any] = []
        self.person = uuid7().hex

    def member(self, joined: str, left: str | None = None) -> Entry:
        past: dict[str, Any] = {"left_on": left, "left_reason": "retired"} if left else {}
        body: dict[str, Any] = {"union_id": str(self.union), "enterprise_id": str(self.enterprise), "joined_on": joined, **past}
        return lambda: self.membership.do("member", **body, document={"kind": "sample", "number": self.person})

    def covered(self, on: str, until: str | None) -> Entry:
        body: dict[str, Any] = {"union_id": str(self.union), "enterprise_id": str(self.other), "on": on, "started": True, "ended_on": until}
        return lambda: self.membership.do("coverage", **body)

    def ended(self, on: str) -> Entry:
        body: dict[str, Any] = {"union_id": str(self.union), "enterprise_id": str(self.enterprise), "on": on, "ended": True}
        return lambda: self.membership.do("coverage", **body)

    def own_union(self, on: str, until: str | None) -> Entry:
        past: dict[str, Any] = {"dissolved_on": until, "dissolved_reason": "merged"} if until else {}
        body: dict[str, Any] = {
            "kind": "enterprise_union",
            "seat_area": "P1",
            "approved_on": on,
            "enterprises": [str(self.enterprise)],
            **past,
        }
        return lambda: self.membership.do("union", **body)

    def dissolved(self, on: str) -> Entry:
        return lambda: self.membership.do("dissolution", union_id=self.union, on=on, reason="merged")

    def closed(self, enterprise: UUID, on: str) -> Entry:
        async def close() -> None:
            self.registered += await self.membership.receive((f"enterprise/{enterprise}", EnterpriseClosed(reason="bankrupt"), on))

        return close

    async def figures(self) -> list[Any]:
        """What both enterprises add to the figures, day by day, by the slow oracle; and how the joint union ended."""
        found: list[Any] = []
        for enterprise in (self.enterprise, self.other):
            subject = f"enterprise/{enterprise}"
            async with db.transaction(self.membership.pool, areas=Areas.all()) as conn:
                rows = await journal.events_of(conn, subject, 0, 1000)
            events = [decode(journal.cloud_event(row, SOURCE)) for row in rows]
            facts = oracle.facts_known([*(e for e in self.registered if e.subject == subject), *events], KNOWN)
            found.append([oracle.contribution(facts, day) for day in DAYS])
        ended = "SELECT dissolved_on, dissolved_reason FROM unions WHERE id = $1"
        async with db.transaction(self.membership.pool, areas=Areas.all()) as conn:
            found += [tuple(row) for row in await conn.fetch(ended, self.union)]
        return found


async def case_of(membership: Membership) -> Case:
    registered: list[Any] = []
    enterprises: list[UUID] = []
    for _ in range(2):
        enterprise = uuid7()
        data = EnterpriseRegistered(enterprise_id=enterprise, name="示例", park="P1", district="D1")
        registered += await membership.receive((f"enterprise/{enterprise}", data, "2020-01-01"))
        registered.append(membership.event(f"enterprise/{enterprise}", HeadcountReported(workers=30), "2021-01-01"))
        enterprises.append(enterprise)
    union = await membership.union(enterprises[0], kind="joint_union", on="2021-01-01")
    case = Case(membership, enterprises[0], enterprises[1], union)
    case.registered = registered
    return case


def entries_of(case: Case) -> list[Entry]:
    return [
        case.member("2021-02-01", "2021-06-01"),
        case.member("2021-06-01", "2022-01-01"),
        case.member("2022-03-01"),
        case.covered("2021-03-01", "2021-09-01"),
        case.covered("2021-09-01", "2022-09-01"),
        case.own_union("2021-01-01", "2021-12-31"),
        case.own_union("2022-02-01", None),
        case.ended("2023-06-01"),
        case.closed(case.enterprise, "2024-01-01"),
    ]


@pytest.mark.invariant("I3")
async def test_in_whatever_order_facts_are_entered_the_figures_are_the_same(membership: Membership) -> None:
    orders = [list(range(9)), list(range(9))[::-1]]
    orders += [random.Random(seed).sample(range(9), 9) for seed in range(6)]
    figures = []
    for order in orders:
        case = await case_of(membership)
        entries = entries_of(case)
        for n in order:
            await entries[n]()
        figures.append(await case.figures())
    assert all(one == figures[0] for one in figures)
    members = Counter(contribution[1]["members"] for contribution in figures[0][0] if contribution is not None)
    assert set(members) == {0, 1}


@pytest.mark.invariant("I3")
async def test_what_comes_after_a_closure_an_end_or_a_dissolution_may_be_entered_before_and_after_it(membership: Membership) -> None:
    figures, warned = [], set[str]()
    for seed in range(8):
        case = await case_of(membership)
        entries = [
            case.ended("2022-06-01"),
            case.member("2021-02-01", "2022-09-01"),
            case.member("2022-09-01"),
            case.covered("2021-03-01", "2021-09-01"),
            case.covered("2022-03-01", None),
            case.closed(case.other, "2022-01-01"),
            case.closed(case.enterprise, "2023-06-01"),
            case.dissolved("2023-01-01"),
        ]
        for entry in random.Random(seed).sample(entries, len(entries)):
            answer = await entry()
            warned |= {getattr(one, "code", one) for one in (*answer.warnings, *answer.notices)} if answer is not None else set()
        figures.append(await case.figures())
    assert all(one == figures[0] for one in figures)
    assert warned == {"NO_LONGER_COVERED", "AFTER_CLOSURE", "ENDS_WITH_UNION"}


@pytest.mark.parametrize("turned", [False, True])
async def test_lines_of_one_batch_may_come_in_any_order(membership: Membership, turned: bool) -> None:
    case = await case_of(membership)
    named = {"union_id": str(case.union), "enterprise_id": str(case.other), "started": True}
    bodies = [{**named, "on": "2021-09-01"}, {**named, "on": "2021-03-01", "ended_on": "2021-09-01"}]
    outcomes = await membership.batch([("coverage", None, body) for body in (bodies[::-1] if turned else bodies)])
    assert not [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    figures = await case.figures()
    covered = [contribution is not None and contribution[1]["covered_units"] for contribution in figures[1]]
    assert covered == [day >= date(2021, 3, 1) for day in DAYS]


@pytest.mark.parametrize("turned", [False, True])
async def test_what_overlaps_is_refused_in_every_order_and_changes_nothing(membership: Membership, turned: bool) -> None:
    case = await case_of(membership)
    pairs = [
        (case.member("2021-02-01"), case.member("2021-06-01", "2022-01-01"), "ALREADY_MEMBER"),
        (case.covered("2021-03-01", "2021-09-01"), case.covered("2021-08-31", "2022-01-01"), "COVERAGE_ORDER"),
        (case.own_union("2021-01-01", "2021-12-31"), case.own_union("2021-06-01", None), "ALREADY_COVERED"),
    ]
    for first, second, code in pairs:
        one, other = (second, first) if turned else (first, second)
        await one()
        before = await membership.count("journal")
        with pytest.raises(Problem) as refused:
            await other()
        assert (refused.value.code, refused.value.status) == (code, 409)
        assert await membership.count("journal") == before


@pytest.mark.parametrize(
    ("op", "changes", "code", "field"),
    [
        ("member", {"left_on": "2021-03-01"}, "FIELD_REQUIRED", "left_reason"),
        ("member", {"left_reason": "retired"}, "FIELD_REQUIRED", "left_on"),
        ("member", {"left_on": "2021-01-31", "left_reason": "retired"}, "BEFORE_JOINING", "left_on"),
        ("member", {"left_on": "2999-01-01", "left_reason": "retired"}, "DATE_OUT_OF_RANGE", "left_on"),
        ("member", {"left_on": "2021-03-01", "left_reason": "11010519491231002X"}, "REASON_NOT_LISTED", "left_reason"),
        ("member", {"left_on": "2021-03-01", "left_reason": "transfer"}, "RESERVED_REASON", "left_reason"),
        ("union", {"dissolved_on": "2021-03-01"}, "FIELD_REQUIRED", "dissolved_reason"),
        ("union", {"dissolved_reason": "merged"}, "FIELD_REQUIRED", "dissolved_on"),
        ("union", {"dissolved_on": "2020-12-31", "dissolved_reason": "merged"}, "BEFORE_FOUNDING", "dissolved_on"),
        ("union", {"dissolved_on": "2999-01-01", "dissolved_reason": "merged"}, "DATE_OUT_OF_RANGE", "dissolved_on"),
        ("coverage", {"ended_on": "2021-02-01"}, "ENDED_BEFORE_IT_BEGAN", "ended_on"),
        ("coverage", {"ended_on": "2999-01-01"}, "DATE_OUT_OF_RANGE", "ended_on"),
    ],
)
async def test_what_is_wrong_with_an_end_is_named(membership: Membership, op: str, changes: dict[str, Any], code: str, field: str) -> None:
    case = await case_of(membership)
    bodies: dict[str, dict[str, Any]] = {
        "member": {
            "union_id": case.union,
            "enterprise_id": case.enterprise,
            "document": {"kind": "sample", "number": case.person},
            "joined_on": "2021-02-01",
        },
        "union": {"kind": "enterprise_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(case.enterprise)]},
        "coverage": {"union_id": case.union, "enterprise_id": case.other, "on": "2021-02-01", "started": True},
    }
    before = await membership.count("journal")
    with pytest.raises(Problem) as refused:
        await membership.do(op, **bodies[op], **changes)
    assert (refused.value.code, refused.value.errors[0].field, refused.value.status) == (code, field, 422)
    assert await membership.count("journal") == before
