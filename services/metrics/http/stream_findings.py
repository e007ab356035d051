"""The findings of streams: the same as in the answer of `GET /v1/coverage`, read once for all streams of one question.

They need the facts of some enterprises, which the tables in memory do not have. So figures are sent at once, with the findings as they were last
read; these are read again after changes, once a second at most, and rows whose findings have become others are sent.
"""

from __future__ import annotations

import asyncio
import time
from typing import Self

import structlog

from services.metrics.explaining import findings
from services.metrics.explaining.findings import Noticed
from services.metrics.figures.scope import Scope
from services.metrics.figures.snapshots import Snapshots
from services.metrics.live.hub import Hub
from services.metrics.live.subscribers import Channel
from shared.http.auth import Areas
from shared.problems.errors import Problem
from shared.process import db
from shared.process.logs import described

EVERY = 1.0
"""Seconds between two readings for one question at least."""
FIRST_WITHIN = 5.0
"""Seconds that a stream waits for the first reading, unless the database is silent; without it `findings` is null until they are read."""

OUTAGES: tuple[type[Exception], ...] = (Problem, TimeoutError, *db.OUTAGES)

log = structlog.get_logger(__name__)


class StreamFindings:
    """Reads what the findings of a channel need, in a task of its own, so that no stream waits for a query that hangs."""

    def __init__(self, hub: Hub, snapshots: Snapshots) -> None:
        self._hub = hub
        self._snapshots = snapshots
        self._reading: dict[Channel, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._reading.values():
            task.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def first(self, channel: Channel, areas: Areas) -> None:
        """Have them read for a channel that has none yet, and wait a little."""
        self.look(channel, areas)
        if channel.noticed is None and not self._hub.unreachable and (task := self._reading.get(channel)) is not None:
            await asyncio.wait({task}, timeout=FIRST_WITHIN)
        channel.awaits_findings |= channel.noticed is None

    def look(self, channel: Channel, areas: Areas) -> None:
        """Have them read again if there were changes. `areas`: of a caller who may read the channel's area, all of it."""
        if channel.noticed_at != self._hub.version and channel not in self._reading:
            task = asyncio.create_task(self._read(channel, areas))
            self._reading[channel] = task
            task.add_done_callback(lambda _: self._reading.pop(channel, None))

    async def _read(self, channel: Channel, areas: Areas) -> None:
        """Until they are those of the present figures, or nobody listens."""
        wait = channel.read_at + EVERY - time.monotonic()
        while channel.subscribers and channel.noticed_at != self._hub.version:
            await asyncio.sleep(max(0.0, wait))
            channel.read_at, wait = time.monotonic(), EVERY
            version, as_of = self._hub.version, channel.view.table.as_of
            try:
                noticed = await self._noticed(channel, areas)
            except OUTAGES as error:
                log.warning("stream.findings_wait", error=described(error))
                continue
            if noticed is not None and channel.view.table.as_of == as_of:
                channel.notice(noticed, version)

    async def _noticed(self, channel: Channel, areas: Areas) -> Noticed | None:
        """None: the hub is about to load another generation or day."""
        as_of, query = channel.view.table.as_of, channel.query
        async with self._snapshots.snapshot(areas) as snapshot:
            if snapshot.generation != self._hub.generation or snapshot.today != self._hub.today:
                return None
            scope = Scope.of(snapshot.areas.at(as_of, snapshot.today), query.area, query.by)
            return await findings.noticed(snapshot, scope, as_of, snapshot.today, grouped=query.by is not None)
