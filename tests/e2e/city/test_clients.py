"""Clients that are generated from the OpenAPI documents read figures, enterprises and events of the running services."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from openapi_python_client.cli import app as generator

from shared.contracts.services import SERVICES
from tests.e2e.city.conftest import City
from tests.e2e.platform import Platform
from tests.patience import PATIENCE

CONFIG = "post_hooks: []\ncontent_type_overrides:\n  application/x-ndjson: application/octet-stream\n"
"""As docs/how-to/use-the-apis.md says; without post-processing, which would only format the code."""


class Api(NamedTuple):
    """A generated package, and a client of it for the running service."""

    package: str
    client: Any

    def call(self, name: str, **parameters: Any) -> Any:
        """The parsed answer of the operation `tag.operation`."""
        return importlib.import_module(f"{self.package}.api.{name}").sync(client=self.client, **parameters)

    def model(self, name: str) -> Any:
        """A generated class of bodies or answers."""
        return getattr(importlib.import_module(f"{self.package}.models"), name)


def generate(platform: Platform, service: str, folder: Path) -> None:
    """The package `<service>_client` in the folder. Whatever the generator does not understand is a warning, and fails."""
    document, config = folder / f"{service}.json", folder / "config.yml"
    document.write_text(httpx.get(f"{platform.url(service)}/openapi.json", timeout=PATIENCE, trust_env=False).text, "utf-8")
    config.write_text(CONFIG, "utf-8")
    words: list[str | Path] = [
        "generate",
        "--path",
        document,
        "--output-path",
        folder / f"{service}_client",
        "--meta",
        "none",
        "--config",
        config,
    ]
    # In this process, which has to import the generator and to compile its templates once for all services.
    with pytest.raises(SystemExit) as exited:
        generator([*map(str, words), "--fail-on-warning"])
    assert not exited.value.code, service


@pytest.fixture(scope="module")
def apis(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Api]]:
    """{service: its generated client, with a token for everything}"""
    folder = tmp_path_factory.mktemp("clients")
    for service in SERVICES:
        generate(city.platform, service, folder)
    sys.path.insert(0, str(folder))
    try:
        yield {service: _api(city.platform, service) for service in SERVICES}
    finally:
        sys.path.remove(str(folder))


def _api(platform: Platform, service: str) -> Api:
    package = f"{service}_client"
    made = importlib.import_module(package).AuthenticatedClient(base_url=platform.url(service), token=platform.token)
    return Api(package, made.with_headers({"Accept-Language": "en"}))


def test_coverage_is_read_with_its_rates(city: City, apis: dict[str, Api]) -> None:
    metrics = apis["metrics"]
    found = metrics.call("coverage.coverage", area="C", as_of=date(2024, 6, 30))
    row = found.rows[-1]
    # Other tests of the city register enterprises, too.
    total = city.platform.get("metrics", "/v1/coverage", area="C", as_of="2024-06-30").json()["rows"][-1]
    assert (found.as_of, row.area, row.units, row.members) == (date(2024, 6, 30), "all", total["units"], total["members"])
    assert (row.units >= 2, row.members >= 2) == (True, True)
    rate, asked = row.unit_founding_rate_all, total["unit_founding_rate_all"]
    assert (rate.numerator, rate.denominator, rate.rate, rate.reason) == tuple(
        asked[name] for name in ("numerator", "denominator", "rate", "reason")
    )
    assert rate.numerator >= 1
    explained = metrics.call(
        "coverage.explain_figure", area="C", measure=metrics.model("ExplainFigureMeasure").WORKER_JOINING_RATE_ALL, as_of=date(2024, 6, 30)
    )
    [item] = [item for item in explained.items if item.id == UUID(city.enterprise)]
    assert (item.contribution.numerator, item.contribution.denominator) == (2, 40)
    assert found.to_dict() == city.platform.get("metrics", "/v1/coverage", area="C", as_of="2024-06-30").json() | _named(found)


def _named(found: Any) -> dict[str, Any]:
    # Names of areas and texts of findings are in the language of the request.
    return {name: found.to_dict()[name] for name in ("rows", "findings")}


def test_enterprises_are_registered_and_read(city: City, apis: dict[str, Api]) -> None:
    registry = apis["registry"]
    body = registry.model("HeadcountBody")(on=date(2024, 2, 1), workers=40)
    refused = registry.call("enterprises.report_headcount", enterprise_id=UUID(int=7), body=body)
    assert isinstance(refused, registry.model("ProblemAnswer"))
    assert (refused.code, refused.errors[0].field) == ("UNKNOWN_ENTERPRISE", "enterprise_id")
    one = registry.call("enterprises.get_enterprise", enterprise_id=UUID(city.enterprise))
    assert (one.name, one.workers, one.placements[0].from_) == ("示例厂C1-P001", 40, date(2024, 1, 2))
    page = registry.call("enterprises.list_enterprises", area="C", limit=1)
    following = registry.call("enterprises.list_enterprises", area="C", limit=1, after=page.next_)
    assert [item.id for item in (*page.items, *following.items)] == [UUID(city.enterprise), UUID(city.other_enterprise)]


def test_unions_and_members_are_read(city: City, apis: dict[str, Api]) -> None:
    membership = apis["membership"]
    union = membership.call("unions.get_union", union_id=UUID(city.union))
    assert (union.kind.value, union.approved_on, union.enterprises[0].ended_on) == ("enterprise_union", date(2024, 3, 3), None)
    member = membership.call("members.get_member", member_id=UUID(city.member))
    assert (member.document.kind, member.document.number) == ("resident_id", "110105********002X")


@pytest.mark.parametrize("service", ["registry", "membership"])
def test_events_are_read_page_by_page(service: str, city: City, apis: dict[str, Api]) -> None:
    api, subject = apis[service], f"enterprise/{city.enterprise}"
    events: list[Any] = []
    after: Any = None
    while True:
        page = api.call("events.list_events", subject=subject, limit=1, **({"after": after} if after else {}))
        events += page.items
        after = page.next_
        if after is None:
            break
    assert [int(event.sequence) for event in events] == list(range(1, len(events) + 1))
    whole = city.platform.get(service, "/v1/events", subject=subject).json()["items"]
    assert [json.loads(json.dumps(event.data.to_dict())) for event in events] == [event["data"] for event in whole]
    assert {event.source for event in events} == {f"/services/{service}"}


def test_a_batch_is_sent(city: City, apis: dict[str, Api]) -> None:
    registry = apis["registry"]
    file = importlib.import_module(f"{registry.package}.types").File
    lines = json.dumps({"op": "headcount", "body": {"enterprise_id": city.enterprise, "on": "2024-02-01", "workers": -1}}).encode()
    answer = importlib.import_module("registry_client.api.batch.carry_out_batch").sync_detailed(client=registry.client, body=file(lines))
    line = json.loads(answer.content)
    assert (line["status"], line["problem"]["title"]) == (422, "Below zero")
