"""Decisions on hardship files and employment help. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
from msgspec import structs

from services.cases.aid import deciding
from services.cases.aid.bodies import EndFile, EndHelp, Help, OpenFile, Pay, Review
from services.cases.aid.deciding import NONE, Figures, Shock
from services.cases.aid.progress import NOT_BEGUN, OPEN, STEPS, NotAllowed, progress_of
from services.cases.aid.registers import HARDSHIP, HELP
from services.cases.entries import world as worlds
from services.cases.entries.entry import Entry
from services.cases.entries.world import World
from services.cases.persons import naming
from shared.contracts import Event, type_of
from shared.contracts.case_codes import SHOCKS
from shared.contracts.cases.aid import AidPaid, EmploymentHelped, EmploymentHelpEnded, HardshipClassified, HardshipEnded
from shared.contracts.ids import uuid7
from shared.problems.errors import Conflict, Unprocessable
from shared.writing.facts import Decision, Fact, Revision, Standing
from shared.writing.fields import Wrong, code

RULE = "hardship"
FIGURES = "figures"
ENTERPRISE = "enterprise_id"


def figures_of(command: OpenFile | Review) -> Figures:
    """The household of a command. Raises NOT_ONE_OF (422) of `shock.kind`."""
    shock = None
    if command.shock is not None:
        try:
            kind = code(SHOCKS)(command.shock.kind)
        except Wrong as wrong:
            raise Unprocessable(wrong.code, field="shock.kind", params=wrong.params) from None
        shock = Shock(kind, command.shock.cost_fen, command.shock.compensated_fen)
        if shock.compensated_fen > shock.cost_fen:
            raise Unprocessable("OUT_OF_RANGE", field="shock.compensated_fen", params={"limit": f"0-{shock.cost_fen}"})
    return Figures(command.persons, command.annual_income_fen, command.rigid_expenditure_fen, command.employment_costs_fen, shock)


def kept(figures: Figures) -> dict[str, Any]:
    """Figures as an entry's private values."""
    plain: dict[str, Any] = msgspec.to_builtins(figures)
    return plain


def figures_at(entry: Entry, rank: int) -> Figures | None:
    """The figures behind the decision of this rank; None: the person was erased, and they with the person."""
    found = entry.private.get(f"{FIGURES} {rank}")
    return None if found is None else msgspec.convert(found, Figures)


def open_file(world: World, command: OpenFile, _today: date) -> Decision:
    """A new file with its first decision. Raises FILE_IS_OPEN (409), FIELD_REQUIRED, INVALID_DOCUMENT, NOT_ONE_OF, OUT_OF_RANGE (422)."""
    person = naming.required(command.person, naming.PERSON, command.on)
    figures = figures_of(command)
    _require_no_open_file(world, person.document_number, command.area)
    data = classified(world, HardshipClassified(hardship_id=uuid7(), area=command.area, classification=NONE), figures, command.on)
    enterprise = None if command.enterprise_id is None else str(command.enterprise_id)
    private = {naming.PERSON: person, FIGURES: figures, ENTERPRISE: enterprise}
    return Decision([Fact(f"hardship/{data.hardship_id}", data, command.on, private=private)], str(data.hardship_id))


def _require_no_open_file(world: World, number: str | None, area: str) -> None:
    if number is None:
        return
    for entry_id in sorted(world.entries_of.get(number, ())):
        entry = world.entries.get(entry_id)
        if entry is not None and entry.noun == HARDSHIP.name and entry.area == area and progress_of(entry.facts).state == OPEN:
            raise Conflict("FILE_IS_OPEN", field="person", params={"id": str(entry_id)})


def classified(world: World, data: HardshipClassified, figures: Figures, on: date) -> HardshipClassified:
    """The decision by the rule of the place on the day (docs/design/DOMAIN.md: rules of the federations on workers in hardship)."""
    found = deciding.decided(figures, world.book(data.area).at(RULE, on))
    shock = figures.shock.kind if figures.shock else None
    return structs.replace(data, classification=found.classification, reason=found.reason, rule_version=found.rule_version, shock=shock)


def review(world: World, command: Review, _today: date) -> Decision:
    """A later decision. Raises STEP_NOT_ALLOWED, OTHERS_REST_ON_IT (409), DATE_OUT_OF_RANGE, NOT_ONE_OF, OUT_OF_RANGE (422)."""
    entry = world.entry(command.hardship_id, HARDSHIP)
    figures = figures_of(command)
    data = HardshipClassified(hardship_id=entry.id, area=_area(entry), classification=NONE, review=True)
    return _decided(world, entry, classified(world, data, figures, command.on), command.on, private={FIGURES: figures})


def pay(world: World, command: Pay, _today: date) -> Decision:
    """A payment. Raises NOT_IN_HARDSHIP, STEP_NOT_ALLOWED (409), DATE_OUT_OF_RANGE (422)."""
    entry = world.entry(command.hardship_id, HARDSHIP)
    data = AidPaid(hardship_id=entry.id, area=_area(entry), amount_fen=command.amount_fen, fund=command.fund)
    return _decided(world, entry, data, command.on)


def end_file(world: World, command: EndFile, _today: date) -> Decision:
    """The end of a file. Raises STEP_NOT_ALLOWED, OTHERS_REST_ON_IT (409), DATE_OUT_OF_RANGE (422)."""
    entry = world.entry(command.hardship_id, HARDSHIP)
    data = HardshipEnded(hardship_id=entry.id, area=_area(entry), reason=command.reason.code, note_id=command.reason.note_id)
    return _decided(world, entry, data, command.on)


