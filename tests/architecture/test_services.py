"""Every service is declared once (shared/contracts/services.py), and what cannot be derived from its declaration agrees with it."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from shared.contracts.services import SERVICES, Service, lock_order
from shared.journal.journal import LAST_IN_ORDER, LOCK_ORDER
from shared.process.settings import ServiceSettings

ROOT = Path(__file__).parents[2]


def test_every_folder_of_a_service_has_a_declaration() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/*") if path.name in ("__main__.py", "app.py", "migrations")}
    assert folders == SERVICES.keys()


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_declaration_agrees_with_the_code_of_its_service(service: Service) -> None:
    settings = importlib.import_module(f"services.{service.name}.settings").Settings
    assert issubclass(settings, ServiceSettings)
    assert settings.declared is service
    assert {f"{name}_keys" for name in service.key_rings} <= settings.model_fields.keys()
    assert service.contracts is None or f"/services/{service.name}" == service.contracts.SOURCE
    assert service.divided is None or any(service.divided in roles for roles in service.processes)
    assert not [name for name in service.modules if importlib.util.find_spec(f"services.{service.name}.{name}") is None]
    assert not [path for path in service.fault_lines if not (ROOT / "services" / service.name / path).exists()]
    for name in service.reads:
        assert SERVICES[name].contracts is not None


def test_streams_are_locked_in_the_order_of_the_database() -> None:
    text = (ROOT / "shared" / "sql" / "journal.sql").read_text("utf-8")
    places = {kind: int(place) for kind, place in re.findall(r"WHEN '(\w+)' THEN (\d)", text)}
    assert int(re.search(r"ELSE (\d) END", text)[1]) == LAST_IN_ORDER  # type: ignore[index]
    assert {kind: places.get(kind, LAST_IN_ORDER) for kind in lock_order(SERVICES.values())} == LOCK_ORDER


def test_bureaus_can_be_granted_what_any_service_publishes() -> None:
    assert set(SERVICES["subscriptions"].reads) == {service.name for service in SERVICES.values() if service.contracts is not None}
