"""What the reads of erasures answer."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from shared.http.answers import NEXT


class ErasureAnswer(BaseModel):
    """A person was erased."""

    person_id: UUID = Field(
        description="The id that the person had; it names nobody now.", examples=["01938c5e-7f00-7000-8000-0000000000d1"]
    )
    erased_at: datetime = Field(description="When it was done.", examples=["2026-07-01T01:30:00.123456Z"])
    actor: str = Field(description="Who commanded it: the `sub` of the token.", examples=["federation"])
    reason: str = Field(description="Why, as a code of docs/codes.md.", examples=["requested"])


class ErasuresAnswer(BaseModel):
    """Erasures, the oldest first."""

    items: list[ErasureAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])
