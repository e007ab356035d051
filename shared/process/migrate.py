"""Forward-only migrations of one service's database, run with the owner's role.

`services/<service>/migrations/_shared.txt` names the files of `shared/sql/` that the service needs, one a line; they come first, then the
service's own `NNNN_*.sql` in order. Each file is one transaction, and is never changed after it was applied. `{app}` in a file stands for
the role of the running service, `<service>_app`. Names in the database that this release does not know are left alone, so that an older
release starts beside a newer schema.

A file waits for its locks a moment at a time, and lets everybody pass between two tries: whoever waits for a table is waited for by all who
come later, so one long answer on it would stop the service for as long as the file waited (invariant I8).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

ROOT = Path(__file__).resolve().parents[2]
LOCK = 0x7061726B
LOCK_WITHIN = 1.0
"""Seconds that a file waits for a lock at a time, and then lets others pass."""
PATIENCE = 120.0
"""Seconds after which a file is given up that gets its locks never."""
NUMBERED = re.compile(r"\d{4}_[a-z0-9_]+\.sql")


class MigrationChangedError(Exception):
    """A migration that was applied to this database has another content now. Add a new migration instead of editing an old one."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file; `name` is how the database remembers it."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations_of(folder: Path) -> list[Migration]:
    """All migrations of a service, in order. Raises FileNotFoundError for a shared file that does not exist."""
    shared = [line.split("#")[0].strip().removesuffix(".sql") for line in (folder / "_shared.txt").read_text("utf-8").splitlines()]
    found = [Migration(f"shared/{name}.sql", (ROOT / "shared" / "sql" / f"{name}.sql").read_text("utf-8")) for name in shared if name]
    own = sorted(path for path in folder.iterdir() if NUMBERED.fullmatch(path.name))
    return found + [Migration(path.name, path.read_text("utf-8")) for path in own]


async def migrate(dsn: str, service: str, *, folder: Path | None = None) -> list[str]:
    """Bring the database of `service` up to this release and return the names applied now; nothing to do is an empty list.

    Safe to call from several processes at once. `folder` defaults to `services/<service>/migrations`.
    Raises MigrationChangedError, or what PostgreSQL says about a file (which then left nothing behind).
    """
    todo = migrations_of(folder or ROOT / "services" / service / "migrations")
    conn = await asyncpg.connect(dsn, timeout=30, server_settings={"application_name": f"{service}.migrate", "timezone": "UTC"})
    try:
        await conn.execute("SELECT pg_advisory_lock($1)", LOCK)
        await conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations "
            "(name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        known = {row["name"]: row["sha256"] for row in await conn.fetch("SELECT name, sha256 FROM schema_migrations")}
        applied: list[str] = []
        for migration in todo:
            if migration.name not in known:
                await _apply(conn, migration, app=f"{service}_app")
                applied.append(migration.name)
            elif known[migration.name] != migration.sha256:
                raise MigrationChangedError(f"{service}: {migration.name}")
        return applied
    finally:
        await conn.close()


async def _apply(conn: asyncpg.Connection[asyncpg.Record], migration: Migration, *, app: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            async with conn.transaction():
                await conn.execute(f"SET LOCAL lock_timeout = {LOCK_WITHIN * 1000:.0f}")
                await conn.execute(migration.text.replace("{app}", '"' + app.replace('"', '""') + '"'))
                await conn.execute("INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256)
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(LOCK_WITHIN)
