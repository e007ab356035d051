"""Finds the rows of a shard that differ from a refold: each with its key, both values and the enterprises behind it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from services.metrics.folding.plain.sums import Table, differing
from services.metrics.generations.refold import Refolded
from services.metrics.generations.served import Contents, ServedDurations, ServedLedger
from services.metrics.measures import MEASURES
from services.metrics.refolding.ledger import DURATION_KEYS, KEYS, by_measure
from services.metrics.refolding.shapes import KINDS, VALUE_0
from services.metrics.tables.rows import Cell, DurationKey, Key, TallyKey

Difference = dict[str, Any]
CELL = ("park", "industry", "size", "ownership")
K = TypeVar("K", Key, DurationKey, TallyKey)


def ledger_differences(served: ServedLedger, expected: Table, refolded: Refolded) -> Iterator[Difference]:
    """Differing rows of the ledger, by key, without measures that are 0 on both sides. `expected` = `refolded.ledger.table()`."""
    cells = list(refolded.ledger.numbers.cells)
    keys: list[Key] = [(cells[cell], effective, known) for cell, effective, known in differing(served.table, expected, KEYS).T.tolist()]
    sides = (served.vectors(keys), refolded.ledger.vectors(keys))
    for key, enterprises in _ordered(keys, refolded, lambda key: repr(key[0])):
        both = [by_measure(side, key) for side in sides]
        names = [name for name in MEASURES if any(values[name] for values in both)]
        left, right = ({name: values[name] for name in names} for values in both)
        yield {**_key_columns("ledger", refolded.shard, *key), "served": left, "refolded": right, **_named(*enterprises)}


def duration_differences(served: ServedDurations, refolded: Refolded) -> Iterator[Difference]:
    """Differing rows of the durations, by key. `served` has the cells of `refolded.ledger.numbers`."""
    ledger = refolded.ledger
    if not (different := differing(served, ledger.durations, DURATION_KEYS)).shape[1]:
        return
    cells = list(ledger.numbers.cells)
    keys: list[DurationKey] = [
        (cells[cell], effective, known, KINDS[kind], value - VALUE_0) for cell, effective, known, kind, value in different.T.tolist()
    ]
    columns = dict(zip(keys, different.T, strict=True))
    for key, enterprises in _ordered(keys, refolded, repr):
        left, right = (_count(side, columns[key]) for side in (served, ledger.durations))
        yield {
            **_key_columns("durations", refolded.shard, *key[:3]),
            "kind": key[3],
            "value": key[4],
            "served": {"count": left},
            "refolded": {"count": right},
            **_named(*enterprises),
        }


def _count(table: Table, key: Table) -> int:
    """The sum of the rows of a key."""
    return int(table[DURATION_KEYS, (table[:DURATION_KEYS] == key[:, None]).all(axis=0)].sum())


def tally_differences(served: Mapping[TallyKey, int], refolded: Refolded) -> Iterator[Difference]:
    """Differing rows of the tallies, by key."""
    counts = refolded.ledger.tallies
    keys = [key for key in served.keys() | counts.keys() if served.get(key, 0) != counts.get(key, 0)]
    for key, enterprises in _ordered(keys, refolded, repr):
        yield {
            **_key_columns("tallies", refolded.shard, *key[:3]),
            **dict(zip(("name", "code", "value"), (str(key[3]), *key[4:]), strict=True)),
            "served": {"count": served.get(key, 0)},
            "refolded": {"count": counts.get(key, 0)},
            **_named(*enterprises),
        }


def _ordered(keys: Collection[K], refolded: Refolded, order: Callable[[K], str]) -> Iterator[tuple[K, tuple[list[str], int]]]:
    """(key, (enterprises behind it, how many more)) of differing rows, by known day, effective day and `order`."""
    behind = refolded.behind(keys) if keys else {}
    for key in sorted(keys, key=lambda key: (key[2], key[1], order(key))):
        yield key, behind[key]


def _named(enterprises: list[str], left_out: int) -> Difference:
    return {"enterprises": enterprises, "enterprises_left_out": left_out}


def _key_columns(table: str, shard: int, cell: Cell, effective: int, known: int) -> Difference:
    return {
        "table": table,
        "shard": shard,
        "cell": dict(zip(CELL, cell, strict=True)),
        "effective_day": date.fromordinal(effective),
        "known_day": date.fromordinal(known),
    }


def other_differences(served: Mapping[str, Contents], refolded: Mapping[str, Contents], shard: int) -> Iterator[Difference]:
    """Differing rows of the other tables, by table and key."""
    for table, expected in refolded.items():
        found = served[table]
        if found == expected:
            continue
        for key in sorted((key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)), key=repr):
            yield {
                "table": table,
                "shard": shard,
                "key": _key_body(table, key),
                "served": _value_body(found.get(key)),
                "refolded": _value_body(expected.get(key)),
                **_named(_subjects(table, key, found.get(key) or expected.get(key)), 0),
            }


def _key_body(table: str, key: Any) -> Any:
    match table:
        case "areas_facts" | "enterprises" | "unions":
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
        case "unions":
            return [f"union/{UUID(int=key)}"]
        case "areas_facts":
            return [f"area/{value[1]}"]
        case "held":
            return [value[2]]
        case _:
            return [key[1]]
