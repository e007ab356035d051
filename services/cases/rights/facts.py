"""The facts and commands of rights cases: rows of the service's table."""

from __future__ import annotations

from typing import Any

from services.cases.entries import needs, world
from services.cases.entries.needs import Needs
from services.cases.entries.reading_fields import bounded, day_or_none, yes_or_no
from services.cases.entries.world import World
from services.cases.persons import naming
from services.cases.rights import rules
from services.cases.rights.bodies import Assign, Close, Open, Reopen, TakeStep
from services.cases.rights.case import CASE
from shared.contracts.case_codes import CASE_KINDS, CASE_SUBKINDS, CHANNELS, GROUNDS, OUTCOMES
from shared.contracts.cases.rights import CaseAssigned, CaseClosed, CaseOpened, CaseProgressed, CaseReopened
from shared.contracts.cases.rules import ClockOverdue
from shared.writing.fields import code, day, optional, whole_number
from shared.writing.table import CommandKind, FactKind, Field


def _needs_opening(wanted: Needs, command: Open) -> None:
    needs.place(wanted, command)
    needs.person(wanted, naming.named(command.reporter, naming.REPORTER, command.occurred_on))


def _fact(
    contract: type[Any], fields: dict[str, Field], *, date: str = "on", complete: Any = None, put: Any = world.put, drop: Any = world.drop
) -> FactKind[World]:
    return FactKind(
        contract=contract,
        put=put,
        drop=drop,
        date=date,
        fields=fields,
        needs=needs.fact,
        complete=complete,
        after=rules.require_whole,
    )


def _on_case(
    op: str, name: str, path: str, kind: type[Any], decide: Any, *, date: str | None = "on", doc: str | None = None
) -> CommandKind[Any, World]:
    return CommandKind(
        op=op,
        name=name,
        path=f"/cases/{{case_id}}/{path}",
        tags=["cases"],
        kind=kind,
        needs=needs.entry_of(CASE),
        permit=needs.permit_entry(CASE),
        decide=decide,
        date=date,
        doc=doc,
    )


COUNT = optional(whole_number)
FACTS = (
    _fact(
        CaseOpened,
        {
            "kind": Field("kind", code(CASE_KINDS)),
            "subkind": Field("subkind", optional(code(CASE_SUBKINDS))),
            "workers_concerned": Field("workers_concerned", COUNT),
            "common_claim": Field("common_claim", optional(yes_or_no)),
            "knew_on": Field("knew_on", day_or_none),
            "reported_on": Field("reported_on", day),
            "channel": Field("channel", optional(code(CHANNELS))),
            "amount_fen": Field("amount_fen", COUNT),
            "remuneration": Field("remuneration", optional(yes_or_no)),
        },
        date="occurred_on",
        complete=rules.complete_opened,
        put=rules.put_opened,
        drop=rules.drop_opened,
    ),
    _fact(CaseAssigned, {}),
    _fact(
        CaseProgressed,
        {
            "days": Field("days", optional(bounded(1, 30))),
            "ground": Field("ground", optional(code(GROUNDS))),
            "received_on": Field("received_on", day_or_none),
            "reply_by": Field("reply_by", day_or_none),
        },
    ),
    _fact(CaseClosed, {"outcome": Field("outcome", code(OUTCOMES)), "recovered_fen": Field("recovered_fen", COUNT)}),
    _fact(CaseReopened, {}),
    FactKind(contract=ClockOverdue, put=world.put, drop=world.drop, needs=needs.fact, correctable=False),
)
COMMANDS: tuple[CommandKind[Any, World], ...] = (
    CommandKind(
        op="case",
        name="open_case",
        path="/cases",
        tags=["cases"],
        kind=Open,
        needs=_needs_opening,
        permit=needs.permit_place,
        decide=rules.open_case,
        date="occurred_on",
    ),
    _on_case("case_step", "take_step", "steps", TakeStep, rules.take_step),
    _on_case("case_outcome", "close_case", "outcome", Close, rules.close),
    _on_case("case_reopening", "reopen_case", "reopening", Reopen, rules.reopen),
    _on_case("case_assignment", "assign_case", "assignment", Assign, rules.assign, date=None),
)
