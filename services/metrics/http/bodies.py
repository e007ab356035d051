"""Builds the bodies of answers as plain values; the models of `schemas` document them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from services.metrics.explaining.findings import Concerned, Found, name_of_finding, text_of_finding
from services.metrics.explaining.waits import Waits
from services.metrics.figures.questions import CoverageResult, Rate, Row
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.survival import Step
from services.metrics.figures.tree import Area, Tree
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.measures import INDEX, PUBLISHED, unpacked
from shared.http.answers import json_response

VERSION_HEADER = "X-Parkunion-Version"


def basis(snapshot: Snapshot, **days: date) -> dict[str, Any]:
    """The fields of `Basis`, with the days of the question; finality is that of the latest known day."""
    known = max(day for name, day in days.items() if name.startswith("known"))
    finality = snapshot.finality
    return {
        **days,
        "provisional": finality.provisional(days["as_of"], known, snapshot.today),
        "closed_day": finality.closed_day,
        "rule_version": RULE_VERSION,
        "fold_version": snapshot.fold_version,
    }


def page(snapshot: Snapshot, body: dict[str, Any]) -> Response:
    """An answer with the snapshot's version vector in its header."""
    return json_response(body, headers={VERSION_HEADER: snapshot.version, "Vary": "Accept-Language"})


def coverage_body(snapshot: Snapshot, answer: CoverageResult, found: Mapping[str, Sequence[Found]], language: str) -> dict[str, Any]:
    """The fields of `CoverageAnswer`; `found`: the findings of each row by its code."""
    rows = [{**row_body(row), "findings": row_findings(found[row.code])} for row in (*answer.rows, answer.total)]
    question = {"area": answer.area, "as_of": answer.as_of, "known_at": answer.known_at}
    findings = [finding_body(one, question, language) for one in found[answer.total.code]]
    return {**basis(snapshot, as_of=answer.as_of, known_at=answer.known_at), "rows": rows, "left_out": 0, "findings": findings}


def row_findings(found: Sequence[Found]) -> list[dict[str, Any]]:
    """The field `findings` of `RowAnswer`."""
    return [{"code": one.finding, "count": one.count} for one in found]


def finding_body(found: Found, question: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The fields of `FindingAnswer`; `question`: the parameters of its list."""
    query = urlencode({name: value for name, value in question.items() if value is not None})
    return {
        "code": found.finding,
        "count": found.count,
        "members": found.members,
        "workers": found.workers,
        "name": name_of_finding(found.finding, language),
        "text": text_of_finding(found, language),
        "list": f"/v1/coverage/findings/{found.finding}?{query}",
    }


def concerned_body(one: Concerned) -> dict[str, Any]:
    """The fields of `ConcernedAnswer`."""
    return {
        "id": None if one.hidden else one.subject.partition("/")[2],
        "subject": None if one.hidden else one.subject,
        "name": one.name,
        "credit_code": one.credit_code,
        "hidden": one.hidden,
        **dict(zip(("park", "industry", "size", "ownership"), one.cell, strict=True)),
        "members": one.members,
        "workers": one.workers,
    }


def row_body(row: Row) -> dict[str, Any]:
    """The fields of `RowAnswer`."""
    counts = unpacked(row.figures)
    return {
        "area": row.code,
        "name": row.name,
        **{name: counts[INDEX[name]] for name in PUBLISHED},
        **{name: rate_body(rate) for name, rate in row.rates.items()},
    }


def rate_body(rate: Rate) -> dict[str, Any]:
    """The fields of `RateAnswer`."""
    return {**_fraction(rate.n, rate.d), "rate": rate.rate, "reason": rate.reason}


def _fraction(numerator: int, denominator: int) -> dict[str, int]:
    return {"numerator": numerator, "denominator": denominator}


def area_body(tree: Tree, area: Area) -> dict[str, Any]:
    """The fields of `AreaAnswer`."""
    return {
        "code": area.code,
        "name": tree.display_name(area.code),
        "kind": area.kind,
        "parent": area.parent,
        "level": area.level,
        "children": len(tree.children(area.code)),
    }


def waits_body(row: Waits) -> dict[str, Any]:
    """The fields of `WaitsAnswer`."""
    founded, waiting = row.numbers
    median, reason = row.median()
    return {
        "area": row.code,
        "name": row.name or row.code,
        "founded": founded,
        "waiting": waiting,
        "median": median.days,
        "median_lower": median.lower,
        "median_upper": median.upper,
        "reason": reason,
    }


def step_body(step: Step) -> dict[str, Any]:
    """The fields of `StepAnswer`."""
    survival = round(step.survival, 6)
    return {"day": step.day, "at_risk": step.at_risk, "founded": step.founded, "censored": step.censored, "survival": survival}