def help_person(world: World, command: Help, _today: date) -> Decision:
    """New help. Raises FIELD_REQUIRED, INVALID_DOCUMENT (422)."""
    person = naming.required(command.person, naming.PERSON, command.on)
    area = command.area
    if area is None and command.enterprise_id is not None:
        area = world.enterprise(command.enterprise_id, ENTERPRISE).park
    data = EmploymentHelped(help_id=uuid7(), kind=command.kind, area=area)
    enterprise = None if command.enterprise_id is None else str(command.enterprise_id)
    private = {naming.PERSON: person, ENTERPRISE: enterprise}
    return Decision([Fact(f"help/{data.help_id}", data, command.on, private=private)], str(data.help_id))


def end_help(world: World, command: EndHelp, _today: date) -> Decision:
    """The result of help. Raises STEP_NOT_ALLOWED (409), DATE_OUT_OF_RANGE (422)."""
    entry = world.entry(command.help_id, HELP)
    helped = entry.first(EmploymentHelped)
    assert helped is not None
    data = EmploymentHelpEnded(help_id=entry.id, kind=helped[1].kind, result=command.result, area=entry.area)
    return _decided(world, entry, data, command.on)


def _area(entry: Entry) -> str:
    assert entry.area is not None, "a hardship file has an area"
    return entry.area


def _decided(world: World, entry: Entry, data: Event, on: date, private: Any = None) -> Decision:
    """The fact, if the file allows it on its day and what was entered of later days still holds."""
    before = progress_of(entry.before(on))
    if before.state == NOT_BEGUN:
        first = entry.facts[0].on
        raise Unprocessable("DATE_OUT_OF_RANGE", field="on", params={"earliest": first, "latest": "today"})
    if not before.allows(data):
        raise refusal(data, before.allowed(), in_hardship=before.state != OPEN or before.classification != NONE)
    rank = world.heads.get(entry.subject, 0) + 1
    try:
        progress_of(entry.with_fact(Standing(entry.subject, rank, type_of(data), on, data, None)).facts)
    except NotAllowed as refused:
        raise Conflict("OTHERS_REST_ON_IT", field="on", params={"sequence": refused.fact.rank}) from None
    return Decision([Fact(entry.subject, data, on, private=private)], str(entry.id))


def refusal(data: Event, allowed: list[str], *, in_hardship: bool) -> Conflict:
    """The problem of a fact that the state does not allow."""
    if isinstance(data, AidPaid) and not in_hardship:
        return Conflict("NOT_IN_HARDSHIP", field="hardship_id")
    step = STEPS[type(data)]
    return Conflict(
        "STEP_NOT_ALLOWED", field="on", params={"step": step, "allowed": ", ".join(allowed) or "-"}, members={"allowed": allowed}
    )


def complete_classified(world: World, fact: Standing, _changes: Mapping[str, Any]) -> Event:
    """A decision of another day is decided anew by its figures and the rule of that day; without figures it stays as it was."""
    assert isinstance(fact.data, HardshipClassified)
    figures = figures_at(world.entries[fact.data.hardship_id], fact.rank)
    return fact.data if figures is None else classified(world, fact.data, figures, fact.on)


def putting(noun_key: str) -> Callable[[World, Standing, Mapping[str, Any] | None], None]:
    """How a fact of aid holds: person, money and enterprise apart from the facts."""

    def put(world: World, fact: Standing, private: Mapping[str, Any] | None) -> None:
        figures = (private or {}).get(FIGURES)
        own = {name: value for name, value in (private or {}).items() if name == ENTERPRISE and value is not None}
        if figures is not None:
            own[f"{FIGURES} {fact.rank}"] = kept(figures)
        worlds.put(world, fact, own)
        if (person := naming.taken(private, naming.PERSON)) is not None:
            naming.hold(world, getattr(fact.data, noun_key), naming.PERSON, person)

    return put


def drop(world: World, fact: Standing) -> None:
    """The fact holds no longer, and its figures go with it; with the opening, what else is kept of the person."""
    worlds.drop(world, fact)
    noun = HARDSHIP if hasattr(fact.data, HARDSHIP.key) else HELP
    entry = world.entries.get(noun.id_of(fact.data))
    if entry is None:
        return
    left = {name: value for name, value in entry.private.items() if name != f"{FIGURES} {fact.rank}"}
    if entry.first(noun.opening) is None:
        left = {}
        naming.forget(world, entry.id)
    world.entries[entry.id] = replace(entry, private=left)


def require_whole(world: World, fact: Standing, _command: Revision) -> None:
    """After a correction or withdrawal every fact is still one that the state before it allows. Raises OTHERS_REST_ON_IT (409)."""
    noun = HARDSHIP if hasattr(fact.data, HARDSHIP.key) else HELP
    entry = world.entries[noun.id_of(fact.data)]
    try:
        progress_of(entry.facts)
    except NotAllowed as refused:
        raise Conflict("OTHERS_REST_ON_IT", field="corrects", params={"sequence": refused.fact.rank}) from None
    helped, result = entry.first(EmploymentHelped), entry.first(EmploymentHelpEnded)
    if helped is not None and result is not None and helped[1].kind != result[1].kind:
        raise Conflict("OTHERS_REST_ON_IT", field="corrects", params={"sequence": result[0].rank})
