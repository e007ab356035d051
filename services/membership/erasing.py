"""How membership erases a person: `shared/service/erasing.py` calls it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from services.membership.members import erasing, store
from services.membership.members.same_person import rows_of_same_person
from services.membership.needs import Context
from services.membership.world import enterprise_subject
from shared.directory.store import enterprises
from shared.journal.idempotency import Keys
from shared.process.db import Connection
from shared.service.erasing import Erased, Erasing


async def find(conn: Connection, context: Context, given: UUID) -> Erased | None:
    """The person of an id, or of whom the membership with that id is, with every row that earlier releases wrote of the same person.

    Whoever erases needs the areas of all enterprises at which the person is or was a member; the whole platform where one is not known.
    """
    number = await erasing.number_of(conn, given)
    if number is not None:
        same = await rows_of_same_person(conn, context.person_keys, [number], unnumbered=await erasing.unnumbered(conn))
        numbers = {number, *(other for rows in same for other in rows)}
        if rows := await erasing.lock(conn, numbers):
            first = next((person_id for person_id, no in rows.items() if no == number), min(rows))
            return Erased(first, list(rows), await _areas(conn, numbers))
    before = await erasing.erased_before(conn, given if number is None else number)
    return None if before is None else Erased(before[0], (), await _areas(conn, [before[1]]))


async def erase(conn: Connection, context: Context, found: Erased) -> None:
    """Remove what names the person."""
    rows = await erasing.rows_of(conn, found.rows)
    memberships = await store.memberships_of(conn, list(rows.values()))
    subjects = {enterprise_subject(member.enterprise_id) for member in memberships}
    await erasing.erase(conn, Keys(context.fingerprint_key), rows, [member.id for member in memberships], subjects)


async def _areas(conn: Connection, numbers: Collection[int]) -> set[str | None]:
    places = {member.enterprise_id for member in await store.memberships_of(conn, numbers)}
    known = await enterprises(conn, places)
    return {known[place].park if place in known else None for place in places} or {None}


ERASING = Erasing(service="membership", find=find, erase=erase)
