"""Puts the city together: areas, firms, unions, members, and all that was typed in about them, in the order of entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from samples.city.book import SERVICES, Book, Command, Service
from samples.city.findings import Findings
from samples.city.firms import settle
from samples.city.members import Members
from samples.city.places import areas
from samples.city.registry import RegistryYears
from samples.city.scenario import Scenario
from samples.city.unions import Unions
from samples.records import Finding

AREA_KEYS = "city/area"
"""Areas are the same in all scenarios, and so are their keys."""


class City:
    """A whole synthetic city. The same scenario gives the same commands, byte by byte, on every machine."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._findings = Findings()
        book, places = Book(scenario), areas()
        for area in places:
            body = {"code": area.code, "name": area.name, "kind": area.kind, "parent": area.parent}
            lies_in = [f"{AREA_KEYS}/{area.parent}"] if area.parent else []
            book.enter("registry", "area", f"{AREA_KEYS}/{area.code}", body, scenario.first_day - timedelta(days=1), lies_in)
        parks = [area for area in places if area.kind == "park"]
        firms = settle(book, parks)
        RegistryYears(book, firms, parks, self._findings).tell()
        unions = Unions(book, firms, places, self._findings)
        unions.found()
        Members(book, unions.coverages, self._findings).tell()
        self.commands: list[Command] = book.commands()
        """In the order of entry."""

    def lines(self, service: Service) -> Iterator[dict[str, Any]]:
        """`{"op","key","body"}` for one service in the order of entry, with references in the place of ids (`book.filled`)."""
        return (command.line() for command in self.commands if command.service == service)

    def findings(self) -> Iterator[Finding]:
        """What is odd on purpose, code by code; `row` is the line among `lines` of the command's service, from 1."""
        line_of: dict[str, int] = {}
        for service in SERVICES:
            line_of |= {line["key"]: number for number, line in enumerate(self.lines(service), 1)}
        return self._findings.in_order(line_of)

    def finding_counts(self) -> Counter[str]:
        """{code: how often}"""
        return self._findings.counts()
