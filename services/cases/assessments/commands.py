"""The commands on assessments and awards: their bodies, declared once."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.cases.assessments import Assessed
from shared.http.forms import AreaCode, Code, Day, Id, Name


@dataclass(frozen=True, slots=True)
class Assess:
    """An enterprise, a park or a township was assessed: `enterprise_id` with the subject `enterprise`, else `area`.

    `level`: who assessed, a code of the list levels or a local word; `grade`: what came of it, a code or a local word. Events hold codes
    alone. `valid_until`: the last day on which it holds; null: it has no end.
    """

    subject: Assessed
    on: Day
    level: Code
    grade: Code
    enterprise_id: Id | None = None
    area: AreaCode | None = None
    valid_until: Day | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The enterprise was granted an award. `title` stays with the service. `until`: the last day on which it holds; null: it has no end."""

    enterprise_id: Id
    title: Name
    level: Code
    on: Day
    until: Day | None = None
