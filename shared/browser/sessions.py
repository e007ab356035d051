"""Sessions of browsers: a bearer token buys a one-time code, the code a cookie; so does a sign-in at the provider. The cookie grants the
token's areas until the token's end.

Codes and cookies are random and stored as hashes, so that a reader of the database cannot use them. Sessions are rows of the database: one
that was ended is ended for every process of the service, also for its open streams.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlsplit

from fastapi import Request

from shared.browser.site import settings_of, site_of
from shared.http.auth import Areas, Caller
from shared.problems.errors import Forbidden
from shared.process import db
from shared.process.clock import utc_now
from shared.process.db import OUTAGES, Connection, Pool, Record

CODE_LIFETIME = timedelta(minutes=10)
SECRET_BYTES = 32
LONGEST_SECRET = 64
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ASK_WITHIN = 1.0
"""Seconds: a push must not wait for a database that stands still, of which it may have to tell."""
ASK_AGAIN = 1.0
"""Seconds for which an open stream trusts the last answer of the database about its session."""
MOST_REMEMBERED = 10_000

NEW_CODE = "INSERT INTO login_codes (code_hash, client, scopes, areas, expires_at, valid_until) VALUES ($1, $2, $3, $4, $5, $6)"
DELETE_EXPIRED_CODES = "DELETE FROM login_codes WHERE expires_at <= $1"
USE_CODE = "DELETE FROM login_codes WHERE code_hash = $1 AND expires_at > $2 RETURNING client, scopes, areas, valid_until"
KNOW_CODE = "SELECT EXISTS (SELECT FROM login_codes WHERE code_hash = $1 AND expires_at > $2 AND coalesce(valid_until > $2, true))"
NEW_SESSION = "INSERT INTO sessions (id_hash, client, scopes, areas, expires_at, name) VALUES ($1, $2, $3, $4, $5, $6)"
DELETE_EXPIRED_SESSIONS = "DELETE FROM sessions WHERE expires_at <= $1"
END_SESSION = "DELETE FROM sessions WHERE id_hash = $1"
SESSION = "SELECT client, scopes, areas, expires_at, name FROM sessions WHERE id_hash = $1 AND expires_at > $2"
SESSION_HOLDS = "SELECT EXISTS (SELECT FROM sessions WHERE id_hash = $1 AND expires_at > $2)"


class NewSession(NamedTuple):
    """A session's cookie and its lifetime in whole seconds."""

    cookie: str
    seconds: int


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def new_code(conn: Connection, caller: Caller, keep: Collection[str]) -> str:
    """A code that grants a browser the caller's areas until the token's end, once and within ten minutes. `keep`: the scopes that it grants
    of the caller's."""
    code, now = secrets.token_urlsafe(SECRET_BYTES), utc_now()
    await conn.execute(DELETE_EXPIRED_CODES, now)
    scopes = sorted(caller.scopes.intersection(keep))
    end = _instant(caller.valid_until, now + timedelta(days=1))
    await conn.execute(NEW_CODE, _hash(code), caller.client, scopes, sorted(caller.areas.codes), now + CODE_LIFETIME, end)
    return code


async def knows_code(conn: Connection, code: str) -> bool:
    """Whether the code can be used; it stays usable."""
    return len(code) <= LONGEST_SECRET and bool(await conn.fetchval(KNOW_CODE, _hash(code), utc_now()))


async def use_code(conn: Connection, code: str, hours: float, keep: Collection[str]) -> NewSession | None:
    """A session of `hours`, or until the token's end if that is sooner; None if the code is unknown, expired or used, or its token ended."""
    now = utc_now()
    if len(code) > LONGEST_SECRET or (row := await conn.fetchrow(USE_CODE, _hash(code), now)) is None:
        return None
    until = row["valid_until"].timestamp() if row["valid_until"] else float("inf")
    return await new_session(conn, Caller(row["client"], frozenset(row["scopes"]), Areas.of(row["areas"]), valid_until=until), hours, keep)


