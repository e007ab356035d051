"""Finds the rows of a shard that differ from a refold: each with its key, both values and the enterprises behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from services.metrics.folding import durations
from services.metrics.folding.coverage import Cell
from services.metrics.folding.ledger import Key
from services.metrics.folding.measures import MEASURES, Vector, unpacked
from services.metrics.generations.refold import Refolded
from services.metrics.generations.served import Contents

Difference = dict[str, Any]
CELL = ("park", "industry", "size", "ownership")


def cell_body(cell: Cell) -> dict[str, str | None]:
    """{name: code} of a cell."""
    return dict(zip(CELL, cell, strict=True))


def ledger_differences(served: Mapping[Key, Vector], refolded: Refolded) -> Iterator[Difference]:
    """Differing rows of the ledger, by key, without measures that are 0 on both sides."""
    figures = refolded.rows.figures
    differing = {key for key in served.keys() | figures.keys() if served.get(key, 0) != figures.get(key, 0)}
    if not differing:
        return
    behind = refolded.behind(differing)
    for key in sorted(differing, key=lambda key: (key[2], key[1], repr(key[0]))):
        cell, effective, known = key
        both = [dict(zip(MEASURES, unpacked(rows.get(key, 0)), strict=True)) for rows in (served, figures)]
        names = [name for name in MEASURES if any(values[name] for values in both)]
        yield {
            "table": "ledger",
            "shard": refolded.shard,
            "cell": cell_body(cell),
            "effective_day": date.fromordinal(effective),
            "known_day": date.fromordinal(known),
            "served": {name: both[0][name] for name in names},
            "refolded": {name: both[1][name] for name in names},
            "enterprises": behind[key],
        }


def duration_differences(served: Mapping[durations.Key, int], refolded: Refolded) -> Iterator[Difference]:
    """Differing rows of the durations, by key."""
    counts = refolded.rows.durations
    differing = {key for key in served.keys() | counts.keys() if served.get(key, 0) != counts.get(key, 0)}
    behind = refolded.behind(differing) if differing else {}
    for key in sorted(differing, key=lambda key: (key[2], key[1], repr(key))):
        cell, effective, known, kind, value = key
        yield {
            "table": "durations",
            "shard": refolded.shard,
            "cell": cell_body(cell),
            "effective_day": date.fromordinal(effective),
            "known_day": date.fromordinal(known),
            "kind": kind,
            "value": value,
            "served": {"count": served.get(key, 0)},
            "refolded": {"count": counts.get(key, 0)},
            "enterprises": behind[key],
        }


def other_differences(served: Mapping[str, Contents], refolded: Mapping[str, Contents], shard: int) -> Iterator[Difference]:
    """Differing rows of the other tables, by table and key."""
    for table, expected in refolded.items():
        found = served[table]
        for key in sorted((key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)), key=repr):
            yield {
                "table": table,
                "shard": shard,
                "key": _key_body(table, key),
                "served": _value_body(found.get(key)),
                "refolded": _value_body(expected.get(key)),
                "enterprises": _subjects(table, key, found.get(key) or expected.get(key)),
            }


def _key_body(table: str, key: Any) -> Any:
    match table:
        case "areas_facts" | "enterprises":
            return str(UUID(int=key))
        case "facts" | "states":
            return key
        case _:
            return list(key)


def _value_body(value: Any) -> Any:
    """A value as JSON; text where JSON would lose precision."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) < 2**53 else f"{value:032x}"
        case dict():
            return {str(key): _value_body(one) for key, one in value.items()}
        case list() | tuple():
            return [_value_body(one) for one in value]
        case _:
            return str(value)


def _subjects(table: str, key: Any, value: Any) -> list[str]:
    match table:
        case "facts" | "states":
            return [key]
        case "enterprises":
            return [f"enterprise/{UUID(int=key)}"]
        case "areas_facts":
            return [f"area/{value[1]}"]
        case "held":
            return [value[2]]
        case _:
            return [key[1]]
