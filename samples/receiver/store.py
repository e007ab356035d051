"""What was received, in SQLite: each delivery once, on the disk before it is answered."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS deliveries (
    webhook_id TEXT NOT NULL,        -- <subscription>.<number>
    withheld INTEGER NOT NULL,       -- 1: the notice that the number is withheld; it may come after the event itself
    subscription TEXT NOT NULL,
    number INTEGER,                  -- NULL: a test or a heartbeat without a number
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    hash BLOB NOT NULL,              -- of the event without what differs from attempt to attempt (shared/manifests/chain.py)
    sent_at INTEGER NOT NULL,        -- webhook-timestamp of the attempt whose body is kept
    received_at TEXT NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL,              -- the event as it came
    PRIMARY KEY (webhook_id, withheld)
) STRICT;
CREATE TABLE IF NOT EXISTS numbers (subscription TEXT, number INTEGER, PRIMARY KEY (subscription, number)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads (subscription TEXT PRIMARY KEY, watermark INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS manifests (
    subscription TEXT, day TEXT, checked_at TEXT NOT NULL, complete INTEGER NOT NULL, count INTEGER NOT NULL, findings TEXT NOT NULL,
    PRIMARY KEY (subscription, day)
) STRICT;
"""
# The same event with other content comes when a grant was narrowed and the number was asked for again: the later attempt is what is signed for.
PUT = """
INSERT INTO deliveries (webhook_id, withheld, subscription, number, event_id, type, subject, hash, sent_at, received_at, body)
VALUES (:webhook_id, :withheld, :subscription, :number, :event_id, :type, :subject, :hash, :sent_at, :received_at, :body)
ON CONFLICT DO UPDATE SET
    repeats = repeats + 1,
    body = CASE WHEN excluded.hash <> hash AND excluded.sent_at > sent_at THEN excluded.body ELSE body END,
    hash = CASE WHEN excluded.hash <> hash AND excluded.sent_at > sent_at THEN excluded.hash ELSE hash END,
    sent_at = max(sent_at, excluded.sent_at)
RETURNING repeats
"""
GAPS = """
SELECT number + 1, following - 1 FROM (
    SELECT number, lead(number) OVER (ORDER BY number) AS following FROM (
        SELECT 0 AS number UNION SELECT number FROM numbers WHERE subscription = :subscription AND number <= :upto UNION SELECT :upto + 1
    )
) WHERE following > number + 1 ORDER BY number LIMIT 1000
"""
SUMMARY = """
SELECT d.subscription, count(*) FILTER (WHERE d.number IS NOT NULL AND NOT d.withheld) AS received, sum(d.withheld) AS withheld,
    sum(d.repeats) AS repeats, (SELECT watermark FROM heads AS h WHERE h.subscription = d.subscription) AS watermark,
    (SELECT max(number) FROM numbers AS n WHERE n.subscription = d.subscription) AS highest
FROM deliveries AS d GROUP BY d.subscription ORDER BY d.subscription
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request that was verified. `numbers`: those that it accounts for (of a notice that numbers are withheld, all of them)."""

    webhook_id: str
    withheld: bool
    subscription: str
    number: int | None
    event_id: str
    type: str
    subject: str
    hash: bytes
    sent_at: int
    received_at: str
    body: bytes
    numbers: Sequence[int]
    watermark: int


class Store:
    """The database in a file; may be used from any thread. Errors are sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # FULL: a commit is on the disk when it returns. What is answered with 2xx is never sent again by itself.
        self._connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {TABLES}")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def put(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store them in one transaction; returns of each whether it was new."""
        new = []
        with self._transaction() as connection:
            for one in deliveries:
                row = {name: getattr(one, name) for name in one.__slots__ if name not in ("numbers", "watermark")}
                new.append(connection.execute(PUT, row).fetchone()["repeats"] == 0)
                connection.executemany(
                    "INSERT OR IGNORE INTO numbers VALUES (?, ?)", [(one.subscription, number) for number in one.numbers]
                )
                connection.execute(
                    "INSERT INTO heads VALUES (?, ?) ON CONFLICT DO UPDATE SET watermark = max(watermark, excluded.watermark)",
                    (one.subscription, one.watermark),
                )
        return new

    def put_manifest(self, subscription: str, day: str, checked_at: str, complete: bool, count: int, findings: str) -> None:
        """What the check of a day came to."""
        with self._transaction() as connection:
            row = (subscription, day, checked_at, complete, count, findings)
            connection.execute("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?, ?, ?)", row)

    def _read(self, statement: str, values: Any = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def subscriptions(self) -> list[str]:
        """Those of which something came."""
        return [row[0] for row in self._read("SELECT DISTINCT subscription FROM deliveries ORDER BY 1")]

    def watermark(self, subscription: str) -> int:
        """The highest that an event stated: every number up to it has been delivered, parked or withheld."""
        return next((int(row[0]) for row in self._read("SELECT watermark FROM heads WHERE subscription = ?", (subscription,))), 0)

    def gaps(self, subscription: str, upto: int) -> list[tuple[int, int]]:
        """The runs of numbers up to `upto` that never came, as (first, last); the first thousand."""
        return [(row[0], row[1]) for row in self._read(GAPS, {"subscription": subscription, "upto": upto})]

    def bodies(self, subscription: str | None = None) -> Iterator[bytes]:
        """The events as they came, a page at a time in the order of arrival."""
        after = 0
        while rows := self._read(
            "SELECT rowid, body FROM deliveries WHERE rowid > ? AND (subscription = ? OR ? IS NULL) ORDER BY rowid LIMIT 500",
            (after, subscription, subscription),
        ):
            yield from (row["body"] for row in rows)
            after = rows[-1]["rowid"]

    def summary(self) -> list[dict[str, Any]]:
        """Of each subscription how many events came, were withheld and repeated, the watermark and the highest number."""
        return [dict(row) for row in self._read(SUMMARY)]

    def manifests(self, subscription: str) -> list[dict[str, Any]]:
        """The checked days, the newest first."""
        return [
            dict(row)
            for row in self._read(
                "SELECT day, checked_at, complete, count, findings FROM manifests WHERE subscription = ? ORDER BY day DESC", (subscription,)
            )
        ]

    def last(self, most: int) -> list[dict[str, Any]]:
        """The deliveries that came last."""
        columns = "subscription, number, type, subject, event_id, received_at, repeats, withheld"
        return [dict(row) for row in self._read(f"SELECT {columns} FROM deliveries ORDER BY rowid DESC LIMIT ?", (most,))]


class Writer:
    """Requests that come at the same time share a commit, and so a write to the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Delivery, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, delivery: Delivery) -> bool:
        """Returns when it is on the disk: whether it was new. Raises sqlite3.Error; then nothing is stored."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results: list[bool] | sqlite3.Error = await asyncio.to_thread(self._store.put, [delivery for delivery, _ in batch])
            except sqlite3.Error as error:
                results = error
            for place, (_, future) in enumerate(batch):
                if future.done():
                    continue  # the client is gone; it will send the event again
                if isinstance(results, sqlite3.Error):
                    future.set_exception(results)
                else:
                    future.set_result(results[place])
