"""Lists of the API as tables for a terminal: enterprises behind a figure, events, changes, and the timeline of an enterprise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table

from deploy.local.coverage_table import finality, percent

HEADINGS: Mapping[str, str] = {
    "name": "名称\nname",
    "credit_code": "信用代码\ncredit code",
    "park": "园区\npark",
    "amounts": "计入\nadds",
    "workers": "职工\nworkers",
    "days_waited": "未建会天数\ndays waited",
    "kind": "类别\nkind",
    "measures": "变化\nchange",
    "occurred_on": "业务日期\noccurred on",
    "type": "事实\nfact",
    "says": "内容\nsays",
    "union_name": "工会\nunion",
    "in_force": "有效\nin force",
    "reason": "原因\nreason",
    "actor": "记录人\nactor",
    "recorded_at": "记录时间\nrecorded",
    "id": "标识\nid",
}
"""{field: its heading}, in the order of the columns."""


def list_table(answer: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], names_of: Mapping[str, str] | None = None) -> Group:
    """The rows of an answer, and below them its figure or difference; columns that are empty throughout are left out. `names_of` = {measure: its name}."""
    names = names_of or {}
    summary = [
        f"{names.get(answer.get('measure') or '', heading)}: {figure_text(answer[name], names)}"
        for name, heading in (("figure", "数值 figure"), ("delta", "变化 change"))
        if name in answer
    ]
    if not rows:
        return Group("\n".join([*summary, "没有记录 / no entries", finality(answer)]))
    table = Table()
    lines = [line(row, names) for row in rows]
    shown = [name for name in HEADINGS if any(found.get(name) for found in lines)]
    for name in shown:
        table.add_column(HEADINGS[name], overflow="fold")
    for found in lines:
        table.add_row(*(found.get(name, "") for name in shown))
    return Group(table, "\n".join([*summary, finality(answer)]))


def figure_text(figure: Any, names_of: Mapping[str, str]) -> str:
    """A figure as text: a count, a rate with numerator and denominator, or several by name."""
    if not isinstance(figure, Mapping):
        return _text(figure)
    if "denominator" in figure:
        return percent(figure)
    return ", ".join(f"{names_of.get(name, name)} {figure_text(value, names_of)}" for name, value in figure.items()) or "0"


def line(row: Mapping[str, Any], names_of: Mapping[str, str]) -> dict[str, str]:
    """One row as text: an event that stands inside a change beside it."""
    event = row.get("event") or {}
    found = {**{name: value for name, value in event.items() if name != "id"}, **row}
    text = {name: _text(value) for name, value in found.items() if name in HEADINGS}
    if "type" in found:
        text["type"] = found["type"].split(".")[1]
    if found.get("reason"):
        code, meaning = found["reason"], found.get("reason_text")
        text["reason"] = code if meaning in (None, code) else f"{meaning} ({code})"
    if isinstance(found.get("amounts"), Mapping):
        text["amounts"] = "\n".join(f"{names_of.get(name, name)} {value}" for name, value in found["amounts"].items())
    if isinstance(found.get("measures"), Mapping):
        text["measures"] = "\n".join(
            f"{names_of.get(name, name)} {one['before']} → {one['after']}" for name, one in found["measures"].items()
        )
    return text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def enterprise_lines(found: Mapping[str, Any]) -> list[str]:
    """An enterprise in a few lines: its name, its unions or since when it has none."""
    code = f" · {found['credit_code']}" if found["credit_code"] else ""
    lines = [f"{found['name'] or '—'}{code} · {found['park'] or '—'}"]
    for union in found["unions"]:
        name = union["name"] or "(无名称 / without a name)"
        lines.append(f"工会 union: {name} ({union['kind']}), {union['since']}")
    if found["days_waited"] is not None:
        days, since = found["days_waited"], found["without_union_since"]
        lines.append(f"未建会 {days} 天,自 {since} 起 / no union for {days} days, since {since}")
    return lines
