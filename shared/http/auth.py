"""The caller of a request: its scopes (`service:verb`) and areas.

Imports no web framework, since processes without the API use `Areas` too. Tokens are verified in shared/http/tokens.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

from shared.problems.errors import Forbidden

ROOT = "*"
"""The area that contains all others, in a token's claim and in the setting of row-level security."""
UNNAMED = "?"
"""In a refusal: the area in which something lies that the caller named, and which is not the caller's to know."""
AREA_FIELDS = frozenset(("area", "park", "parent", "seat_area"))
"""The fields in which callers name areas."""


current_client: ContextVar[str] = ContextVar("current_client", default="")
"""Whose request the current task answers: a token's `sub`, or the peer's address before there is one. For limits that are per client."""


@dataclass(frozen=True, slots=True)
class Areas:
    """The granted areas, each with all areas inside it; empty grants nothing."""

    codes: frozenset[str] = frozenset()
    everything: bool = False

    @classmethod
    def all(cls) -> Areas:
        """Every area: the root area's grant, and the service's own work."""
        return EVERYTHING

    @classmethod
    def of(cls, codes: Iterable[str]) -> Areas:
        """The areas of a token's claim; `*` is everything."""
        wanted = frozenset(codes)
        return EVERYTHING if ROOT in wanted else cls(wanted)

    def inside(self, path: Iterable[str] | None) -> bool:
        """Whether an area is granted. `path` = its code and those of the areas around it; None: the area is unknown."""
        return self.everything or (path is not None and not self.codes.isdisjoint(path))

    def require(self, code: str | None, path: Iterable[str] | None, field: str | None = "area") -> None:
        """Raises AREA_NOT_GRANTED (403) unless the area with that `path` is granted; `code` None means every area.

        The area is named if the caller did so in `field`; where an enterprise, a union or a member is, a refusal does not tell.
        """
        if not self.inside(path if code is not None else None):
            named = field is not None and field.rpartition(".")[2] in AREA_FIELDS
            raise Forbidden("AREA_NOT_GRANTED", field=field, params={"area": ROOT if code is None else code if named else UNNAMED})

    def setting(self) -> str:
        """The value of `parkunion.areas` for row-level security: `*`, or the codes, comma-separated."""
        return ROOT if self.everything else ",".join(sorted(self.codes))


EVERYTHING = Areas(frozenset({ROOT}), everything=True)


async def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Caller:
    """A client with a verified token. `client` is opaque (the token's `sub`).

    Seconds since 1970: `expires_at`, when it is refused and open streams end, after the difference of clocks that is allowed;
    `valid_until`, the token's own end, with which end the sessions that it buys.
    """

    client: str
    scopes: frozenset[str]
    areas: Areas = field(default_factory=Areas)
    expires_at: float = float("inf")
    valid_until: float = float("inf")
    name: str = ""
    """The person's name, for their own pages: never in logs or events."""
    still_in: Callable[[], Awaitable[bool]] = _always
    """Whether what identified the caller still does so: a session may be ended before it expires. Open streams ask at each push."""
    session: bool = False
    """Whether a browser's session identified the caller, which its person can end."""

    def require(self, scope: str) -> None:
        """Raises SCOPE_MISSING (403) without `scope`."""
        if scope not in self.scopes:
            challenge = f'Bearer realm="parkunion", error="insufficient_scope", scope="{scope}"'
            raise Forbidden("SCOPE_MISSING", params={"scope": scope}, headers={"WWW-Authenticate": challenge})

    def require_area(self, code: str | None, path: Iterable[str] | None, field: str | None = "area") -> None:
        """As `Areas.require`."""
        self.areas.require(code, path, field)
