"""All rows of one person: releases 0.1 and 0.2 wrote one for each kind of document (earlier_rows.py)."""

from __future__ import annotations

from collections.abc import Collection

from services.membership.members import people
from services.membership.members.earlier_rows import written_as, written_before
from shared.contracts.codes import DOCUMENTS
from shared.persons.documents import Document
from shared.persons.sealing import PersonKeys, Undecipherable, UnknownKey
from shared.process.db import Connection


def as_before(keys: PersonKeys, document: Document, kinds: Collection[str]) -> list[tuple[int, bytes]]:
    """(key version, hash) under which earlier releases may have written a person, whatever kind was typed."""
    return [entry for kind in kinds for text in written_as(document, kind) for entry in keys.hashes(kind, text)]


async def rows_of_same_person(conn: Connection, keys: PersonKeys, persons: Collection[int], *, unnumbered: bool) -> list[list[int]]:
    """For each of these persons, every row of the same person: earlier releases wrote one for each kind of document."""
    rows = await people.rows_of(conn, persons)
    if not unnumbered or not persons:
        return rows
    kinds = {*DOCUMENTS.codes, *await people.kinds_without_number(conn)}
    found: list[list[int]] = []
    for own, (person_id, kind, sealed) in zip(rows, await people.documents(conn, [own[0] for own in rows]), strict=True):
        try:
            number = written_before(kind, keys.open(person_id, sealed))
        except (UnknownKey, Undecipherable):
            found.append(own)
            continue
        numbered = await people.by_number(conn, [digest for _, digest in keys.number_hashes(number)])
        before = await people.by_hash(conn, as_before(keys, Document(kind, number), kinds))
        found.append(list(dict.fromkeys([*own, *numbered, *before.values()])))
    return found
