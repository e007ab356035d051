"""What of the caller's environment the local stack hands on to its services."""

from __future__ import annotations

import pytest

from deploy.local.supervising.processes import base_environment
from services.metrics.settings import Settings


def test_every_variable_of_the_sign_in_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"PARKUNION_{name.upper()}" for name in Settings.model_fields if name.startswith("sign_in_")]
    assert names
    for name in names:
        monkeypatch.setenv(name, "given")
    monkeypatch.setenv("PARKUNION_DSN", "of another stack")
    found = base_environment()
    assert {name: found.get(name) for name in names} == dict.fromkeys(names, "given")
    assert "PARKUNION_DSN" not in found
