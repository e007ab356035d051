"""The commands on rules and calendars: their bodies, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from shared.http.forms import AreaCode, Data, Day, Name

RuleName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$"),
    Field(description="The name of the rule, as `GET /v1/rules` lists it.", examples=["arbitration_award"]),
]
Year = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$"), Field(description="The year.", examples=["2027"])]


@dataclass(frozen=True, slots=True)
class SetRule:
    """The rule has this value in an area, and in all areas within it without a value of their own, from `valid_from` on.

    `area` null: everywhere without one of its own. `GET /v1/rules` lists the rules with their national defaults and the form of each value.
    """

    name: RuleName
    valid_from: Annotated[Day, Field(description="The first day on which the value holds.", examples=["2026-01-01"])]
    value: Annotated[
        Data, Field(description="The value, in the form of the rule's default.", examples=[{"days": 30, "day_kind": "calendar"}])
    ]
    area: Annotated[AreaCode | None, Field(description="The area; null: everywhere without a value of its own.", examples=["330200"])] = (
        None
    )


@dataclass(frozen=True, slots=True)
class SetCalendar:
    """The official arrangement of a year: weekdays work but for `holidays`, weekends rest but for `working_days`. `source`: the notice.

    It replaces what was known of the year, and the clocks that waited for it get their days.
    """

    year: Year
    holidays: Annotated[
        list[Day], Field(max_length=366, description="Days on which people rest, weekends or not.", examples=[["2027-01-01"]])
    ]
    working_days: Annotated[list[Day], Field(max_length=366, description="Days of weekends on which people work.", examples=[[]])]
    source: Annotated[
        Name, Field(description="The notice that arranges the year.", examples=["国务院办公厅关于2027年部分节假日安排的通知"])
    ]
