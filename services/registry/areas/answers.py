"""What reads of areas answer."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from shared.contracts.registry import AreaKind
from shared.http.answers import NEXT


class AreaAnswer(BaseModel):
    """A division or park as it is now."""

    code: str = Field(description="Its code.", examples=["330200-P001"])
    name: str = Field(description="Its name as registered.", examples=["示例产业园"])
    kind: AreaKind = Field(description="A division, which may hold areas, or a park, which holds enterprises.", examples=["park"])
    parent: str | None = Field(description="The area in which it lies directly; null: a root.", examples=["330200"])
    level: bool = Field(
        description="Whether it is only a level of the code (市辖区, 县); pages show its parent's name instead.", examples=[False]
    )
    valid_from: date | None = Field(description="The first day on which it lies there; null: since ever.", examples=["2024-01-01"])
    path: list[str] = Field(
        description="Its code and the codes of all that it lies in, inside out.", examples=[["330200-P001", "330200", "33"]]
    )
    subject: str = Field(description="Its stream of events.", examples=["area/330200-P001"])
    sequence: int = Field(description="The position of the last event in that stream, from 1; its ETag.", examples=[1])


class AreasAnswer(BaseModel):
    """Divisions and parks by code."""

    items: list[AreaAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])
