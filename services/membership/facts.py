"""What membership writes: a row per kind of fact, a row per command. Everything else about writing is in `shared/writing/`."""

from __future__ import annotations

from typing import Any

from services.membership import grants, loading, needs
from services.membership.members import rules as members
from services.membership.members import transfers
from services.membership.members.bodies import LeaveBody, MemberBody, TransferBody
from services.membership.members.rules import Join, Leave
from services.membership.members.transfers import Transfer
from services.membership.unions import coverage
from services.membership.unions import rules as unions
from services.membership.unions.bodies import CoverageBody, DissolutionBody, UnionBody
from services.membership.unions.commands import Cover, Dissolve, Found
from services.membership.visits import rules as visits
from services.membership.visits.bodies import VisitBody
from services.membership.visits.rules import MakeVisit
from services.membership.world import RESERVED_REASONS, World
from shared.contracts.codes import COVERAGE_ENDING, DISSOLVING, LEAVING, VISIT_OUTCOMES
from shared.contracts.membership import (
    SOURCE,
    CoverageEnded,
    CoverageStarted,
    MemberJoined,
    MemberLeft,
    UnionDissolved,
    UnionFounded,
    VisitMade,
    VisitPurpose,
)
from shared.directory import store as directory
from shared.writing.fields import area_code, code, name, one_of, optional
from shared.writing.table import CommandKind, Corrections, FactKind, Field, Table

NAME = Field("name", optional(name))
SEAT = Field("seat_area", area_code)

FACTS: tuple[FactKind[World], ...] = (
    FactKind(
        contract=UnionFounded,
        put=unions.put_founded,
        drop=unions.drop_founded,
        date="approved_on",
        fields={"name": NAME, "seat_area": SEAT},
        needs=needs.founded,
        before=coverage.require_union,
        complete=unions.complete_founded,
        after=unions.require_whole,
    ),
    FactKind(
        contract=UnionDissolved,
        put=unions.put_dissolved,
        drop=unions.drop_dissolved,
        fields={"reason": Field("reason", code(DISSOLVING))},
        before=unions.require_own_dissolution,
        follow=unions.follow_dissolution,
        after=unions.require_whole,
    ),
    FactKind(
        contract=CoverageStarted,
        put=coverage.put,
        drop=coverage.drop,
        needs=needs.covered,
        also=grants.seat,
        before=coverage.require_union,
        follow=coverage.follow_start,
        after=coverage.require_whole,
    ),
    FactKind(
        contract=CoverageEnded,
        put=coverage.put,
        drop=coverage.drop,
        fields={"reason": Field("reason", code(COVERAGE_ENDING))},
        needs=needs.covered,
        also=grants.seat,
        before=coverage.require_union,
        after=coverage.require_whole,
    ),
    FactKind(
        contract=MemberJoined,
        put=members.put_joined,
        drop=members.drop_joined,
        date="joined_on",
        needs=needs.member,
        before=members.require_member,
        after=members.require_whole,
        warn=transfers.warn_of_joining,
    ),
    FactKind(
        contract=MemberLeft,
        put=members.put_left,
        drop=members.drop_left,
        fields={"reason": Field("reason", code(LEAVING))},
        needs=needs.member,
        before=members.require_member,
        after=members.require_whole,
        warn=transfers.warn_of_other_half,
    ),
    FactKind(
        contract=VisitMade,
        listed=True,
        date="visited_on",
        fields={"purpose": Field("purpose", one_of(VisitPurpose)), "outcome": Field("outcome", optional(code(VISIT_OUTCOMES)))},
    ),
)

COMMANDS: tuple[CommandKind[Any, World], ...] = (
    CommandKind(
        op="union",
        name="found_union",
        doc="The next higher union approved a union: it exists from `approved_on`, and covers `enterprises` from then on.",
        path="/unions",
        tags=["unions"],
        body=UnionBody,
        command=UnionBody.command,
        kind=Found,
        needs=needs.found,
        permit=grants.found,
        decide=unions.decide_found,
        date="approved_on",
    ),
    CommandKind(
        op="coverage",
        rows="coverage",
        name="change_coverage",
        doc="The union begins or ceases to cover an enterprise.",
        path="/unions/{union_id}/coverage",
        tags=["unions"],
        body=CoverageBody,
        command=CoverageBody.of,
        kind=Cover,
        needs=needs.cover,
        permit=grants.cover,
        decide=unions.decide_cover,
        date="on",
    ),
    CommandKind(
        op="dissolution",
        name="dissolve_union",
        doc="The union ends, and with it its coverage of every enterprise.",
        path="/unions/{union_id}/dissolution",
        tags=["unions"],
        body=DissolutionBody,
        command=DissolutionBody.of,
        kind=Dissolve,
        needs=needs.dissolve,
        permit=grants.dissolve,
        decide=unions.decide_dissolve,
        date="on",
    ),
    CommandKind(
        op="member",
        name="join_member",
        doc="A person becomes a member at an enterprise that the union covers.",
        path="/members",
        tags=["members"],
        body=MemberBody,
        command=MemberBody.command,
        kind=Join,
        needs=needs.join,
        permit=grants.join,
        decide=members.decide_join,
        date="joined_on",
    ),
    CommandKind(
        op="leave",
        name="leave_member",
        doc="The member leaves.",
        path="/members/{member_id}/leave",
        tags=["members"],
        body=LeaveBody,
        command=LeaveBody.of,
        kind=Leave,
        needs=needs.leave,
        permit=grants.leave,
        decide=members.decide_leave,
        date="on",
    ),
    CommandKind(
        op="transfer",
        name="transfer_member",
        doc="The member goes to another union or enterprise; the answer's `id` is the new membership.",
        path="/members/{member_id}/transfer",
        tags=["members"],
        body=TransferBody,
        command=TransferBody.of,
        kind=Transfer,
        needs=needs.transfer,
        permit=grants.transfer,
        decide=transfers.decide_transfer,
        date="on",
    ),
    CommandKind(
        op="visit",
        name="make_visit",
        doc="An organiser visited an enterprise.",
        path="/visits",
        tags=["visits"],
        body=VisitBody,
        command=VisitBody.command,
        kind=MakeVisit,
        needs=visits.needs,
        permit=visits.permit,
        decide=visits.decide,
        date="visited_on",
    ),
)

TABLE = Table(
    service="membership",
    source=SOURCE,
    facts=FACTS,
    commands=COMMANDS,
    corrections=Corrections(permit=grants.correct, needs=needs.correction, stream=needs.stream, reserved=RESERVED_REASONS),
    world=World,
    needs=needs.needs_of,
    widen=loading.widen,
    locks=loading.LOCKS,
    places=grants.places,
    paths=directory.paths,
    load=loading.load,
    prepare=loading.prepare,
    write=loading.write,
    batch_doc="Up to 1,000 commands in one transaction. Ids of paths stand in the body, as `union_id` and `member_id`.",
)
