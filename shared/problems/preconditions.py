"""If-Match: a command is carried out only on what its caller has read (RFC 9110 §13.1.1).

The ETag is compared under the locks of the command, so nothing changes between the comparison and what the command does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from shared.problems.errors import Problem, Unprocessable

ETAGS = re.compile(r'\s*(?:W/)?"[^"]*"\s*(?:,\s*(?:W/)?"[^"]*"\s*)*')
TAG = re.compile(r'(?:W/)?"[^"]*"')

Expected: TypeAlias = frozenset[str] | None
"""ETags of which that of the changed resource must be one; None: any."""


class PreconditionFailed(Problem):
    """The resource has changed since the caller read it."""

    status = 412


def expected_by(if_match: str | None) -> Expected:
    """The ETags that an If-Match header names; weak ones match nothing. Raises BAD_FORM (422)."""
    if if_match is None or if_match.strip() == "*":
        return None
    if not ETAGS.fullmatch(if_match):
        raise Unprocessable("BAD_FORM", field="If-Match")
    return frozenset(tag for tag in TAG.findall(if_match) if not tag.startswith("W/"))


def require_expected(expected: Expected, etag: str | None) -> None:
    """Raises PRECONDITION_FAILED (412) unless `etag` is among those expected."""
    if expected is not None and etag not in expected:
        raise PreconditionFailed("PRECONDITION_FAILED", field="If-Match")


def etag_of(content: Mapping[str, Any]) -> str:
    """The ETag of a resource by its content, for one whose stream also holds facts about others."""
    return f'"{hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:32]}"'
