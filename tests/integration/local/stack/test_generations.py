"""The commands about generations on a running stack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.local.supervising.processes import PARTITIONS
from tests.e2e.platform import Platform, parkunion

pytestmark = pytest.mark.slow


def generations(platform: Platform) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(parkunion("generations", "--json", "--data", platform.data).stdout)
    return found


def test_audit_rebuild_switch_and_rollback(platform: Platform) -> None:
    audited = parkunion("audit", "--json", "--data", platform.data)
    report = json.loads(audited.stdout)
    said = 8 + 3 * PARTITIONS  # all three sources have closed yesterday
    assert (report["differences"], report["different"], report["parked"], report["events"]) == (0, [], [], said)

    built = parkunion("rebuild", "--data", platform.data)
    made = generations(platform)[-1]
    assert f"next: switch {made['id']}" in built.stdout
    assert (made["status"], made["built"], made["lag"]) == ("building", True, 0)
    figures = platform.figures(by="park")
    assert f"generation {made['id']} serves now" in parkunion("switch", "--data", platform.data).stdout
    assert platform.figures(by="park") == figures
    assert "equal to the log" in parkunion("audit", "--data", platform.data).stdout
    refused = parkunion("switch", str(made["id"]), "--data", platform.data, check=False)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (4, 1)
    parkunion("rollback", "--data", platform.data)
    assert [row["status"] for row in generations(platform)] == ["serving", "retired"]
