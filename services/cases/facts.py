"""What this service writes: a row per kind of fact, a row per command. Everything else about writing is in `shared/writing/`."""

from __future__ import annotations

from services.cases.agreements import facts as agreements
from services.cases.aid import facts as aid
from services.cases.assessments import facts as assessments
from services.cases.entries import loading, needs
from services.cases.entries.needs import Needs
from services.cases.entries.world import World
from services.cases.rights import facts as rights
from services.cases.rulebook import facts as rulebook
from shared.contracts import cases
from shared.directory.store import paths
from shared.writing.table import Corrections, Table

TABLE: Table[World, Needs] = Table(
    service="cases",
    source=cases.SOURCE,
    facts=(*rights.FACTS, *aid.FACTS, *agreements.FACTS, *assessments.FACTS, *rulebook.FACTS),
    commands=(*rights.COMMANDS, *aid.COMMANDS, *agreements.COMMANDS, *assessments.COMMANDS, *rulebook.COMMANDS),
    corrections=Corrections(permit=needs.permit_correction, stream=needs.stream),
    world=World,
    needs=lambda _: Needs(),
    widen=loading.widen,
    locks=loading.LOCKS,
    places=needs.places,
    paths=paths,
    load=loading.load,
    prepare=loading.prepare,
    write=loading.write,
)
