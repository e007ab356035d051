"""The registry in one table: its facts and its commands."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.registry import fields as shared_fields
from services.registry import loading
from services.registry.areas import rules as areas
from services.registry.areas.area import RegisterArea
from services.registry.areas.bodies import AreaBody
from services.registry.enterprises import corrections, fields
from services.registry.enterprises import rules as enterprises
from services.registry.enterprises.bodies import ClassificationBody, ClosureBody, EnterpriseBody, HeadcountBody, MoveBody
from services.registry.enterprises.commands import Close, Move, Reclassify, RegisterEnterprise, ReportHeadcount
from services.registry.world import Needs, World
from shared.contracts.registry import (
    SOURCE,
    AreaRegistered,
    EnterpriseClosed,
    EnterpriseMoved,
    EnterpriseReclassified,
    EnterpriseRegistered,
    HeadcountReported,
)
from shared.writing.facts import Standing
from shared.writing.fields import optional
from shared.writing.table import Access, CommandKind, Correct, Corrections, FactKind, Field, Locks, Table, named_streams

PARK = Field("park", shared_fields.area_code)
INDUSTRY = Field("industry", fields.industry)
OWNERSHIP = Field("ownership", fields.ownership)

FACTS: list[FactKind[World]] = [
    FactKind(
        contract=AreaRegistered,
        put=areas.put,
        drop=areas.drop,
        date="valid_from",
        fields={"name": Field("name", shared_fields.name), "parent": Field("parent", optional(shared_fields.area_code))},
        before=areas.require_unused,
        complete=areas.complete,
    ),
    FactKind(
        contract=EnterpriseRegistered,
        put=enterprises.put,
        drop=enterprises.drop,
        date=corrections.SETTLED_ON,
        fields={
            "name": Field("name", shared_fields.name),
            "credit_code": Field("credit_code", fields.credit_code),
            "park": PARK,
            "industry": INDUSTRY,
            "ownership": OWNERSHIP,
        },
        before=corrections.require_known,
        complete=corrections.complete_registration,
        after=corrections.require_registration_last,
    ),
    FactKind(
        contract=HeadcountReported,
        put=enterprises.put,
        drop=enterprises.drop,
        fields={"workers": Field("workers", fields.workers)},
        before=corrections.require_known,
        complete=corrections.complete_headcount,
        after=corrections.require_whole,
    ),
    FactKind(
        contract=EnterpriseMoved,
        put=enterprises.put,
        drop=enterprises.drop,
        fields={"park": PARK},
        before=corrections.require_known,
        complete=corrections.complete_move,
        after=corrections.require_whole,
    ),
    FactKind(
        contract=EnterpriseReclassified,
        put=enterprises.put,
        drop=enterprises.drop,
        fields={"industry": INDUSTRY, "ownership": OWNERSHIP, "revenue": Field("revenue_fen", fields.revenue_fen)},
        before=corrections.require_known,
        complete=corrections.complete_classification,
        after=corrections.require_whole,
    ),
    FactKind(
        contract=EnterpriseClosed,
        put=enterprises.put,
        drop=enterprises.drop,
        fields={"reason": Field("reason", fields.reason_code)},
        before=corrections.require_known,
        after=corrections.require_whole,
    ),
]

COMMANDS: list[CommandKind[Any, World]] = [
    CommandKind(
        op="area",
        name="register_area",
        doc="A division, or a park that lies in one. Its parent must be granted; a root needs everything.",
        path="/areas",
        tags=["areas"],
        body=AreaBody,
        command=AreaBody.command,
        kind=RegisterArea,
        needs=areas.needs,
        permit=areas.permit,
        decide=areas.register,
    ),
    CommandKind(
        op="enterprise",
        name="register_enterprise",
        doc="An enterprise settled in a park. A name that the park has already comes with the warning PROBABLE_DUPLICATE.",
        path="/enterprises",
        tags=["enterprises"],
        body=EnterpriseBody,
        command=EnterpriseBody.command,
        kind=RegisterEnterprise,
        needs=enterprises.needs_registration,
        permit=enterprises.permit_registration,
        decide=enterprises.register,
    ),
    CommandKind(
        op="headcount",
        name="report_headcount",
        doc="So many workers on a day; of several reports for one day the last one counts.",
        path="/enterprises/{enterprise_id}/headcounts",
        tags=["enterprises"],
        body=HeadcountBody,
        command=HeadcountBody.of,
        kind=ReportHeadcount,
        needs=enterprises.needs_change,
        permit=enterprises.permit_change,
        decide=enterprises.report,
    ),
    CommandKind(
        op="move",
        name="move_enterprise",
        doc="To another park, from a day on.",
        path="/enterprises/{enterprise_id}/moves",
        tags=["enterprises"],
        body=MoveBody,
        command=MoveBody.of,
        kind=Move,
        needs=enterprises.needs_move,
        permit=enterprises.permit_move,
        decide=enterprises.move,
    ),
    CommandKind(
        op="classification",
        name="reclassify_enterprise",
        doc="Industry, ownership or yearly revenue (in yuan) from a day on; the size class is decided anew.",
        path="/enterprises/{enterprise_id}/classifications",
        tags=["enterprises"],
        body=ClassificationBody,
        command=ClassificationBody.of,
        kind=Reclassify,
        needs=enterprises.needs_change,
        permit=enterprises.permit_change,
        decide=enterprises.reclassify,
    ),
    CommandKind(
        op="closure",
        name="close_enterprise",
        doc="The enterprise operates no longer, from a day on.",
        path="/enterprises/{enterprise_id}/closure",
        tags=["enterprises"],
        body=ClosureBody,
        command=ClosureBody.of,
        kind=Close,
        needs=enterprises.needs_change,
        permit=enterprises.permit_change,
        decide=enterprises.close,
    ),
]


def permit_correction(world: World, standing: Standing, command: Correct, access: Access) -> None:
    """The area of the fact must be granted, and those that the correction names. A fact of a withdrawn enterprise needs every area."""
    kind, _, key = standing.subject.partition("/")
    enterprise = world.enterprises.get(UUID(key)) if kind == "enterprise" else None
    access.area(world, key if kind == "area" else enterprise.park if enterprise else None, "corrects")
    access.resource(world, standing.subject, world.history(standing.subject).etag)
    data = command.data or {}
    for name in ("park", "parent"):
        if name in data and (data[name] is None or isinstance(data[name], str)):
            access.area(world, data[name], f"data.{name}")


def needs_correction(needs: Needs, command: Correct) -> None:
    """The areas and the credit code that the changed fields name, if they are of the right form."""
    data = command.data or {}
    needs.areas |= {value for name in ("park", "parent") if isinstance(value := data.get(name), str)}
    if isinstance(code := data.get("credit_code"), str):
        needs.credit_codes.add(code.upper())


def needs_stream(needs: Needs, subject: str) -> None:
    """The tree of areas; of an area that is corrected or withdrawn, all that lies in it."""
    kind, _, key = subject.partition("/")
    needs.tree = True
    if kind == "area":
        needs.changed_areas.add(key)


TABLE: Table[World, Needs] = Table(
    service="registry",
    source=SOURCE,
    facts=FACTS,
    commands=COMMANDS,
    corrections=Corrections(permit=permit_correction, needs=needs_correction, stream=needs_stream),
    world=World,
    needs=lambda _context: Needs(),
    widen=loading.lock_tree,
    locks=[Locks(wanted=named_streams)],
    load=loading.load,
    write=loading.write,
    whole_streams=True,
    batch_separator="#",
    batch_name="carry_out_batch",
    batch_doc="Many commands in one transaction; a refused line changes nothing and stops no other.",
)
