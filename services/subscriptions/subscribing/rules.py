"""What a subscription may ask for under its grant, and which states follow on which. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from services.subscriptions.grants.rules import Catalogue, once, require_types, unknown_area, within
from services.subscriptions.grants.store import Granted
from services.subscriptions.matching.tree import Tree
from shared.problems.errors import Conflict, Unprocessable

Status: TypeAlias = Literal["verifying", "active", "paused", "disabled", "ended"]
STATUSES: tuple[Status, ...] = ("verifying", "active", "paused", "disabled", "ended")
PAUSABLE: tuple[Status, ...] = ("active",)
RESUMABLE: tuple[Status, ...] = ("paused", "disabled")
TESTABLE: tuple[Status, ...] = ("active", "paused", "disabled")
VERIFIABLE: tuple[Status, ...] = ("verifying",)
REPLAYABLE: tuple[Status, ...] = ("active", "paused", "disabled")
ROTATABLE: tuple[Status, ...] = ("verifying", "active", "paused", "disabled")
MOST_KEYS = 10
"""Keys that sign a delivery at once: each costs time at every attempt, a part of a header and a row of the JWKS that all receivers fetch."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a subscription asks for, as its row keeps it. `types` None: all of the grant's."""

    types: list[str] | None
    filter: dict[str, Any]


def asked_of(
    grant: Granted,
    types: Sequence[str] | None,
    wanted: Mapping[str, Any],
    tree: Tree,
    there: Catalogue,
    now: datetime,
) -> Asked:
    """What is asked for under a grant. `wanted`: the filter without what is not given.

    Raises GRANT_REVOKED, GRANT_EXPIRED (409), UNKNOWN_TYPE, UNKNOWN_AREA, WIDER_THAN_GRANT (422).
    """
    extent = grant.extent
    if grant.revoked:
        raise Conflict("GRANT_REVOKED", field="grant_id", params={"grant": grant.id})
    if extent.not_after is not None and extent.not_after <= now:
        raise Conflict("GRANT_EXPIRED", field="grant_id", params={"grant": grant.id, "not_after": extent.not_after.isoformat()})
    for number, name in enumerate(types or ()):
        if name not in extent.types:
            require_types(types or (), there, "types")
            raise _wider(f"types.{number}", name, extent.types)
    for number, code in enumerate(wanted.get("areas", ())):
        field = f"filter.areas.{number}"
        if not within(code, extent.areas, tree):
            if not tree.path(code):
                raise unknown_area(code, field)
            raise _wider(field, code, extent.areas)
        if not tree.path(code):
            raise unknown_area(code, field)
    lists = {name: list(once(wanted[name])) for name in ("areas", "industries") if name in wanted}
    return Asked(list(once(types)) if types is not None else None, {**wanted, **lists})


def require_status(status: str, allowed: Sequence[Status]) -> None:
    """Raises NOT_IN_THIS_STATUS (409)."""
    if status not in allowed:
        raise Conflict("NOT_IN_THIS_STATUS", params={"status": status, "expected": ", ".join(allowed)})


def require_endpoint(kind: str) -> None:
    """Raises NO_ENDPOINT (409) for a pull subscription."""
    if kind != "webhook":
        raise Conflict("NO_ENDPOINT")


def require_few_keys(count: int) -> None:
    """Raises ROTATED_TOO_OFTEN (409) for one more key than MOST_KEYS."""
    if count >= MOST_KEYS:
        raise Conflict("ROTATED_TOO_OFTEN", params={"most": MOST_KEYS})


def _wider(field: str, wanted: str, granted: Sequence[str]) -> Unprocessable:
    return Unprocessable("WIDER_THAN_GRANT", field=field, params={"wanted": wanted, "expected": ", ".join(granted)})
