"""The headers of commands, as types of parameters. Apart from `forms`, so that bodies load no web framework."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Header

IdempotencyKey: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same body is done once and answered with the first result (30 days).",
    ),
]
"""The header that identifies a repeated command."""
IfMatch: TypeAlias = Annotated[
    str | None, Header(alias="If-Match", max_length=1000, description="The ETag of the resource as it was read; 412 if it has changed.")
]
"""The header that makes a command conditional on the ETag that its caller has read (shared/writing/preconditions.py)."""
