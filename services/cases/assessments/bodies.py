"""The commands on assessments and awards: their bodies, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

from shared.contracts.cases.assessments import Assessed
from shared.http.forms import AreaCode, Code, Day, Id, Name

Level: TypeAlias = Annotated[
    Code, Field(description="Who assessed or granted: a code of the list levels, or a local word.", examples=["city"])
]


@dataclass(frozen=True, slots=True)
class Assess:
    """An enterprise, a park or a township was assessed: `enterprise_id` with the subject `enterprise`, else `area`.

    `level`: who assessed, a code of the list levels or a local word; `grade`: what came of it, a code or a local word. Events hold codes
    alone. `valid_until`: the last day on which it holds; null: it has no end.
    """

    subject: Annotated[Assessed, Field(description="What was assessed.", examples=["enterprise"])]
    on: Annotated[Day, Field(description="When it was made, not after today.", examples=["2026-03-02"])]
    level: Level
    grade: Annotated[Code, Field(description="What came of it: a code, or a local word.", examples=["AAA"])]
    enterprise_id: Annotated[
        Id | None, Field(description="The enterprise, with the subject `enterprise`.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    ] = None
    area: Annotated[AreaCode | None, Field(description="The park or township, with those subjects.", examples=[None])] = None
    valid_until: Annotated[
        Day | None, Field(description="The last day on which it holds; null: it has no end.", examples=["2029-03-01"])
    ] = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The enterprise was granted an award. `title` stays with the service. `until`: the last day on which it holds; null: it has no end."""

    enterprise_id: Annotated[Id, Field(description="The enterprise.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])]
    title: Annotated[Name, Field(description="The title of the award; it stays with the service.", examples=["和谐劳动关系示范企业"])]
    level: Level
    on: Annotated[Day, Field(description="When it was granted, not after today.", examples=["2026-03-02"])]
    until: Annotated[Day | None, Field(description="The last day on which it holds; null: it has no end.", examples=["2029-03-01"])] = None
