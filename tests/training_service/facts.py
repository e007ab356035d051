"""What the service writes: a row per kind of fact, a row per command."""

from __future__ import annotations

from typing import Any

from shared.service import enterprises
from shared.writing.fields import code, whole_number
from shared.writing.table import CommandKind, FactKind, Field
from tests.training_service import rules, store
from tests.training_service.contracts import CourseCancelled, CourseFact, CourseHeld, CoursePlanned
from tests.training_service.rules import CANCELLING, TOPICS, Cancel, Hold, Plan, World
from tests.training_service.settings import TRAINING


def _fact(contract: type[CourseFact], date: str, field: Field) -> FactKind[World]:
    return FactKind(
        contract=contract,
        put=rules.put,
        drop=rules.drop,
        date=date,
        fields={field.name: field},
        needs=enterprises.needs_row("course_id"),
        after=rules.require_whole,
    )


def _end(op: str, kind: type[Any]) -> CommandKind[Any, World]:
    return CommandKind(
        op=op,
        name=f"course_{op}",
        path=f"/courses/{{course_id}}/{op}",
        tags=["courses"],
        kind=kind,
        needs=enterprises.needs_row("course_id"),
        permit=rules.permit_end,
        decide=rules.end,
        date="on",
    )


PLAN: CommandKind[Plan, World] = CommandKind(
    op="course",
    name="plan_course",
    path="/courses",
    tags=["courses"],
    kind=Plan,
    needs=enterprises.needs_enterprise,
    permit=enterprises.permit_enterprise,
    decide=rules.plan,
    date="planned_on",
)
TABLE = enterprises.enterprise_table(
    TRAINING,
    world=World,
    facts=[
        _fact(CoursePlanned, "planned_on", Field("topic", code(TOPICS))),
        _fact(CourseHeld, "on", Field("attendees", whole_number)),
        _fact(CourseCancelled, "on", Field("reason", code(CANCELLING))),
    ],
    commands=[PLAN, _end("held", Hold), _end("cancelled", Cancel)],
    widen=store.widen,
    load=store.load,
    write=store.write,
)
