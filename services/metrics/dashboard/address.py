"""The options of a page are parameters of its address, and every link keeps them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal
from urllib.parse import quote, urlencode

FOUNDING = {"all": "unit_founding_rate_all", "ge25": "unit_founding_rate_ge25"}
JOINING = {"all": "worker_joining_rate_all", "unionised": "worker_joining_rate_unionised"}


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """The options of a page: days (None: today), the basis of each rate, the order of the rows, and what the rows are."""

    as_of: date | None = None
    known_at: date | None = None
    founding: Literal["all", "ge25"] = "all"
    joining: Literal["all", "unionised"] = "all"
    sort: Literal["gap", "rate", "name"] = "gap"
    rows: Literal["park", "district"] | None = None

    @property
    def founding_rate(self) -> str:
        """The measure of the unit founding rate."""
        return FOUNDING[self.founding]

    @property
    def joining_rate(self) -> str:
        """The measure of the worker joining rate."""
        return JOINING[self.joining]

    def query(self, **more: Any) -> dict[str, Any]:
        """The parameters of an address, without defaults."""
        found: dict[str, Any] = {"as_of": self.as_of, "known_at": self.known_at, "rows": self.rows}
        found |= {name: value for name, value in (("founding", self.founding), ("joining", self.joining)) if value != "all"}
        if self.sort != "gap":
            found["sort"] = self.sort
        return {name: value for name, value in {**found, **more}.items() if value is not None}

    def _at(self, path: str, **more: Any) -> str:
        parameters = self.query(**more)
        return f"{path}?{urlencode(parameters)}" if parameters else path

    def area(self, code: str | None, **more: Any) -> str:
        """The page of an area; None: the overview."""
        return self._at(f"/areas/{quote(code)}" if code else "/", **more)

    def with_(self, **changes: Any) -> ViewOptions:
        """The same options with changes."""
        return replace(self, **changes)

    def part(self, code: str, name: str, **more: Any) -> str:
        """A part of an area's page: trend.svg, trend.csv, coverage.csv or recent."""
        return self._at(f"/areas/{quote(code)}/{name}", **more)

    def findings(self, finding: str, area: str | None = None, **more: Any) -> str:
        """The page of the enterprises with a finding."""
        found = {"area": area, "as_of": self.as_of, "known_at": self.known_at, **more}
        query = urlencode({name: value for name, value in found.items() if value is not None})
        return f"/findings/{finding}?{query}" if query else f"/findings/{finding}"

    def statistic(self, name: str, area: str | None = None, **more: Any) -> str:
        """The page of a statistic of cases and agreements, with the matters behind it."""
        return self._at(f"/statistics/{name}", area=area, **more)

    def enterprise(self, enterprise: Any, **more: Any) -> str:
        """The page of an enterprise."""
        return self._at(f"/enterprises/{enterprise}", **more)

    def facts(self, enterprise: Any) -> str:
        """The timeline of an enterprise as CSV."""
        return self._at(f"/enterprises/{enterprise}/facts.csv")

    def changes(self, measure: str, area: str | None = None, **more: Any) -> str:
        """The page that explains why a figure changed."""
        return self._figure("/changes", measure, area, **more)

    def changes_file(self, measure: str, area: str | None = None, **more: Any) -> str:
        """The same as CSV."""
        return self._figure("/changes.csv", measure, area, **more)

    def explain_file(self, measure: str, area: str | None = None, **more: Any) -> str:
        """The list behind a figure as CSV."""
        return self._figure("/explain.csv", measure, area, **more)

    def explain(self, measure: str, area: str | None = None, **more: Any) -> str:
        """The page that explains a figure."""
        return self._figure("/explain", measure, area, **more)

    def explaining(self, measure: str, area: str | None = None, **more: Any) -> dict[str, Any]:
        """The parameters of the page that explains a figure."""
        found = {"area": area, "measure": measure, "as_of": self.as_of, "known_at": self.known_at, **more}
        return {name: value for name, value in found.items() if value is not None}

    def _figure(self, path: str, measure: str, area: str | None, **more: Any) -> str:
        return f"{path}?{urlencode(self.explaining(measure, area, **more))}"
