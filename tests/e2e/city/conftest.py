"""One small city on one running stack, whose clock can be turned and whose spans are collected, for all tests that leave it whole.

All tests of this folder go to one worker (tests/conftest.py), so that there is one such stack for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.city.collector import Collector
from tests.e2e.platform import Platform, until
from tests.in_memory import stack_in_memory

RESIDENT_ID = "11010519491231002X"
"""The example number of GB 11643-1999; nobody's."""


@dataclass(frozen=True)
class City:
    """Two districts with a park each; one enterprise with a union and two members in the first, one enterprise in the second."""

    platform: Platform
    collector: Collector
    enterprise: str
    union: str
    member: str
    other_enterprise: str
    event: str


@pytest.fixture(scope="package")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Made through the public APIs, as any user would."""
    collector = Collector()
    spans = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with stack_in_memory(tmp_path_factory, "city") as folder:
        platform = Platform.start(folder / "stack", "--test-clock", environment=spans)
        try:
            yield _build(platform, collector)
        finally:
            platform.discard()
            collector.server.shutdown()


def _build(platform: Platform, collector: Collector) -> City:
    for code, kind, parent in (
        ("C", "division", None),
        ("C1", "division", "C"),
        ("C2", "division", "C"),
        ("C1-P001", "park", "C1"),
        ("C2-P001", "park", "C2"),
    ):
        platform.accepted("registry", "/v1/areas", {"code": code, "name": f"示例{code}", "kind": kind, "parent": parent})
    first, second = (
        platform.accepted("registry", "/v1/enterprises", {"name": f"示例厂{park}", "park": park, "settled_on": "2024-01-02"})
        for park in ("C1-P001", "C2-P001")
    )
    headcount = platform.accepted("registry", f"/v1/enterprises/{first['id']}/headcounts", {"on": "2024-02-01", "workers": 40})
    founded = {"kind": "enterprise_union", "seat_area": "C1-P001", "approved_on": "2024-03-03", "enterprises": [first["id"]]}
    union = platform.accepted("membership", "/v1/unions", founded)
    documents = ({"kind": "resident_id", "number": RESIDENT_ID}, {"kind": "passport", "number": "E00000001"})
    members = [
        platform.accepted(
            "membership",
            "/v1/members",
            {"union_id": union["id"], "enterprise_id": first["id"], "document": document, "joined_on": "2024-03-04"},
        )
        for document in documents
    ]
    until(platform.settled, "everything projected")
    return City(platform, collector, first["id"], union["id"], members[0]["id"], second["id"], headcount["event_ids"][0])
