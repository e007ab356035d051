"""Reads pages of events for everybody who waits for one: those asked for at the same moment in one transaction, with their log of accesses.

So two thousand streams of which each has an event cost some tens of transactions, not two thousand.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.subscriptions.matching.current import Current, CurrentCache, load, revision_of
from services.subscriptions.matching.outgoing import WITHHELD
from services.subscriptions.receiving import store
from services.subscriptions.receiving.showing import Shown, shown
from services.subscriptions.receiving.store import Access, Delivery
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Connection, Pool

TRANSACTIONS = 3
"""At once, at most; the pool serves others as well."""
MOST_ASKS = 100
MOST_ROWS = 1_000
"""Pages and events that one transaction reads, at most."""
IN_FORCE_AFTER = 1.1
"""Seconds after which every process knows a new subscription (CurrentCache)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One page: at most `most` numbers behind `after`.

    `most_bytes`: of their contents, so that a page has a bounded size.
    `what`: `pull` or `stream`. `own`: the subscription's client reads, so reading settles what is withheld, and `received` (its cursor)
    confirms what came before; both for pull subscriptions only. `opens`: a row of the log of its own. `logs_empty`: an empty page is logged.
    """

    subscription: UUID
    client: str
    purpose: str
    what: str
    after: int
    most: int
    most_bytes: int
    own: bool = True
    received: int | None = None
    opens: bool = False
    logs_empty: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """`events` in order, as JSON; `last`: the number behind which to go on. `removed`: the first number whose content is gone, if no event
    comes before it."""

    events: Sequence[tuple[int, bytes]]
    last: int
    watermark: int
    assigned_to: int
    removed: Delivery | None = None


@dataclass(slots=True)
class _Waiting:
    ask: Ask
    page: asyncio.Future[Page] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class PageReader:
    """`await page(ask)`."""

    def __init__(self, pool: Pool, current: CurrentCache, clock: Clock) -> None:
        self._pool = pool
        self._current = current
        self._clock = clock
        self._asked: deque[_Waiting] = deque()
        self._wanted = asyncio.Semaphore(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Pages are read while this is open."""
        workers = [asyncio.create_task(self._work()) for _ in range(TRANSACTIONS)]
        try:
            yield
        finally:
            for worker in workers:
                worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*workers)

    async def page(self, ask: Ask) -> Page:
        """The page of a subscription that exists. Raises an error of db.OUTAGES.

        A subscription that is not in force yet has an empty page.
        """
        waiting = _Waiting(ask)
        self._asked.append(waiting)
        self._wanted.release()
        return await waiting.page

    async def in_force(self, subscription: UUID) -> None:
        """Wait until the grants are known under which a new subscription stands, for a second at most."""
        if subscription not in (await self._current.get()).subscriptions:
            await asyncio.sleep(IN_FORCE_AFTER)

    async def _work(self) -> None:
        while True:
            await self._wanted.acquire()
            chunk = self._chunk()
            if not chunk:
                continue
            try:
                pages = await self._read([one.ask for one in chunk])
            except asyncio.CancelledError:
                for one in chunk:
                    one.page.cancel()
                raise
            except Exception as error:
                for one in chunk:
                    if not one.page.done():
                        one.page.set_exception(error)
                continue
            for one, page in zip(chunk, pages, strict=True):
                if not one.page.done():
                    one.page.set_result(page)

    def _chunk(self) -> list[_Waiting]:
        """Those that have waited longest, as many as one transaction takes."""
        chunk, rows = list[_Waiting](), 0
        while self._asked and len(chunk) < MOST_ASKS and (not chunk or rows + self._asked[0].ask.most <= MOST_ROWS):
            one = self._asked.popleft()
            if not one.page.done():  # its client has left
                chunk.append(one)
                rows += one.ask.most
        return chunk

    async def _read(self, asks: Sequence[Ask]) -> list[Page]:
        current = await self._current.get()
        async with db.transaction(self._pool, by_key=True) as conn:
            return await pages_of(conn, asks, current, self._clock)


def _shown(asks: Sequence[Ask], found: Sequence[Sequence[Delivery]], current: Current, now: datetime) -> list[list[Shown]]:
    pages: list[list[Shown]] = []
    for ask, deliveries in zip(asks, found, strict=True):
        known = current.subscriptions.get(ask.subscription)
        pages.append([] if known is None else shown(deliveries, known.terms, now, ask.most_bytes))
    return pages


async def pages_of(conn: Connection, asks: Sequence[Ask], current: Current, clock: Clock) -> list[Page]:
    """The pages, in a transaction: what cursors confirm, the events, what showing them settles, and the log of accesses."""
    now = await clock.now(conn)
    pulled = {ask.subscription for ask in asks if ask.own and _is_pull(current, ask.subscription)}
    received: dict[UUID, int] = {}
    for ask in asks:
        if ask.received is not None and ask.subscription in pulled:
            received[ask.subscription] = max(ask.received, received.get(ask.subscription, 0))
    if received:
        await store.confirm(conn, received, now)
    found = await store.deliveries_after(conn, [(ask.subscription, ask.after, ask.most) for ask in asks])
    pages = _shown(asks, found, current, now)
    if any(one.event["type"] == WITHHELD for page in pages for one in page) and await revision_of(conn) != current.revision:
        # What an older state does not show, the latest may: an area that was registered a moment ago is in no older tree.
        current = await load(conn)
        pages = _shown(asks, found, current, now)
    marks = [
        one.settled
        for ask, page in zip(asks, pages, strict=True)
        if ask.own and ask.subscription in pulled
        for one in page
        if one.settled is not None and one.delivery.state == "queued"
    ]
    await store.settle(conn, marks, now)
    await store.put_accesses(conn, [access for ask, page in zip(asks, pages, strict=True) for access in _accesses(ask, page)], now)
    places = await store.positions(conn, {ask.subscription for ask in asks})
    return [
        _page(ask, deliveries, page, places[ask.subscription], known=ask.subscription in current.subscriptions)
        for ask, deliveries, page in zip(asks, found, pages, strict=True)
    ]


def _is_pull(current: Current, subscription: UUID) -> bool:
    known = current.subscriptions.get(subscription)
    return known is not None and known.kind == "pull"


def _accesses(ask: Ask, page: Sequence[Shown]) -> list[Access]:
    rows = []
    if ask.opens:
        rows.append(Access(ask.client, ask.what, ask.subscription, None, None, ask.purpose))
    if page:
        rows.append(Access(ask.client, ask.what, ask.subscription, page[0].delivery.number, page[-1].delivery.number, ask.purpose))
    elif ask.logs_empty and not ask.opens:
        rows.append(Access(ask.client, ask.what, ask.subscription, None, None, ask.purpose))
    return rows


def _page(ask: Ask, deliveries: Sequence[Delivery], page: Sequence[Shown], place: store.Position, *, known: bool) -> Page:
    events = [(one.delivery.number, one.encoded(place.watermark)) for one in page]
    removed = deliveries[0] if known and deliveries and not page else None
    return Page(events, events[-1][0] if events else ask.after, place.watermark, place.assigned_to, removed)
