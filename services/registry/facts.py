"""The registry in one table: its facts and its commands."""

from __future__ import annotations

from typing import Any

from services.registry import grants, loading, needs
from services.registry.areas import rules as areas
from services.registry.areas import store as area_store
from services.registry.areas.area import RegisterArea
from services.registry.areas.bodies import AreaBody
from services.registry.enterprises import corrections, fields, sizing
from services.registry.enterprises import rules as enterprises
from services.registry.enterprises.bodies import ClassificationBody, ClosureBody, EnterpriseBody, HeadcountBody, MoveBody
from services.registry.enterprises.rules import Close, Move, Reclassify, RegisterEnterprise, ReportHeadcount
from services.registry.needs import Needs
from services.registry.world import World
from shared.contracts.registry import (
    SOURCE,
    AreaRegistered,
    EnterpriseClosed,
    EnterpriseMoved,
    EnterpriseReclassified,
    EnterpriseRegistered,
    HeadcountReported,
)
from shared.writing.fields import area_code, name, optional
from shared.writing.table import CommandKind, Corrections, FactKind, Field, Locks, Table, named_streams

PARK = Field("park", area_code)
INDUSTRY = Field("industry", fields.industry)
OWNERSHIP = Field("ownership", fields.ownership)

FACTS: list[FactKind[World]] = [
    FactKind(
        contract=AreaRegistered,
        put=areas.put,
        drop=areas.drop,
        date="valid_from",
        fields={"name": Field("name", name), "parent": Field("parent", optional(area_code))},
        before=areas.require_unused,
        complete=areas.complete,
    ),
    FactKind(
        contract=EnterpriseRegistered,
        put=enterprises.put,
        drop=enterprises.drop,
        date=corrections.SETTLED_ON,
        fields={
            "name": Field("name", name, placeless=True),
            "credit_code": Field("credit_code", fields.credit_code, placeless=True),
            "registration_number": Field("registration_number", fields.registration_number, placeless=True),
            "park": PARK,
            "industry": INDUSTRY,
            "ownership": OWNERSHIP,
        },
        before=corrections.require_known,
        complete=corrections.complete_registration,
        follow=sizing.follow,
        after=corrections.require_registration_last,
    ),
    FactKind(
        contract=HeadcountReported,
        put=enterprises.put,
        drop=enterprises.drop,
        fields={"workers": Field("workers", fields.workers)},
        before=corrections.require_known,
        complete=corrections.complete_headcount,
        follow=sizing.follow,
        after=corrections.require_whole,
        warn=corrections.warn,
    ),
    FactKind(
        contract=EnterpriseMoved,
        put=enterprises.put,
        drop=enterprises.drop,
        fields={"park": PARK},
        before=corrections.require_known,
        complete=corrections.complete_move,
        after=corrections.require_whole,
        warn=corrections.warn,
    ),
    FactKind(
        contract=EnterpriseReclassified,
        put=enterprises.put,
        drop=enterprises.drop,
        fields={"industry": INDUSTRY, "ownership": OWNERSHIP, "revenue": Field("revenue_fen", fields.revenue_fen)},
        before=corrections.require_known,
        complete=corrections.complete_classification,
        follow=sizing.follow,
        after=corrections.require_whole,
        warn=corrections.warn,
    ),
    FactKind(
        contract=EnterpriseClosed,
        put=enterprises.put,
        drop=enterprises.drop,
        fields={"reason": Field("reason", fields.reason_code)},
        before=corrections.require_known,
        after=corrections.require_whole,
        warn=corrections.warn,
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
        needs=needs.register_area,
        permit=grants.register_area,
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
        needs=needs.register_enterprise,
        permit=grants.register_enterprise,
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
        needs=needs.change,
        permit=grants.change,
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
        needs=needs.move,
        permit=grants.move,
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
        needs=needs.change,
        permit=grants.change,
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
        needs=needs.change,
        permit=grants.change,
        decide=enterprises.close,
    ),
]


TABLE: Table[World, Needs] = Table(
    service="registry",
    source=SOURCE,
    facts=FACTS,
    commands=COMMANDS,
    corrections=Corrections(permit=grants.correct, needs=needs.correction, stream=needs.stream),
    world=World,
    needs=needs.needs_of,
    widen=loading.lock_tree,
    locks=[Locks(wanted=named_streams)],
    places=grants.places,
    paths=area_store.paths,
    load=loading.load,
    write=loading.write,
    whole_streams=True,
    batch_separator="#",
    batch_name="carry_out_batch",
    batch_doc="Many commands in one transaction; a refused line changes nothing and stops no other.",
)
