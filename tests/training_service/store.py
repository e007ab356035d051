"""The table `courses`: every statement."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from shared.process.db import Connection
from shared.service import enterprises
from shared.writing.table import Recorded
from tests.training_service.rules import Course, World

COURSES = "SELECT id, enterprise_id, topic, planned_on, ended_on, attendees FROM courses WHERE id = ANY($1::uuid[])"
PUT = """
INSERT INTO courses SELECT * FROM jsonb_populate_recordset(NULL::courses, $1)
ON CONFLICT (id) DO UPDATE SET topic = excluded.topic, planned_on = excluded.planned_on, ended_on = excluded.ended_on,
    attendees = excluded.attendees
"""


async def courses(conn: Connection, ids: Collection[UUID]) -> dict[UUID, Course]:
    """These courses, as far as they exist."""
    return {row["id"]: Course(*row) for row in await conn.fetch(COURSES, list(ids))} if ids else {}


async def widen(conn: Connection, needs: enterprises.Needs) -> None:
    """The enterprises of the courses named."""
    needs.enterprises |= {course.enterprise_id for course in (await courses(conn, needs.rows)).values()}


async def load(conn: Connection, context: enterprises.Context, needs: enterprises.Needs, world: World) -> None:
    """Enterprises and courses, under the locks."""
    await enterprises.load(conn, context, needs, world)
    world.courses = await courses(conn, needs.rows)


async def write(conn: Connection, world: World, _: Recorded) -> None:
    """Bring the table up to the world."""
    await conn.execute(PUT, [world.courses[course_id] for course_id in world.changed])
