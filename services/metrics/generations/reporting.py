"""Prints audits, rebuilds and generations for operators, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST_SHOWN = 20
"""Differing rows that are printed; `--json` has all that are listed."""


def print_audit(body: dict[str, Any]) -> None:
    """Print an audit."""
    _print_basis(body, body["generation"])
    _print_differences(body)
    if not body["differences"]:
        print("与日志一致 / equal to the log")


def print_rebuild(body: dict[str, Any]) -> None:
    """Print a rebuild and the next step."""
    made, served, number = body["generation"], body["compared_with"], body["id"]
    _print_basis(body, served)
    _print_differences(body)
    print(f"已建成第 {made} 代(规则版本 {body['fold_version']}) / generation {made} is built (fold_version {body['fold_version']})")
    if body["switched"]:
        print_switch(served, made)
    elif body["differences"]:
        print(f"核对差异后 / when the differences are meant: switch {made} --accept {number}")
    else:
        print(f"与第 {served} 代一致;下一步 / equal to generation {served}; next: switch {made}")


def _print_basis(body: dict[str, Any], compared: int) -> None:
    print(
        f"报告 / report {body['id']}: 第 {compared} 代,规则版本 {body['fold_version']},事件 {body['events']:,},行 {body['rows']:,},{body['seconds']} 秒"
        f" / generation {compared}, fold_version {body['fold_version']}, {body['events']:,} events, {body['rows']:,} rows, {body['seconds']} s"
    )


def _print_differences(body: dict[str, Any]) -> None:
    if body["differences"]:
        print(f"不一致 {body['differences']:,} 行 / {_rows_differ(body['differences'])}")
        for difference in body["different"][:MOST_SHOWN]:
            print(f"  {_row(difference)}")
            print(f"    服务中 / served {_values(difference['served'])}")
            print(f"    重算得 / refolded {_values(difference['refolded'])}")
            more = difference.get("enterprises_left_out", 0)
            rest = f" (另有 {more} 家 / and {more} more)" if more else ""
            print(f"    企业 / enterprises {' '.join(difference['enterprises']) or '-'}{rest}")
        if body["differences"] > MOST_SHOWN:
            more = body["differences"] - MOST_SHOWN
            print(f"  … 另有 {more:,} 行,见 --json / {more:,} more rows: --json")
    for stream in body["parked"]:
        print(
            f"搁置 / parked {stream['source']} {stream['subject']}: {stream['kinds']},"
            f"自序号 {stream['sequence']} 起 {stream['events']} 个事件 / {stream['events']} events from sequence {stream['sequence']} on"
        )


def _rows_differ(count: int) -> str:
    return "1 row differs" if count == 1 else f"{count:,} rows differ"


def _row(difference: dict[str, Any]) -> str:
    where = difference["table"] if difference["shard"] is None else f"{difference['table']} {difference['shard']}"
    if "cell" not in difference:
        return f"{where} {_values(difference['key'])}"
    cell = " ".join(f"{name}={code or '?'}" for name, code in difference["cell"].items())
    more = "".join(f" {name}={difference[name]}" for name in ("kind", "value") if name in difference)
    return f"{where} {cell} effective={difference['effective_day']} known={difference['known_day']}{more}"


def _values(values: Any) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items()) if isinstance(values, dict) else str(values)


def print_upgrade(before: int, old: int, made: int, new: int, report: int, differences: int) -> None:
    """Print the result of an upgrade."""
    print(
        f"规则版本由 {old} 升为 {new}:已由第 {before} 代重建为第 {made} 代并切换(报告 {report},差异 {differences:,} 行)"
        f" / fold_version {old} became {new}: generation {before} was rebuilt as {made} and switched (report {report}, {_rows_differ(differences)})"
    )


def print_switch(before: int, now: int) -> None:
    """Print which generation serves after a switch."""
    print(
        f"现由第 {now} 代服务;第 {before} 代继续更新 24 小时,可用 rollback 退回"
        f" / generation {now} serves now; {before} is fed for 24 hours more, rollback goes back to it"
    )


def print_rollback(before: int, now: int) -> None:
    """Print which generation serves after a rollback."""
    print(
        f"现由第 {now} 代服务,其数字未重新核对,请执行 audit;再次 rollback 可回到第 {before} 代"
        f" / generation {now} serves now; its figures were not compared anew: run audit; rollback again goes back to {before}"
    )


def print_generations(generations: Sequence[dict[str, Any]]) -> None:
    """Print the generations as a table."""
    print("代/id\t规则/fold_version\t状态/status\t行/rows\t落后/lag\t建立/created\t报告/report")
    for one in generations:
        report = one["report"]
        result = "-" if report is None else f"{report['id']} ({report['differences']}{' ✓' if report['accepted'] else ''})"
        status = one["status"] + ("" if one["fed"] else " (不再更新/not fed)") + ("" if one["built"] else " (未建成/not built)")
        print(f"{one['id']}\t{one['fold_version']}\t{status}\t{one['rows']}\t{one['lag']}\t{one['created']:%Y-%m-%d %H:%M}\t{result}")
