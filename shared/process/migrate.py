"""Forward-only migrations of one service's database, run with the owner's role.

`services/<service>/migrations/_shared.txt` lists the files of `shared/sql/` that the service needs, one a line. They come first, then the
service's own `NNNN_*.sql` in order. Each file is one transaction and is never changed after it was applied. `{app}` stands for the role of
the running service, `<service>_app`. Unknown names in `schema_migrations` are ignored, so that an older release starts on a newer schema.

A file waits for its locks one second at a time and lets others pass between two tries. All later requests for a table queue behind a waiting
one, so a single long query would otherwise stop the service for as long as the file waits (invariant I8).

A file whose first line is `-- waits for: NAME` takes something away that the release before needs. While a session of that application_name
is connected, it is left for the next run, and so is every later file that waits for the same name; no other later file may depend on it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

ROOT = Path(__file__).resolve().parents[2]
LOCK = 0x7061726B
LOCK_WITHIN = 1.0
"""Seconds that a file waits for a lock at a time."""
PATIENCE = 120.0
"""Seconds after which a file without its locks fails."""
NUMBERED = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
WAITS_FOR = re.compile(r"-- waits for: (\S+)\n")
CONNECTED = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1)"

log = structlog.get_logger()


class MigrationChangedError(Exception):
    """The content of a migration differs from what was applied to this database. Add a new migration instead of editing an old one."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file; `name` is its key in `schema_migrations`."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def waits_for(self) -> str | None:
        """The application_name of the sessions that must have gone."""
        found = WAITS_FOR.match(self.text)
        return found[1] if found else None


def migrations_of(folder: Path) -> list[Migration]:
    """All migrations of a service, in order. Raises FileNotFoundError for a shared file that does not exist."""
    shared = [line.split("#")[0].strip().removesuffix(".sql") for line in (folder / "_shared.txt").read_text("utf-8").splitlines()]
    found = [Migration(f"shared/{name}.sql", (ROOT / "shared" / "sql" / f"{name}.sql").read_text("utf-8")) for name in shared if name]
    own = sorted(path for path in folder.iterdir() if NUMBERED.fullmatch(path.name))
    return found + [Migration(path.name, path.read_text("utf-8")) for path in own]


async def migrate(dsn: str, service: str, *, folder: Path | None = None) -> list[str]:
    """Apply the missing migrations of `service` but those that wait for a session to end, and return their names.

    Safe to call from several processes at once. `folder` defaults to `services/<service>/migrations`. Raises MigrationChangedError, or
    PostgreSQL's error about a file, which is then rolled back.
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
        connected = set[str]()
        for migration in todo:
            if migration.name not in known:
                if (name := migration.waits_for) is not None and (name in connected or await conn.fetchval(CONNECTED, name)):
                    connected.add(name)
                    log.warning("migration.waits", migration=migration.name, session=name)
                    continue
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
