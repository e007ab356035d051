"""The platform's clock. Nothing else calls `datetime.now()`.

Events are dated by the database (`parkunion_now()`, shared/sql/clock.sql), which all processes share and which a test stack can move. The wall
clock of a process is for tokens, logs and measurements only.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from shared.process.db import Connection


class Clock:
    """Now and today of the platform; days begin and end in `zone`, the deployment's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._known: tuple[datetime, datetime, date] | None = None

    async def now(self, conn: Connection) -> datetime:
        """The platform's instant (aware, UTC)."""
        return cast(datetime, await conn.fetchval("SELECT parkunion_now()"))

    async def today(self, conn: Connection) -> date:
        """The date of the platform's instant in the deployment's zone."""
        return self.day_of(await self.now(conn))

    def day_of(self, instant: datetime) -> date:
        """The date of an aware instant in the deployment's zone; of an event's `time` it is the known day."""
        known = self._known
        if known is not None and known[0] <= instant <= known[1]:
            return known[2]
        local = instant.astimezone(self.zone)
        day = local.date()
        # Most instants are near the last one. What lies between two instants of one day with one offset from UTC is of that day.
        if known is not None and known[2] == day and known[0].astimezone(self.zone).utcoffset() == local.utcoffset():
            self._known = (min(known[0], instant), max(known[1], instant), day)
        else:
            self._known = (instant, instant, day)
        return day

    def opens_after(self, day: date) -> datetime:
        """The first instant after a day of the deployment's zone (UTC)."""
        return datetime.combine(day + timedelta(days=1), time(), self.zone).astimezone(UTC)


def utc_now() -> datetime:
    """The wall clock (aware, UTC), for tokens, logs and measurements."""
    return datetime.now(UTC)
