"""The statements that read who enterprises and unions are, and where they were."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from uuid import UUID

from shared.process.db import Connection, Record

NAMES = "SELECT id, name, credit_code, park FROM g{g}.enterprises WHERE id = ANY ($1::uuid[])"
KNOWN_NAMES = "SELECT id, name, credit_code FROM g{g}.names WHERE id = ANY ($1::uuid[])"
UNION_NAMES = "SELECT id, name FROM g{g}.unions WHERE id = ANY ($1::uuid[])"
SOUGHT = """
SELECT id FROM g{g}.names WHERE strpos(lower(normalize(name, NFKC)), $1) > 0 OR strpos(lower(credit_code), $1) > 0
UNION ALL SELECT id FROM g{g}.unions WHERE strpos(lower(normalize(name, NFKC)), $1) > 0
"""
STAYS = "SELECT subject, since, until, park FROM g{g}.stays WHERE subject = ANY ($1::text[]) ORDER BY subject, since"


async def stays(conn: Connection, generation: int, subjects: Sequence[str]) -> list[Record]:
    """Rows (subject, since, until, park): where subjects were, by subject and date."""
    return await conn.fetch(STAYS.format(g=generation), subjects)


async def names(conn: Connection, generation: int, enterprises: Sequence[UUID]) -> dict[UUID, Record]:
    """{id: directory row}, as far as row-level security shows them."""
    return {row["id"]: row for row in await conn.fetch(NAMES.format(g=generation), enterprises)}


async def known_names(conn: Connection, generation: int, enterprises: Sequence[UUID]) -> dict[UUID, Record]:
    """{id: row (name, credit_code)} of the enterprises that were ever in an area of the caller."""
    return {row["id"]: row for row in await conn.fetch(KNOWN_NAMES.format(g=generation), enterprises)} if enterprises else {}


async def union_names(conn: Connection, generation: int, unions: Sequence[UUID]) -> dict[UUID, str | None]:
    """{id: name} of unions."""
    return {row["id"]: row["name"] for row in await conn.fetch(UNION_NAMES.format(g=generation), unions)} if unions else {}


async def sought(conn: Connection, generation: int, text: str) -> set[UUID]:
    """The enterprises and unions whose name or credit code contains a text, whatever the width and case of the letters.

    Of the enterprises, those that were ever in an area of the caller.
    """
    normal = unicodedata.normalize("NFKC", text).strip().lower()
    return {row["id"] for row in await conn.fetch(SOUGHT.format(g=generation), normal)}
