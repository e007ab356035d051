"""Every SQL statement of grants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.subscriptions.grants.rules import Extent
from services.subscriptions.matching.current import AREAS, revision_of
from services.subscriptions.matching.tree import Tree
from shared.http.auth import Areas
from shared.process.db import Connection, Record

COLUMNS = """
g.id, g.client, g.purpose, g.legal_basis, g.given_by, g.given_at,
v.kind, v.areas, v.types, v.fields, v.not_before, v.not_after, v.reason, v.changed_by, v.changed_at
"""
LATEST = """
JOIN LATERAL (SELECT * FROM grant_versions AS v WHERE v.grant_id = g.id ORDER BY v.revision DESC LIMIT 1) AS v ON true
"""
ONE = f"SELECT {COLUMNS} FROM grants AS g {LATEST} WHERE g.id = $1"
LISTED = f"""
SELECT {COLUMNS} FROM grants AS g {LATEST}
WHERE g.id > $1 AND ($2::text IS NULL OR g.client = $2) AND ($3::text[] IS NULL OR v.areas && $3) AND ($4::text[] IS NULL OR v.areas <@ $4)
ORDER BY g.id LIMIT $5
"""
VERSIONS = """
SELECT kind, areas, types, fields, not_before, not_after, reason, changed_by, changed_at FROM grant_versions WHERE grant_id = $1 ORDER BY revision
"""
PUT = "INSERT INTO grants (id, client, purpose, legal_basis, given_by, given_at) VALUES ($1, $2, $3, $4, $5, $6)"
PUT_VERSION = """
INSERT INTO grant_versions (grant_id, revision, kind, areas, types, fields, not_before, not_after, reason, changed_by, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
FIRST = UUID(int=0)
"""Before every id."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant at its latest version. `kind`: given, narrowed, revoked."""

    id: UUID
    client: str
    purpose: str
    legal_basis: str
    given_by: str
    given_at: datetime
    kind: str
    extent: Extent
    reason: str | None
    changed_by: str
    changed_at: datetime

    @property
    def revoked(self) -> bool:
        """Whether nothing is granted any more."""
        return self.kind == "revoked"


@dataclass(frozen=True, slots=True)
class Change:
    """Who made a version, when, in which revision, and why."""

    revision: int
    kind: str
    by: str
    at: datetime
    reason: str | None = None


async def one(conn: Connection, grant: UUID) -> Granted | None:
    """A grant; None: there is none."""
    row = await conn.fetchrow(ONE, grant)
    return None if row is None else _granted(row)


async def listed(
    conn: Connection, after: UUID, client: str | None, touching: Sequence[str] | None, inside: Sequence[str] | None, most: int
) -> list[Granted]:
    """Grants in the order in which they were given. `touching`: those that name one of these areas; `inside`: none outside of these."""
    return [_granted(row) for row in await conn.fetch(LISTED, after, client, touching, inside, most)]


async def versions(conn: Connection, grant: UUID) -> list[dict[str, Any]]:
    """The versions of a grant, the first one first."""
    return [dict(row) for row in await conn.fetch(VERSIONS, grant)]


async def put(conn: Connection, grant: UUID, client: str, purpose: str, legal_basis: str, by: str, at: datetime) -> None:
    """A new grant, still without a version."""
    await conn.execute(PUT, grant, client, purpose, legal_basis, by, at)


async def put_version(conn: Connection, grant: UUID, extent: Extent, change: Change) -> None:
    """The next version of a grant."""
    fields = {name: list(names) for name, names in extent.fields.items()}
    own = (change.kind, list(extent.areas), list(extent.types), fields, extent.not_before, extent.not_after)
    await conn.execute(PUT_VERSION, grant, change.revision, *own, change.reason, change.by, change.at)


async def tree_of(conn: Connection) -> Tree:
    """The tree of areas as it stands."""
    rows = await conn.fetch(AREAS, await revision_of(conn))
    return Tree({row["code"]: row["parent"] for row in rows if row["present"]})


async def codes_inside(conn: Connection, areas: Areas) -> list[str] | None:
    """The codes of a caller's areas and of all within them; None: every area."""
    if areas.everything:
        return None
    tree = await tree_of(conn)
    return [code for code in tree.parents if areas.inside(tree.path(code))]


def _granted(row: Record) -> Granted:
    fields = {name: tuple(names) for name, names in row["fields"].items()}
    extent = Extent(tuple(row["areas"]), tuple(row["types"]), fields, row["not_before"], row["not_after"])
    return Granted(
        row["id"], row["client"], row["purpose"], row["legal_basis"], row["given_by"], row["given_at"], row["kind"], extent, row["reason"],
        row["changed_by"], row["changed_at"],
    )  # fmt: skip
