"""What has come, as JSON and as a page."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from samples.receiver.checking import Checker
from samples.receiver.store import Store

LAST = 20
HEAD = """<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>示例接收端 · sample receiver</title>
<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{border-bottom:1px solid #d5d9de;padding:.35rem .6rem;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{overflow-wrap:anywhere}</style>
<main><h1>示例接收端 <small>sample receiver</small></h1>
"""


def state_of(store: Store, checker: Checker | None, refused: int) -> dict[str, Any]:
    """The state as plain JSON values. `gaps`: runs of numbers up to the watermark that have not come."""
    subscriptions = []
    for one in store.summary():
        key = one["subscription"]
        days = [
            {"day": day["day"], "checked_at": day["checked_at"], "complete": bool(day["complete"]), "count": day["count"],
             "findings": json.loads(day["findings"])}
            for day in store.manifests(key)
        ]  # fmt: skip
        checked = checker.results.get(key) if checker is not None else None
        subscriptions.append({**one, "gaps": store.gaps(key, one["watermark"] or 0), "manifests": days, "checked": checked})
    return {"subscriptions": subscriptions, "last": store.last(LAST), "refused": refused}


def page_of(state: dict[str, Any]) -> str:
    """The same as HTML."""
    parts = [HEAD]
    if not state["subscriptions"]:
        parts.append("<p>尚未收到事件 / nothing has come yet</p>")
    for one in state["subscriptions"]:
        gaps = ", ".join(f"{first}–{last}" for first, last in one["gaps"]) or "无 none"
        parts.append(f"<h2>订阅 subscription <code>{escape(one['subscription'])}</code></h2>")
        rows = [
            ("事件 events", one["received"]),
            ("不再授权的通知 notices of withheld numbers", one["withheld"]),
            ("重复收到 repeated deliveries", one["repeats"]),
            ("最大编号 highest number", one["highest"] or 0),
            ("水位 watermark", one["watermark"] or 0),
            ("缺号 gaps", gaps),
        ]
        parts.append(_table([], rows))
        days = [
            (day["day"], day["count"], "是 yes" if day["complete"] else "否 not yet", "一致 right" if not day["findings"] else len(day["findings"]))
            for day in one["manifests"]
        ]  # fmt: skip
        if days:
            parts.append(_table(["每日清单 manifest", "编号数 numbers", "已定 complete", "核对结果 differences"], days))
    if state["last"]:
        parts.append("<h2>最近收到 <small>the last ones</small></h2>")
        last = [(row["number"] or "–", row["type"], row["subject"], row["received_at"]) for row in state["last"]]
        parts.append(_table(["编号 number", "类型 type", "对象 subject", "收到 received"], last))
    parts.append(f"<p>拒绝的请求 requests refused: {state['refused']}</p></main></html>")
    return "".join(parts)


def _table(headings: list[str], rows: list[Any]) -> str:
    head = f"<tr>{''.join(f'<th>{escape(one)}</th>' for one in headings)}</tr>" if headings else ""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}{lines}</table>"
