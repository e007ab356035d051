"""Generates the whole city: areas, firms, unions, members, cases and agreements, as commands in the order of entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from samples.city.command_log import SERVICES, Command, CommandLog, Service
from samples.city.findings import Findings
from samples.city.firms import settle, visit
from samples.city.members import Members
from samples.city.places import areas
from samples.city.registry import RegistryHistory
from samples.city.relations.agreements import Agreements
from samples.city.relations.cases import Cases
from samples.city.scenario import Scenario
from samples.city.unions import Unions
from samples.records import Finding

AREA_KEYS = "city/area"
"""Areas, and so their keys, are the same in all scenarios."""


class City:
    """A whole synthetic city. The same scenario gives the same commands, byte by byte, on every machine."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._findings = Findings()
        log, places = CommandLog(scenario), areas()
        for area in places:
            body = {"code": area.code, "name": area.name, "kind": area.kind, "parent": area.parent}
            order_keys = [f"{AREA_KEYS}/{area.parent}"] if area.parent else []
            log.enter("registry", "area", f"{AREA_KEYS}/{area.code}", body, scenario.first_day - timedelta(days=1), order_keys)
        parks = [area for area in places if area.kind == "park"]
        firms = settle(log, parks)
        RegistryHistory(log, firms, parks, self._findings).generate()
        unions = Unions(log, firms, places, self._findings)
        unions.generate()
        Members(log, unions.coverages, self._findings).generate()
        visit(log, firms)
        Cases(log, firms).generate()
        Agreements(log, firms, places).generate()
        self.commands: list[Command] = log.commands()
        """In the order of entry."""

    def lines(self, service: Service) -> Iterator[dict[str, Any]]:
        """`{"op","key","body"}` for one service in the order of entry, with references in the place of ids (`command_log.with_ids`)."""
        return (command.line() for command in self.commands if command.service == service)

    def findings(self) -> Iterator[Finding]:
        """The deliberate oddities, sorted by code; `row` is the line among `lines` of the command's service, from 1."""
        line_of: dict[str, int] = {}
        for service in SERVICES:
            line_of |= {line["key"]: number for number, line in enumerate(self.lines(service), 1)}
        return self._findings.in_order(line_of)

    def finding_counts(self) -> Counter[str]:
        """{code: how often}"""
        return self._findings.counts()
