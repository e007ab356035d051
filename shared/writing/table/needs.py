"""What commands need before they are decided, and what their caller may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol, TypeAlias
from uuid import UUID

from shared.http.auth import ROOT, Areas
from shared.problems.preconditions import Expected, require_expected
from shared.process.clock import Clock
from shared.writing.facts import World


class Context(Protocol):
    """What commands need besides a connection. A service may add to it."""

    @property
    def clock(self) -> Clock: ...

    @property
    def fingerprint_key(self) -> bytes:
        """Key of the HMAC by which idempotency rows recognise a body."""


@dataclass
class Needs:
    """What the commands of one transaction need, collected before anything is locked. A service adds the keys of its own rows."""

    streams: set[str] = field(default_factory=set)
    """Streams to lock, as far as they exist."""
    events: set[UUID] = field(default_factory=set)
    """Events that corrections name."""
    ranges: set[tuple[str, int, int]] = field(default_factory=set)
    """(stream, first, last) that withdrawals name."""
    paths: bool = False
    """Whether paths of areas are needed for grants: false if the caller has every area."""
    etags: bool = False
    """Whether a command comes with If-Match."""


class Grants(Protocol):
    """A world that knows in which areas an area lies."""

    def require_granted(self, areas: Areas, code: str | None, field: str) -> None:
        """Raises AREA_NOT_GRANTED (403)."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may do: the areas of the token, and the ETags of If-Match. `asked`: the areas for which a grant was needed, `*` all."""

    areas: Areas
    expected: Expected = None
    asked: set[str] = field(default_factory=set)

    def area(self, world: Grants, code: str | None, field: str) -> None:
        """Raises AREA_NOT_GRANTED (403) unless the area is granted; `code` None needs every area."""
        self.asked.add(ROOT if code is None else code)
        world.require_granted(self.areas, code, field)

    def everywhere(self, field: str) -> None:
        """Raises AREA_NOT_GRANTED (403) unless every area is granted."""
        self.asked.add(ROOT)
        self.areas.require(None, None, field)

    def resource(self, world: World, subject: str, etag: str | None = None) -> None:
        """The resource that a command changes, on the stream `subject`. Raises STREAM_UNREADABLE (409), PRECONDITION_FAILED (412)."""
        world.require_readable(subject)
        require_expected(self.expected, etag)


Places: TypeAlias = "Sequence[tuple[date, str]]"
"""Where the resource of a stream is: (from this day on, area) in order; before the first day it is where it is then. Empty: there is none."""
