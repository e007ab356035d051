"""What of the caller's environment the local stack hands on to its services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from deploy.local.folder import ROOT, Folder
from deploy.local.supervising.processes import Addresses, Choices, base_environment, imported, service_environment
from services.metrics.settings import Settings
from services.subscriptions.settings import Settings as SubscriptionsSettings
from shared.contracts.services import SERVICES
from shared.process.settings import load


def test_every_variable_of_the_sign_in_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"PARKUNION_{name.upper()}" for name in Settings.model_fields if name.startswith("sign_in_")]
    assert names
    for name in names:
        monkeypatch.setenv(name, "given")
    monkeypatch.setenv("PARKUNION_DSN", "of another stack")
    found = base_environment()
    assert {name: found.get(name) for name in names} == dict.fromkeys(names, "given")
    assert "PARKUNION_DSN" not in found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "stack")
    found.prepare()
    return found


@pytest.mark.parametrize("networks", [(), ("10.0.0.0/8",), ("127.0.0.0/8", "fd00::/8")])
def test_subscriptions_learns_who_can_be_granted_something_and_where_webhooks_may_go(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, networks: tuple[str, ...]
) -> None:
    addresses = Addresses("postgresql://x", "127.0.0.1:1", "http://issuer", "http://issuer/jwks.json", "http://issuer/clients", 8000)
    env = service_environment("subscriptions", folder, addresses, Choices({}, allow_networks=networks))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings = load(SubscriptionsSettings)
    assert settings.clients_url == "http://issuer/clients"
    assert [str(network) for network in settings.allow_networks] == list(networks)


def test_every_service_can_be_started_with_its_environment(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = Addresses("postgresql://x", "127.0.0.1:1", "http://issuer", "http://issuer/jwks.json", "http://issuer/clients", 8000)
    for service in SERVICES:
        for name, value in service_environment(service, folder, addresses, Choices({"zh": "样本"})).items():
            monkeypatch.setenv(name, value)
        assert load(import_module(f"services.{service}.settings").Settings).declared is SERVICES[service]


IMPORTED_LATE = """
import importlib, json, sys
services, modules = map(json.loads, sys.argv[1:])
for name in modules:
    importlib.import_module(name)
before = set(sys.modules)
from tests.integration.client import settings_of
for service in services:
    app = importlib.import_module(f"services.{service}.app")
    settings = settings_of(importlib.import_module(f"services.{service}.settings").Settings)
    app.api(settings), app.roles(settings)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture(scope="module")
def late() -> list[str]:
    """What the processes of all services import after the fork server has imported what it does."""
    program = [sys.executable, "-P", "-c", IMPORTED_LATE, json.dumps(list(SERVICES)), json.dumps(imported(list(SERVICES)))]
    done = subprocess.run(program, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_process_imports_is_imported_before_it_is_forked(service: str, late: list[str]) -> None:
    """Otherwise each process imports it anew, which takes time at the start and memory that is not shared."""
    assert [name for name in late if name.startswith(f"services.{service}")] == []
