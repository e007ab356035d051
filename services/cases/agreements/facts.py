"""The facts and commands of agreements: rows of the service's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.agreements import bodies as c
from services.cases.agreements import contract_rules as contracts
from services.cases.agreements import negotiation_rules as negotiations
from services.cases.agreements import rules
from services.cases.agreements.registers import CONTRACT, NEGOTIATION
from services.cases.entries import copies, needs, world
from services.cases.entries.noun import Noun
from services.cases.entries.reading_fields import day_or_none, yes_or_no
from services.cases.entries.world import World
from shared.contracts.case_codes import CONTRACT_ENDING, NEGOTIATION_RESULTS
from shared.contracts.cases import agreements as said
from shared.writing.fields import code, day, one_of, optional, whole_number
from shared.writing.table import CommandKind, FactKind, Field

Complete = Callable[[World, Any, Mapping[str, Any]], Any]
COUNT = optional(whole_number)


def _inviter(value: Any) -> str | None:
    found = optional(one_of(c.Inviter))(value)
    return None if found is None else str(found.value)


def _fact(contract: type[Any], fields: dict[str, Field], *, date: str, complete: Complete | None = None) -> FactKind[World]:
    """A fact of a register whose entries are one fact."""
    return FactKind(contract=contract, put=world.put, drop=world.drop, date=date, fields=fields, needs=needs.fact, complete=complete)


def _contract_fact(contract: type[Any], fields: dict[str, Field] | None = None, **more: Any) -> FactKind[World]:
    """A fact of a contract, which stands on the stream of each of its enterprises."""
    return FactKind(
        contract=contract,
        put=world.put,
        drop=world.drop,
        fields=fields or {},
        needs=needs.fact,
        before=copies.require_one,
        follow=copies.follow,
        after=contracts.after,
        **more,
    )


FACTS: tuple[FactKind[World], ...] = (
    FactKind(
        contract=said.NegotiationProgressed,
        put=world.put,
        drop=world.drop,
        fields={
            "received_on": Field("received_on", day_or_none),
            "invited_by": Field("invited_by", _inviter),
            "agreed": Field("agreed", yes_or_no),
            "result": Field("result", code(NEGOTIATION_RESULTS)),
        },
        needs=needs.fact,
        complete=negotiations.complete,
        after=negotiations.after,
    ),
    _contract_fact(
        said.ContractSigned,
        {
            "term_until": Field("term_until", day),
            "approval_notified_on": Field("approval_notified_on", day_or_none),
            "workers": Field("workers", COUNT),
        },
        date="signed_on",
        complete=contracts.complete_signed,
        warn=contracts.warn_signed,
    ),
    *map(_contract_fact, (said.ContractSubmitted, said.ContractReceived, said.ContractObjected, said.ContractPublished)),
    _contract_fact(said.ContractTerminated, {"reason": Field("reason", optional(code(CONTRACT_ENDING)))}),
    _contract_fact(said.ContractEffective, correctable=False),
    _contract_fact(said.ContractExpired, correctable=False),
    _fact(
        said.PactSigned,
        {"workers": Field("workers", COUNT), "until": Field("until", day_or_none)},
        date="signed_on",
        complete=rules.complete_pact,
    ),
    _fact(said.TripartiteHeld, {}, date="held_on"),
    _fact(said.CongressHeld, {"delegates": Field("delegates", COUNT)}, date="held_on"),
)


def _new(
    op: str, name: str, path: str, tag: str, kind: type[Any], decide: Any, date: str, asks: Any = needs.place, rows: str = ""
) -> CommandKind[Any, World]:
    return CommandKind(
        op=op, rows=rows, name=name, path=path, tags=[tag], kind=kind, needs=asks, permit=needs.permit_place, decide=decide, date=date
    )


def _on(noun: Noun, segment: str, name: str, kind: type[Any], decide: Any, *, rows: str = "") -> CommandKind[Any, World]:
    """A step of an entry."""
    return CommandKind(
        op=f"{noun.name}_{segment.removesuffix('s')}",
        rows=rows,
        name=name,
        path=f"/{noun.plural}/{{{noun.key}}}/{segment}",
        tags=[noun.plural],
        kind=kind,
        needs=needs.entry_of(noun),
        permit=needs.permit_entry(noun),
        decide=decide,
        date="on",
    )


COMMANDS: tuple[CommandKind[Any, World], ...] = (
    _new("negotiation", "invite_to_negotiate", "/negotiations", "negotiations", c.Invite, negotiations.invite, "invited_on"),
    _on(NEGOTIATION, "reply", "reply_to_invitation", c.Reply, negotiations.reply, rows="negotiation_replies"),
    _on(NEGOTIATION, "sessions", "hold_session", c.Meet, negotiations.meet),
    _on(NEGOTIATION, "suspension", "suspend_negotiation", c.Suspend, negotiations.suspend),
    _on(NEGOTIATION, "resumption", "resume_negotiation", c.Resume, negotiations.resume),
    _on(NEGOTIATION, "result", "conclude_negotiation", c.Conclude, negotiations.conclude),
    _new("contract", "sign_contract", "/contracts", "contracts", c.SignContract, contracts.sign, "signed_on"),
    _on(CONTRACT, "submission", "submit_contract", c.Submit, contracts.submit),
    _on(CONTRACT, "receipt", "receive_contract", c.Receive, contracts.receive),
    _on(CONTRACT, "objection", "object_to_contract", c.Object, contracts.object_to),
    _on(CONTRACT, "publication", "publish_contract", c.Publish, contracts.publish),
    _on(CONTRACT, "termination", "terminate_contract", c.Terminate, contracts.terminate),
    _new("pact", "sign_pact", "/pacts", "pacts", c.SignPact, rules.sign_pact, "signed_on", needs.place_or_area),
    _new(
        *("tripartite_meeting", "hold_tripartite_meeting", "/tripartite-meetings", "tripartite-meetings"),
        *(c.HoldMeeting, rules.hold_meeting, "held_on", needs.place_or_area),
    ),
    _new(
        *("workers_congress", "hold_workers_congress", "/workers-congresses", "workers-congresses"),
        *(c.HoldCongress, rules.hold_congress, "held_on"),
        rows="workers_congresses",
    ),
)
