"""The coverage answer as a table: rates with numerator and denominator, rounded half-up only here. CSV comes from the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from rich.table import Table

from shared.problems.provisional import sentences

COLUMNS: Mapping[str, str] = {
    "area": "代码\ncode",
    "name": "名称\nname",
    "units": "单位\nunits",
    "unit_founding_rate_all": "建会率(全部)\nfounding rate, all",
    "unit_founding_rate_ge25": "建会率(≥25 人)\nfounding rate, ≥25",
    "workers": "职工\nworkers",
    "members": "会员\nmembers",
    "worker_joining_rate_all": "入会率(全部)\njoining rate, all",
    "worker_joining_rate_unionised": "入会率(已建会)\njoining rate, unionised",
}
"""{field of a row: its heading}"""

NARROW = 130
"""Columns of a terminal below which rates and counts are stacked."""
STACKED: Mapping[str, tuple[str, ...]] = {
    "代码 code\n名称 name": ("area", "name"),
    "单位\nunits": ("units",),
    "建会率 founding\n全部 all / ≥25": ("unit_founding_rate_all", "unit_founding_rate_ge25"),
    "职工·会员\nworkers,\nmembers": ("workers", "members"),
    "入会率 joining\n全部 all / 已建会": ("worker_joining_rate_all", "worker_joining_rate_unionised"),
}
"""{heading of a narrow table: its stacked fields}"""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""The first characters of texts that a spreadsheet would evaluate."""


def percent(rate: Mapping[str, Any]) -> str:
    """`62.0 % 2342/3777`; a dash where there is no base."""
    numerator, denominator = rate["numerator"], rate["denominator"]
    if not denominator:
        return f"— {numerator}/0"
    value = (Decimal(numerator) * 100 / Decimal(denominator)).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{value} % {numerator}/{denominator}"


def cells(row: Mapping[str, Any]) -> list[str]:
    """One row as text."""
    return [percent(value) if isinstance(value := row[name], Mapping) else str(value) for name in COLUMNS]


def stacked(row: Mapping[str, Any]) -> list[str]:
    """One row as text for a narrow table."""
    text = dict(zip(COLUMNS, cells(row), strict=True))
    return ["\n".join(text[name] for name in names) for names in STACKED.values()]


def summary(answer: Mapping[str, Any]) -> str:
    """The total in one line."""
    total = answer["rows"][-1]
    founding, joining = percent(total["unit_founding_rate_all"]), percent(total["worker_joining_rate_all"])
    return f"单位 units {total['units']} · 建会率 founding rate {founding} · 入会率 joining rate {joining} ({len(answer['rows']) - 1} districts)"


def coverage_table(answer: Mapping[str, Any], most: int | None = None, width: int = NARROW, title: str | None = None) -> Table:
    """The answer of GET /v1/coverage for `width` columns; with `most`, only the rows with most units, and the total."""
    *rows, total = answer["rows"]
    shown = _largest(rows, most)
    caption = f"{answer['as_of']},截至 {answer['known_at']} 所知 / as of {answer['as_of']}, as known at {answer['known_at']}\n{finality(answer)}{_findings(answer)}"
    table = Table(title=title, caption=caption + left_out(len(rows) - len(shown)))
    narrow = width < NARROW
    text = stacked if narrow else cells
    for heading in STACKED if narrow else COLUMNS.values():
        words = heading.startswith(("代码", "名称"))
        table.add_column(heading, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for row in shown:
        table.add_row(*text(row))
    table.add_section()
    table.add_row(*text(total), style="bold")
    return table


def finality(answer: Mapping[str, Any]) -> str:
    """Whether the figures of an answer may still change, and why, in sentences; until when known days are closed."""
    zh, en = (sentences(answer, language) for language in ("zh", "en"))
    closed = answer.get("closed_day") or "—"
    if not answer["provisional"]:
        return f"已定:结账至 {closed} / final: known days are closed until {closed}"
    return f"暂定:{';'.join(zh)}\nprovisional: {'; '.join(en)}"


def _findings(answer: Mapping[str, Any]) -> str:
    """What there is to know about the data behind the total, a line each, as the API says it."""
    return "".join(f"\n! {finding['text']}" for finding in answer.get("findings", ()))


def left_out(rows: int) -> str:
    """A line that says how many rows a table leaves out; empty if none."""
    return f"\n另有 {rows} 行未列出,见 ./parkunion coverage / {rows} more rows: ./parkunion coverage" if rows else ""


def _largest(rows: Sequence[Mapping[str, Any]], most: int | None) -> Sequence[Mapping[str, Any]]:
    if most is None or len(rows) <= most:
        return rows
    chosen = {row["area"] for row in sorted(rows, key=lambda row: -row["units"])[: max(0, most)]}
    return [row for row in rows if row["area"] in chosen]


def escape_formula(value: Any) -> Any:
    """Prefix a text that a spreadsheet would evaluate with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
