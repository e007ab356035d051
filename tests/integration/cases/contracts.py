"""Contracts in tests of cases."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.integration.cases.service import Cases
from tests.integration.client import Client


def contract_of(*enterprises: UUID, **more: Any) -> dict[str, Any]:
    said = {"kind": "collective", "enterprises": [str(one) for one in enterprises], "signed_on": "2026-03-02", "term_until": "2028-03-01"}
    return {**said, **more}


async def signed(client: Client, *enterprises: UUID, **more: Any) -> str:
    """The path of a new contract."""
    return f"/v1/contracts/{(await client.made('/v1/contracts', contract_of(*enterprises, **more)))['id']}"


async def names(cases: Cases, enterprise: UUID) -> list[tuple[str, str]]:
    """(type, date) of the events on an enterprise's stream."""
    return [(name, on) for name, on, _ in await cases.said(f"enterprise/{enterprise}")]