async def new_session(conn: Connection, caller: Caller, hours: float, keep: Collection[str]) -> NewSession | None:
    """A session of the caller with those of its scopes that are in `keep`, of `hours` or until its token's end if that is sooner; None if
    the token has ended."""
    now = utc_now()
    end = min(_instant(caller.valid_until, now + timedelta(hours=hours)), now + timedelta(hours=hours))
    if end <= now:
        return None
    cookie = secrets.token_urlsafe(SECRET_BYTES)
    await conn.execute(DELETE_EXPIRED_SESSIONS, now)
    scopes, areas = sorted(caller.scopes.intersection(keep)), sorted(caller.areas.codes)
    await conn.execute(NEW_SESSION, _hash(cookie), caller.client, scopes, areas, end, caller.name or None)
    return NewSession(cookie, max(1, int((end - now).total_seconds())))


async def end_session(request: Request) -> None:
    """End the session of the request's cookie, if it has one, in every process."""
    cookie = request.cookies.get(site_of(request).session_cookie, "")
    if cookie and len(cookie) <= LONGEST_SECRET:
        pool: Pool = request.app.state.pool
        async with db.transaction(pool) as conn:
            await conn.execute(END_SESSION, _hash(cookie))
        states: SessionStates = request.app.state.session_states
        states.forget(_hash(cookie))


async def by_cookie(request: Request) -> Caller | None:
    """The caller of a request by its session cookie; an authenticator for `shared.http.web.create_app`. Raises what `require_own_page` does."""
    cookie = request.cookies.get(site_of(request).session_cookie, "")
    if not cookie or len(cookie) > LONGEST_SECRET:
        return None
    pool: Pool = request.app.state.pool
    async with pool.acquire(timeout=5) as conn:
        row = await conn.fetchrow(SESSION, _hash(cookie), utc_now())
    if row is None:
        return None
    require_own_page(request)
    states: SessionStates = request.app.state.session_states
    return _caller(row, _hash(cookie), states)


def _caller(row: Record, id_hash: bytes, states: SessionStates) -> Caller:
    end = row["expires_at"].timestamp()

    async def holds() -> bool:
        return await states.holds(id_hash)

    return Caller(row["client"], frozenset(row["scopes"]), Areas.of(row["areas"]), end, end, row["name"] or "", holds, session=True)


def require_own_page(request: Request) -> None:
    """A browser may change something by its cookie only from a page of this service: browsers name the page's origin with every POST.

    Raises NOT_OUR_PAGE (403).
    """
    if request.method in SAFE_METHODS:
        return
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    own = {
        settings_of(request).base_url.lower(),
        *(f"{scheme}://{request.headers.get('host', '').lower()}" for scheme in ("http", "https")),
    }
    if (origin is not None and not _same(origin.lower(), own)) or site not in ("same-origin", "none"):
        raise Forbidden("NOT_OUR_PAGE")


def _same(origin: str, own: set[str]) -> bool:
    parts = urlsplit(origin)
    return bool(parts.netloc) and f"{parts.scheme}://{parts.netloc}" in own


class SessionStates:
    """Whether sessions of open streams still hold, by the database, which is asked once a second for each at most."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asked: dict[bytes, tuple[float, bool]] = {}

    async def holds(self, id_hash: bytes) -> bool:
        """Whether the session was neither ended nor has expired; the last answer while the database does not answer, and so tells nothing."""
        at, held = self._asked.get(id_hash, (float("-inf"), True))
        now = time.monotonic()
        if held and now - at > ASK_AGAIN:
            with contextlib.suppress(*OUTAGES):
                async with self._pool.acquire(timeout=ASK_WITHIN) as conn:
                    held = bool(await conn.fetchval(SESSION_HOLDS, id_hash, utc_now(), timeout=ASK_WITHIN))
            while len(self._asked) >= MOST_REMEMBERED:
                del self._asked[next(iter(self._asked))]
            self._asked[id_hash] = (now, held)
        return held

    def forget(self, id_hash: bytes) -> None:
        """The session was ended by this process."""
        self._asked[id_hash] = (time.monotonic(), False)


def _instant(seconds: float, latest: datetime) -> datetime:
    """Seconds since 1970 as an instant, `latest` at most."""
    return latest if seconds >= latest.timestamp() else datetime.fromtimestamp(seconds, UTC)
