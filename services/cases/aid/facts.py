"""The facts and commands of hardship files and employment help: rows of the service's table."""

from __future__ import annotations

from typing import Any

from services.cases.aid import rules
from services.cases.aid.bodies import MOST_FEN, EndFile, EndHelp, Help, OpenFile, Pay, Review
from services.cases.aid.registers import HARDSHIP, HELP
from services.cases.entries import needs, world
from services.cases.entries.needs import Needs
from services.cases.entries.noun import Noun
from services.cases.entries.reading_fields import bounded
from services.cases.entries.world import World
from services.cases.persons import naming
from shared.contracts.case_codes import FUNDS, HARDSHIP_ENDING, HELP_KINDS, HELP_RESULTS
from shared.contracts.cases.aid import AidPaid, EmploymentHelped, EmploymentHelpEnded, HardshipClassified, HardshipEnded
from shared.writing.fields import code
from shared.writing.table import CommandKind, FactKind, Field


def _fact(
    contract: type[Any], fields: dict[str, Field], *, put: Any = world.put, drop: Any = world.drop, complete: Any = None
) -> FactKind[World]:
    return FactKind(contract=contract, put=put, drop=drop, fields=fields, needs=needs.fact, complete=complete, after=rules.require_whole)


def _needs_opening(wanted: Needs, command: OpenFile | Help) -> None:
    """The place and the person. Raises FIELD_REQUIRED, NOT_ONE_OF, INVALID_DOCUMENT (422)."""
    needs.place(wanted, command)
    needs.person(wanted, naming.required(command.person, naming.PERSON, command.on))


def _opening(op: str, name: str, noun: Noun, kind: type[Any], decide: Any) -> CommandKind[Any, World]:
    return CommandKind(
        op=op,
        name=name,
        path=f"/{noun.plural}",
        tags=["aid"],
        kind=kind,
        needs=_needs_opening,
        permit=needs.permit_place,
        decide=decide,
        date="on",
    )


def _on_file(op: str, name: str, noun: Noun, path: str, kind: type[Any], decide: Any) -> CommandKind[Any, World]:
    return CommandKind(
        op=op,
        name=name,
        path=f"/{noun.plural}/{{{noun.key}}}/{path}",
        tags=["aid"],
        kind=kind,
        needs=needs.entry_of(noun),
        permit=needs.permit_entry(noun),
        decide=decide,
        date="on",
    )


FACTS: tuple[FactKind[World], ...] = (
    _fact(HardshipClassified, {}, put=rules.putting(HARDSHIP.key), drop=rules.drop, complete=rules.complete_classified),
    _fact(AidPaid, {"amount_fen": Field("amount_fen", bounded(1, MOST_FEN)), "fund": Field("fund", code(FUNDS))}),
    _fact(HardshipEnded, {"reason": Field("reason", code(HARDSHIP_ENDING))}),
    _fact(EmploymentHelped, {"kind": Field("kind", code(HELP_KINDS))}, put=rules.putting(HELP.key), drop=rules.drop),
    _fact(EmploymentHelpEnded, {"result": Field("result", code(HELP_RESULTS))}),
)
COMMANDS: tuple[CommandKind[Any, World], ...] = (
    _opening("hardship", "open_hardship_file", HARDSHIP, OpenFile, rules.open_file),
    _on_file("hardship_review", "review_hardship_file", HARDSHIP, "reviews", Review, rules.review),
    _on_file("hardship_payment", "pay_aid", HARDSHIP, "payments", Pay, rules.pay),
    _on_file("hardship_end", "end_hardship_file", HARDSHIP, "end", EndFile, rules.end_file),
    _opening("help", "help_to_employment", HELP, Help, rules.help_person),
    _on_file("help_result", "end_employment_help", HELP, "result", EndHelp, rules.end_help),
)
