"""Tables as CSV: one form for the API, the command line and the downloads of pages.

UTF-8 with a byte order mark; headings are the API's names of fields, or Chinese; a rate has three columns: numerator, denominator and percent
rounded half-up to one decimal. Every line repeats the basis of its figures and the rounding.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from fastapi import Query, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from services.metrics.figures.definitions import DEFINITIONS
from services.metrics.figures.questions import Rate
from services.metrics.settings import Settings

Value: TypeAlias = str | int | date | datetime | Rate | None
Row: TypeAlias = Mapping[str, Value]

Format = Annotated[
    Literal["json", "csv"],
    Query(
        alias="format",
        description="`csv`: the complete list as CSV, whatever `limit` and `after` say; headings by Accept-Language.",
        examples=["csv"],
    ),
]
AN_EXAMPLE = "area,name,units,as_of,known_at\r\n330200-P001,示例产业园,12,2026-06-30,2026-06-30\r\n"
AS_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": AN_EXAMPLE}}}}
"""The additional form of an answer, for OpenAPI."""

BOM = "\ufeff"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""The first characters of texts that a spreadsheet would evaluate."""
IN_MEMORY = 2**20
BLOCK = 2**16
ROUNDING = {"zh": "百分数，四舍五入保留一位小数", "en": "percent, half-up to 1 decimal"}
HEADINGS = {
    "area": "区域代码",
    "name": "名称",
    "group": "分组代码",
    "id": "标识",
    "credit_code": "统一社会信用代码",
    "park": "园区代码",
    "park_name": "园区",
    "industry": "行业",
    "size": "规模",
    "ownership": "登记注册类型",
    "days_waited": "未建会天数",
    "founded": "已建会",
    "waiting": "等待中",
    "median": "中位天数",
    "median_lower": "中位天数下限",
    "median_upper": "中位天数上限",
    "reason": "原因代码",
    "reason_text": "原因",
    "day": "天数",
    "at_risk": "仍在观察",
    "censored": "删失",
    "survival": "仍未建会比例",
    "survival_low": "比例下限",
    "survival_high": "比例上限",
    "month_end": "月末",
    "change": "变化类别",
    "change_text": "变化类别名称",
    "event": "事件标识",
    "type": "事件类型",
    "fact": "事实",
    "says": "内容",
    "union_name": "工会名称",
    "source": "来源服务",
    "sequence": "序号",
    "occurred_on": "业务日期",
    "recorded_at": "记录时间",
    "actor": "记录人",
    "in_force": "有效",
    "before": "之前",
    "after": "之后",
    "delta": "增减",
    "figure": "指标",
    "finding": "待核事项代码",
    "as_of": "统计日期",
    "known_at": "截至此日所知",
    "known_from": "先前所知之日",
    "known_to": "之后所知之日",
    "measure": "指标代码",
    "closed_day": "已结账至",
    "provisional": "暂定原因",
    "rule_version": "规则版本",
    "fold_version": "计算版本",
    "rounding": "比率取值",
}
"""{field: its Chinese heading}; those of figures are in DEFINITIONS."""
OF_RATE = {"numerator": "分子", "denominator": "分母", "percent": "%"}


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` with the values of `columns`, and the `basis` that every line repeats. Values of the columns `rates` are rates."""

    columns: Sequence[str]
    rows: Iterable[Row] | AsyncIterable[Row]
    basis: Row
    rates: frozenset[str] = frozenset()


def heading(name: str, language: str) -> str:
    """The heading of a column: the field's name, or its Chinese one."""
    if language == "en":
        return name
    if name in HEADINGS:
        return HEADINGS[name]
    return DEFINITIONS[name].name_zh if name in DEFINITIONS else name


def headings(table: Table, language: str) -> list[str]:
    """The first line."""
    found: list[str] = []
    for name in table.columns:
        one = heading(name, language)
        if name in table.rates:
            found += [f"{one}{zh}" if language == "zh" else f"{one}_{en}" for en, zh in OF_RATE.items()]
        else:
            found.append(one)
    return [*found, *(heading(name, language) for name in (*table.basis, "rounding"))]


def percent(rate: Rate) -> str:
    """A rate in percent, rounded half-up (away from zero) to one decimal; empty without a base."""
    if not rate.d:
        return ""
    sign, n, d = ("-" if rate.n * rate.d < 0 else ""), abs(rate.n), abs(rate.d)
    tenths = (2000 * n + d) // (2 * d)
    return f"{sign if tenths else ''}{tenths // 10}.{tenths % 10}"


def cell(value: Value, zone: ZoneInfo) -> str | int:
    """One value as text; an instant in the deployment's zone."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(zone).isoformat(timespec="seconds")
        case date():
            return value.isoformat()
        case str():
            return f"'{value}" if value.startswith(FORMULA) else value
        case Rate():
            return percent(value)
        case _:
            return value


def _cells(table: Table, row: Row, zone: ZoneInfo) -> list[str | int]:
    found: list[str | int] = []
    for name in table.columns:
        value = row[name]
        if name in table.rates:
            assert isinstance(value, Rate), name
            found += [value.n, value.d, percent(value)]
        else:
            found.append(cell(value, zone))
    return found


async def lines(table: Table, language: str, zone: ZoneInfo) -> AsyncIterator[str]:
    """The table as CSV, line by line, the byte order mark first."""
    tail = [*(cell(value, zone) for value in table.basis.values()), ROUNDING["en" if language == "en" else "zh"]]
    yield BOM + _line(headings(table, language))
    async for row in _each(table.rows):
        yield _line([*_cells(table, row, zone), *tail])


def _line(values: Sequence[str | int]) -> str:
    with io.StringIO(newline="") as file:
        csv.writer(file).writerow(values)
        return file.getvalue()


async def _each(rows: Iterable[Row] | AsyncIterable[Row]) -> AsyncIterator[Row]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


async def csv_response(request: Request, table: Table, language: str, name: str, headers: Mapping[str, str] | None = None) -> Response:
    """The table as a file to save.

    It is written to a temporary file first, so that a slow client holds no connection to the database and an error still answers as such.
    """
    settings: Settings = request.app.state.settings
    file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the response closes it
    try:
        waiting: list[str] = []
        async for line in lines(table, language, settings.zone_info):
            waiting.append(line)
            if len(waiting) >= 1000:
                await run_in_threadpool(file.write, "".join(waiting).encode())
                waiting.clear()
        file.write("".join(waiting).encode())
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(
        _blocks(file),
        headers={
            **(headers or {}),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(size),
            "Content-Language": language,
            "Vary": "Accept-Language, Cookie",
        },
        media_type="text/csv",
        background=BackgroundTask(file.close),
    )


def _blocks(file: IO[bytes]) -> Iterable[bytes]:
    return iter(lambda: file.read(BLOCK), b"")
