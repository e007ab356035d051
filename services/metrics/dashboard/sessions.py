"""Sessions of browsers: a bearer token buys a one-time code, the code a cookie, and the cookie grants the token's areas.

Codes and cookies are random and stored as hashes, so that a reader of the database cannot use them.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from starlette.requests import Request

from services.metrics.http.access import READ
from shared.http.auth import Areas, Caller
from shared.process.clock import utc_now
from shared.process.db import Connection, Pool, Record

COOKIE = "parkunion_session"
CODE_LIFETIME = timedelta(minutes=10)
SECRET_BYTES = 32
LONGEST_SECRET = 64

NEW_CODE = "INSERT INTO login_codes (code_hash, client, scopes, areas, expires_at) VALUES ($1, $2, $3, $4, $5)"
DELETE_EXPIRED_CODES = "DELETE FROM login_codes WHERE expires_at <= $1"
USE_CODE = "DELETE FROM login_codes WHERE code_hash = $1 AND expires_at > $2 RETURNING client, scopes, areas"
NEW_SESSION = "INSERT INTO sessions (id_hash, client, scopes, areas, expires_at) VALUES ($1, $2, $3, $4, $5)"
DELETE_EXPIRED_SESSIONS = "DELETE FROM sessions WHERE expires_at <= $1"
SESSION = "SELECT client, scopes, areas, expires_at FROM sessions WHERE id_hash = $1 AND expires_at > $2"


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


async def new_code(conn: Connection, caller: Caller) -> str:
    """A code that grants a browser the caller's areas, once and within ten minutes. Of the scopes it keeps only READ."""
    code, now = secrets.token_urlsafe(SECRET_BYTES), utc_now()
    await conn.execute(DELETE_EXPIRED_CODES, now)
    scopes = sorted(caller.scopes & {READ})
    await conn.execute(NEW_CODE, _hash(code), caller.client, scopes, sorted(caller.areas.codes), now + CODE_LIFETIME)
    return code


async def start_session(conn: Connection, code: str, hours: float) -> str | None:
    """The cookie of a new session of `hours`; None if the code is unknown, expired or used."""
    now = utc_now()
    if len(code) > LONGEST_SECRET or (row := await conn.fetchrow(USE_CODE, _hash(code), now)) is None:
        return None
    cookie = secrets.token_urlsafe(SECRET_BYTES)
    await conn.execute(DELETE_EXPIRED_SESSIONS, now)
    await conn.execute(NEW_SESSION, _hash(cookie), row["client"], row["scopes"], row["areas"], now + timedelta(hours=hours))
    return cookie


def _caller(row: Record) -> Caller:
    return Caller(row["client"], frozenset(row["scopes"]), Areas.of(row["areas"]), row["expires_at"].timestamp())


async def by_cookie(request: Request) -> Caller | None:
    """The caller of a request by its session cookie; an authenticator for `shared.http.web.create_app`."""
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or len(cookie) > LONGEST_SECRET:
        return None
    pool: Pool = request.app.state.pool
    async with pool.acquire(timeout=5) as conn:
        row = await conn.fetchrow(SESSION, _hash(cookie), utc_now())
    return _caller(row) if row else None
