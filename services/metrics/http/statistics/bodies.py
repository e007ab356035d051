"""Builds the bodies of statistics as plain values; the models of `schemas` document them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from services.metrics.figures.questions import ALL, Rate
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.statistics.aid import Cell
from services.metrics.figures.statistics.answers import Answer, Group, Question
from services.metrics.figures.statistics.catalogue import PER, RULE_VERSION, StatisticName
from services.metrics.folding.tallying.tally import Name
from services.metrics.http.bodies import basis, rate_body

_UNITS = {
    StatisticName.WAGE_NEGOTIATION_COVERAGE: Name.WAGE_NEGOTIATION,
    StatisticName.CONGRESS_RATE: Name.CONGRESS,
    StatisticName.HARMONIOUS_ENTERPRISES: Name.HARMONIOUS,
}


def statistic_body(snapshot: Snapshot, question: Question, answer: Answer, language: str) -> dict[str, Any]:
    """The fields of `StatisticAnswer` of all statistics but aid."""
    rows = [row_body(question, row) for row in (*answer.rows, answer.total)]
    return {
        **question_body(snapshot, question, language),
        "completeness": rate_body(answer.total.completeness),
        **figures_of(rows[-1]),
        "rows": rows,
        "left_out": 0,
    }


def figures_of(row: dict[str, Any]) -> dict[str, Any]:
    """What the answer repeats of the total, without its code and name."""
    return {name: value for name, value in row.items() if name not in ("code", "name")}


def question_body(snapshot: Snapshot, question: Question, language: str) -> dict[str, Any]:
    """What every answer says of the question and of what the figure rests on."""
    statistic = question.statistic
    return {
        "name": question.name,
        "area": question.area,
        "by": question.by,
        "since": question.since if statistic.windowed else None,
        **basis(snapshot, as_of=question.as_of, known_at=question.known_at),
        "rule_version": RULE_VERSION,
        "basis": statistic.basis,
        "text": statistic.text.en if language == "en" else statistic.text.zh,
    }


def row_body(question: Question, row: Group) -> dict[str, Any]:
    """The fields of `StatisticRow`."""
    return {"code": row.code, "name": row.name, **_figures(question.name, row), "explain": explain_path(question, row.code)}


def explain_path(question: Question, group: str) -> str:
    """The address of the events behind a row, relative to this service."""
    query = {
        "area": question.area,
        "by": question.by if group != ALL else None,
        "group": group if group != ALL and question.by else None,
        "as_of": question.as_of,
        "known_at": question.known_at,
        "since": question.since if question.statistic.windowed else None,
    }
    return f"/v1/statistics/{question.name}/explain?{urlencode({name: value for name, value in query.items() if value is not None})}"


def _figures(name: StatisticName, row: Group) -> dict[str, Any]:
    match name:
        case StatisticName.CASES_OPEN:
            proxies = {"collective": row.count(Name.CASE_OPEN_COLLECTIVE), "proxy": row.count(Name.CASE_OPEN_PROXY)}
            return {**_count(row.count(Name.CASE_OPEN)), **proxies}
        case StatisticName.CASES_OPENED:
            proxies = {"collective": row.count(Name.CASE_OPENED_COLLECTIVE), "proxy": row.count(Name.CASE_OPENED_PROXY)}
            return {**_count(row.count(Name.CASE_OPENED)), **proxies}
        case StatisticName.COLLECTIVE_CASES:
            return {
                **_count(row.count(Name.CASE_OPENED_COLLECTIVE)),
                "proxy": row.count(Name.CASE_OPENED_PROXY),
                "open": row.count(Name.CASE_OPEN_COLLECTIVE),
                "open_proxy": row.count(Name.CASE_OPEN_PROXY),
            }
        case StatisticName.CASES_OVERDUE:
            overdue = row.count(Name.CASE_OVERDUE)
            return {**_rate(Rate(overdue, row.count(Name.CASE_OPEN))), "count": overdue}
        case StatisticName.CASES_PER_1000_WORKERS:
            return _rate(row.over(Name.CASE_OPENED, "workers"), PER)
        case StatisticName.DAYS_TO_CLOSE:
            return _days(row)
        case StatisticName.CONTRACT_COVERAGE:
            units, workers = row.over(Name.CONTRACT, "units"), row.over(Name.CONTRACT_WORKERS, "workers")
            return {**_rate(units), "units": _part(units), "workers": _part(workers)}
        case StatisticName.MEDIATION_SETTLEMENT:
            return _rate(_share(row, Name.MEDIATION_SETTLED, Name.MEDIATION_FAILED))
        case StatisticName.LETTERS_ANSWERED_IN_TIME:
            return _rate(_share(row, Name.LETTER_IN_TIME, Name.LETTER_LATE))
        case StatisticName.CASES_BY_COVERAGE:
            return _by_coverage(row)
        case _:
            return _rate(row.over(_UNITS[name], "units"))


def _count(count: int) -> dict[str, Any]:
    return {"n": count, "d": None, "rate": None, "reason": None, "count": count}


def _part(rate: Rate, per: int = 1) -> dict[str, Any]:
    value = rate.rate
    return {"n": rate.n, "d": rate.d, "rate": None if value is None else value * per, "reason": rate.reason}


def _rate(rate: Rate, per: int = 1) -> dict[str, Any]:
    return {**_part(rate, per), "count": None} | ({"per": per} if per != 1 else {})


def _share(row: Group, done: Name, other: Name) -> Rate:
    return Rate(row.count(done), row.count(done) + row.count(other))


def _days(row: Group) -> dict[str, Any]:
    closed, waiting, found = sum(row.closed.values()), sum(row.open.values()), row.median_days()
    reason = None if found.days is not None else "NOT_REACHED" if closed + waiting else "NO_BASE"
    return {
        "n": closed,
        "d": closed + waiting,
        "rate": None,
        "reason": reason,
        "count": closed + waiting,
        "closed": closed,
        "open": waiting,
        "median": found.days,
        "median_lower": found.lower,
        "median_upper": found.upper,
    }


def _by_coverage(row: Group) -> dict[str, Any]:
    opened, covered = row.count(Name.CASE_OPENED), row.count(Name.CASE_OPENED_COVERED)
    workers, of_covered = row.of("workers"), row.of("workers_unionised")
    return {
        **_rate(Rate(opened, workers), PER),
        "covered": _part(Rate(covered, of_covered), PER),
        "uncovered": _part(Rate(opened - covered, workers - of_covered), PER),
    }


def aid_body(snapshot: Snapshot, question: Question, cells: list[Cell], language: str) -> dict[str, Any]:
    """The fields of `StatisticAnswer` of aid: what `aid.published` lets out."""
    rows = [
        {
            "code": cell.code,
            "name": cell.named(language),
            "section": cell.section,
            **_count_or_none(cell.count),
            "amount_fen": cell.amount_fen,
            "suppressed": cell.suppressed,
            "explain": None,
        }
        for cell in cells
    ]
    return {
        **question_body(snapshot, question, language),
        "completeness": None,
        "n": None,
        "d": None,
        "rate": None,
        "reason": None,
        "count": None,
        "explain": None,
        "rows": rows,
        "left_out": 0,
    }


def _count_or_none(count: int | None) -> dict[str, Any]:
    return {"n": count, "d": None, "rate": None, "reason": None if count is not None else "SUPPRESSED", "count": count}
