"""The values of rules by place and date.

A value stands for an area from a day on, until a later one of that area. A question names a path of areas, from the inside out: the nearest
area that has a value on the day answers, then the national default of `defaults.py`, or nobody (the reason NO_RULE).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from typing import Any

from services.cases.rulebook.defaults import DEFAULTS

DEFAULT = "default"
"""Stands in a version for the area of a national default."""
HASH_LENGTH = 8


@dataclass(frozen=True, slots=True)
class RuleValue:
    """One value of a rule, as it was set for an area."""

    name: str
    area: str
    valid_from: date
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ruling:
    """The value that holds at a place on a day. `version` names it: `name/area/valid_from/hash of the value`, with `default` for the nation."""

    value: Mapping[str, Any]
    version: str
    area: str
    valid_from: date


class Rulebook:
    """All values. Of two of one rule, area and day the later one counts. It never changes; another value makes another rulebook."""

    def __init__(self, values: Iterable[RuleValue] = ()) -> None:
        stated = {(value.name, value.area, value.valid_from): value for value in values}
        self._rulings: dict[tuple[str, str], tuple[list[date], list[Ruling]]] = {}
        for key in sorted(stated):
            days, rulings = self._rulings.setdefault(key[:2], ([], []))
            days.append(key[2])
            rulings.append(ruling_of(stated[key]))

    def at(self, name: str, path: Sequence[str], on: date) -> Ruling | None:
        """The value of a rule along the path of an area, inside out, on a day; None if nobody gave one. Raises KeyError for no rule."""
        for area in path:
            if (found := self._rulings.get((name, area))) is not None and (count := bisect_right(found[0], on)):
                return found[1][count - 1]
        return default_of(name)

    def rulings(self) -> list[tuple[str, Ruling]]:
        """(name of the rule, ruling) of every value that was set, by name, area and day."""
        return [(name, ruling) for (name, _), (_, rulings) in sorted(self._rulings.items()) for ruling in rulings]


@cache
def default_of(name: str) -> Ruling | None:
    """The national default, which holds on every day: earlier national law is not in the table. Raises KeyError for no rule."""
    rule = DEFAULTS[name]
    return None if rule.value is None else ruling_of(RuleValue(name, DEFAULT, rule.since, rule.value))


def ruling_of(value: RuleValue) -> Ruling:
    """The value with its name in decisions and clocks."""
    plain = json.dumps(value.value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    short = sha256(plain.encode()).hexdigest()[:HASH_LENGTH]
    version = f"{value.name}/{value.area}/{value.valid_from.isoformat()}/{short}"
    return Ruling(value.value, version, value.area, value.valid_from)
