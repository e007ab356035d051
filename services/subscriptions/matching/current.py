"""Grants, subscriptions and the tree of areas as they stand at one revision: what every check of a grant asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.subscriptions.matching.entitlement import Filter, Terms
from services.subscriptions.matching.tree import Both, Tree, Within
from shared.process import db
from shared.process.db import Connection, Pool, Record

REVISION = "SELECT number FROM revision"
NEXT_REVISION = "UPDATE revision SET number = number + 1 RETURNING number"
AREAS = """
SELECT DISTINCT ON (code) code, parent, present FROM area_versions WHERE revision <= $1 ORDER BY code, revision DESC
"""
GRANTS = """
SELECT g.id, g.client, g.purpose, g.legal_basis, v.kind, v.areas, v.types, v.fields, v.not_before, v.not_after
FROM grants AS g JOIN LATERAL (
    SELECT * FROM grant_versions AS v WHERE v.grant_id = g.id AND v.revision <= $1 ORDER BY v.revision DESC LIMIT 1
) AS v ON true
"""
SUBSCRIPTIONS = """
SELECT id, grant_id, client, types, filter, kind, opened_revision, ended_revision FROM subscriptions WHERE opened_revision <= $1
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant at its latest version. `fields` = {type: names} in full."""

    id: UUID
    client: str
    purpose: str
    legal_basis: str
    revoked: bool
    areas: frozenset[str]
    types: frozenset[str]
    fields: Mapping[str, Sequence[str]]
    not_before: datetime | None
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as deciding and delivering need it. `areas`: the codes under which it is found, those of its filter or its grant.

    `numbering`: whether later events get its numbers; false after its end.
    """

    id: UUID
    grant: Grant
    kind: str
    areas: frozenset[str]
    terms: Terms
    filter: Filter
    numbering: bool


@dataclass(frozen=True, slots=True)
class Current:
    """Everything at one revision. `index` = {type: {area code: subscriptions that are numbered}}."""

    revision: int
    tree: Tree
    grants: Mapping[UUID, Grant]
    subscriptions: Mapping[UUID, Subscription]
    index: Mapping[str, Mapping[str, Sequence[Subscription]]] = field(repr=False)
    filtered: bool = False
    """Whether any subscription asks for attributes of enterprises."""


async def revision_of(conn: Connection) -> int:
    """The number of the last change that is committed, or was made in this transaction."""
    number: int = await conn.fetchval(REVISION)
    return number


async def next_revision(conn: Connection) -> int:
    """Take the number of a change; held until the transaction ends, so that changes are committed in the order of their numbers."""
    number: int = await conn.fetchval(NEXT_REVISION)
    return number


async def load(conn: Connection, revision: int | None = None) -> Current:
    """The state at a revision; None: the latest. Changes that are committed while it is loaded are of later revisions."""
    at = await revision_of(conn) if revision is None else revision
    areas = {row["code"]: row["parent"] for row in await conn.fetch(AREAS, at) if row["present"]}
    grants = await conn.fetch(GRANTS, at)
    subscriptions = await conn.fetch(SUBSCRIPTIONS, at)
    return assembled(at, areas, map(_grant, grants), subscriptions)


def assembled(revision: int, areas: Mapping[str, str | None], grants: Any, subscriptions: Any) -> Current:
    """The state of these areas, grants and rows of subscriptions."""
    tree = Tree(areas)
    by_id: dict[UUID, Grant] = {grant.id: grant for grant in grants}
    found: dict[UUID, Subscription] = {}
    index: dict[str, dict[str, list[Subscription]]] = {}
    for row in subscriptions:
        if (grant := by_id.get(row["grant_id"])) is None:
            continue
        one = found[row["id"]] = subscription_of(row, grant, tree, revision)
        if one.numbering and not grant.revoked:
            for type_name in one.terms.types:
                places = index.setdefault(type_name, {})
                for code in one.areas:
                    places.setdefault(code, []).append(one)
    return Current(revision, tree, by_id, found, index, any(one.filter for one in found.values()))


def _grant(row: Record) -> Grant:
    return Grant(
        row["id"], row["client"], row["purpose"], row["legal_basis"], row["kind"] == "revoked", frozenset(row["areas"]),
        frozenset(row["types"]), row["fields"], row["not_before"], row["not_after"],
    )  # fmt: skip


def subscription_of(row: Mapping[str, Any] | Record, grant: Grant, tree: Tree, revision: int) -> Subscription:
    """A row of `subscriptions` under its grant."""
    asked: dict[str, Any] = row["filter"] or {}
    own_areas = frozenset(asked["areas"]) if asked.get("areas") else None
    granted = Within(grant.areas, tree)
    types = grant.types if row["types"] is None else grant.types & frozenset(row["types"])
    terms = Terms(
        types,
        granted if own_areas is None else Both(granted, Within(own_areas, tree)),
        grant.fields,
        grant.not_before,
        grant.not_after,
        grant.revoked,
    )
    industries = asked.get("industries")
    ended = row["ended_revision"]
    return Subscription(
        row["id"],
        grant,
        row["kind"],
        own_areas or grant.areas,
        terms,
        Filter(tuple(industries) if industries else None, asked.get("min_workers")),
        numbering=ended is None or ended > revision,
    )


class CurrentCache:
    """The state for a process that delivers: looked up again when it is older than `newest` seconds, and loaded again when it changed.

    So a change is in force in every process after `newest` seconds at most, and an attempt that cannot ask is not made.
    """

    def __init__(self, pool: Pool, newest: float = 1.0) -> None:
        self._pool = pool
        self._newest = newest
        self._found: Current | None = None
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, *, latest: bool = False) -> Current:
        """The state, at most `newest` seconds old; `latest`: as it is now. Raises an error of db.OUTAGES if the database does not answer.

        What is not shown by an older state must be asked of the latest: an area that was registered a moment ago is in no older tree, and
        a number that is withheld stays so.
        """
        wanted, newest = time.monotonic(), 0.0 if latest else self._newest
        if self._found is not None and wanted - self._asked <= newest:
            return self._found
        async with self._lock:
            asked = time.monotonic()
            if self._found is None or (self._asked < wanted if latest else asked - self._asked > newest):
                async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
                    if self._found is None or await revision_of(conn) != self._found.revision:
                        self._found = await load(conn)
                self._asked = asked
            return self._found
