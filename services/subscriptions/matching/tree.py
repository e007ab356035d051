"""The tree of areas, and which of them a grant names. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from shared.http.auth import ROOT

DEEPEST = 32
"""Levels after which a path is taken for a circle."""


@dataclass(frozen=True, slots=True)
class Tree:
    """`parents` = {code: code of the area around it; None: a root}."""

    parents: Mapping[str, str | None]
    _paths: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    def path(self, code: str) -> tuple[str, ...]:
        """The area itself, those around it inside out, and `*`. Empty if it or one around it is unknown."""
        found = self._paths.get(code)
        if found is None:
            found = self._paths[code] = self._path(code)
        return found

    def _path(self, code: str) -> tuple[str, ...]:
        found: list[str] = []
        at: str | None = code
        while at is not None:
            if at not in self.parents or len(found) >= DEEPEST:
                return ()
            found.append(at)
            at = self.parents[at]
        return (*found, ROOT)


@dataclass(frozen=True, slots=True)
class Within:
    """Contains the areas `codes` and all that lie in them (`*`: every known area)."""

    codes: frozenset[str]
    tree: Tree

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and not self.codes.isdisjoint(self.tree.path(code))

    def covers(self, codes: Collection[str]) -> bool:
        """Whether each of these areas lies within."""
        return all(code in self for code in codes)


@dataclass(frozen=True, slots=True)
class Both:
    """Contains what both contain."""

    first: Within
    second: Within

    def __contains__(self, code: object) -> bool:
        return code in self.first and code in self.second
