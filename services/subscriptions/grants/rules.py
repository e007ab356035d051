"""What a grant may hold, and that it only ever narrows (invariant I6). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NoReturn

from services.subscriptions.matching.tree import Tree, Within
from shared.http.auth import ROOT, Areas
from shared.problems.errors import Forbidden, Problem, Unprocessable
from shared.process.clock import Clock

ONE_DAY = timedelta(days=1)
Catalogue = Mapping[str, Sequence[str]]
"""{type: names}, in the order of the contract."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a grant goes. `fields` = {type: names} of exactly its types; `not_before`, `not_after` (None: no bound) are instants."""

    areas: tuple[str, ...]
    types: tuple[str, ...]
    fields: Mapping[str, Sequence[str]]
    not_before: datetime | None
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks for; None: as it is, or the default."""

    areas: Sequence[str] | None = None
    types: Sequence[str] | None = None
    fields: Mapping[str, Sequence[str]] | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What there is. `fields`: all that can be granted of each type; `defaults`: what is shown where a grant names no fields."""

    tree: Tree
    fields: Catalogue
    defaults: Catalogue

    def has_area(self, code: str) -> bool:
        """Whether an area exists; `*` always does."""
        return code == ROOT or bool(self.tree.path(code))


def begins(at: date | datetime | None, clock: Clock) -> datetime | None:
    """The instant from which something holds: of a day its first moment in the deployment's zone."""
    return at if at is None or isinstance(at, datetime) else clock.opens_after(at - ONE_DAY)


def ends(at: date | datetime | None, clock: Clock) -> datetime | None:
    """The instant at which something no longer holds: of a day the first moment after it."""
    return at if at is None or isinstance(at, datetime) else clock.opens_after(at)


def given(wanted: Wanted, giver: Areas, known: Known, now: datetime) -> Extent:
    """The extent of a new grant.

    Raises UNKNOWN_TYPE, UNKNOWN_DATA_FIELD, FIELDS_OF_OTHER_TYPE, UNKNOWN_AREA, NOT_AFTER_PAST, NOT_AFTER_TOO_EARLY (422), and
    AREA_NOT_GRANTED (403) for an area outside those of the giver.
    """
    assert wanted.areas is not None
    assert wanted.types is not None
    types = once(wanted.types)
    require_types(types, known.fields, "types")
    named = wanted.fields or {}
    _require_fields(named, types, known.fields)
    fields = {name: _in_order(named.get(name, known.defaults[name]), known.fields[name]) for name in types}
    areas = once(wanted.areas)
    _require_areas(areas, giver, known)
    _require_end(wanted.not_before, wanted.not_after, now)
    return Extent(areas, types, fields, wanted.not_before, wanted.not_after)


def narrowed(extent: Extent, wanted: Wanted, known: Known, now: datetime) -> Extent:
    """The extent after a narrowing: within what it was, in every respect.

    Raises NARROWING_WIDENS, UNKNOWN_TYPE, UNKNOWN_DATA_FIELD, FIELDS_OF_OTHER_TYPE, UNKNOWN_AREA, NOT_AFTER_PAST, NOT_AFTER_TOO_EARLY,
    NOTHING_TO_CHANGE (422).
    """
    types = _fewer_types(extent, wanted, known)
    new = replace(
        extent,
        areas=_fewer_areas(extent, wanted, known),
        types=types,
        fields=_fewer_fields(extent, wanted.fields or {}, types, known),
        not_after=_sooner(extent, wanted, now),
    )
    if (set(new.areas), set(new.types), new.fields, new.not_after) == (
        set(extent.areas),
        set(extent.types),
        extent.fields,
        extent.not_after,
    ):
        raise Unprocessable("NOTHING_TO_CHANGE")
    return new


def within(code: str, areas: Collection[str], tree: Tree) -> bool:
    """Whether an area, or `*`, lies within those of a grant, of which it may be one."""
    return code in areas or ROOT in areas or code in Within(frozenset(areas), tree)


def once(values: Iterable[str]) -> tuple[str, ...]:
    """Each value once, in the order given."""
    return tuple(dict.fromkeys(values))


def require_types(types: Sequence[str], there: Collection[str], field: str) -> None:
    """Raises UNKNOWN_TYPE (422) with the list of what there is."""
    for number, name in enumerate(types):
        if name not in there:
            raise Unprocessable("UNKNOWN_TYPE", field=f"{field}.{number}", params={"expected": ", ".join(sorted(there))})


def unknown_area(code: str, field: str) -> Problem:
    """The problem of an area that does not exist."""
    return Unprocessable("UNKNOWN_AREA", field=field, params={"area": code})


def _require_fields(named: Mapping[str, Sequence[str]], types: Sequence[str], there: Catalogue) -> None:
    for name, fields in named.items():
        if name not in there:
            raise Unprocessable("UNKNOWN_TYPE", field="fields", params={"expected": ", ".join(sorted(there))})
        if name not in types:
            raise Unprocessable("FIELDS_OF_OTHER_TYPE", field=f"fields.{name}", params={"type": name})
        for number, one in enumerate(fields):
            if one not in there[name]:
                params = {"type": name, "expected": ", ".join(there[name])}
                raise Unprocessable("UNKNOWN_DATA_FIELD", field=f"fields.{name}.{number}", params=params)


def _require_areas(areas: Sequence[str], giver: Areas, known: Known) -> None:
    for number, code in enumerate(areas):
        field = f"areas.{number}"
        # An unknown area lies in nothing but itself: a giver of some areas is not told whether another exists.
        if not giver.inside(None if code == ROOT else known.tree.path(code) or (code,)):
            raise Forbidden("AREA_NOT_GRANTED", field=field, params={"area": code})
        if not known.has_area(code):
            raise unknown_area(code, field)


def _require_end(not_before: datetime | None, not_after: datetime | None, now: datetime) -> None:
    if not_after is None:
        return
    if not_before is not None and not_after <= not_before:
        raise Unprocessable("NOT_AFTER_TOO_EARLY", field="not_after", params={"not_before": not_before.isoformat()})
    if not_after <= now:
        raise Unprocessable("NOT_AFTER_PAST", field="not_after", params={"now": now.isoformat(timespec="seconds")})


def _in_order(names: Sequence[str], contract: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in contract if name in names)


def _fewer_types(extent: Extent, wanted: Wanted, known: Known) -> tuple[str, ...]:
    if wanted.types is None:
        return extent.types
    types = once(wanted.types)
    for number, name in enumerate(types):
        if name not in extent.types:
            require_types(types, known.fields, "types")
            _widens(f"types.{number}", name, extent.types)
    return types


def _fewer_areas(extent: Extent, wanted: Wanted, known: Known) -> tuple[str, ...]:
    if wanted.areas is None:
        return extent.areas
    areas = once(wanted.areas)
    for number, code in enumerate(areas):
        if not known.has_area(code) and code not in extent.areas:
            raise unknown_area(code, f"areas.{number}")
        if not within(code, extent.areas, known.tree):
            _widens(f"areas.{number}", code, extent.areas)
    return areas


def _fewer_fields(extent: Extent, named: Mapping[str, Sequence[str]], types: Sequence[str], known: Known) -> dict[str, Sequence[str]]:
    for name, fields in named.items():
        if name in extent.types and name not in types:
            raise Unprocessable("FIELDS_OF_OTHER_TYPE", field=f"fields.{name}", params={"type": name})
        if name not in extent.types:
            if name not in known.fields:
                raise Unprocessable("UNKNOWN_TYPE", field="fields", params={"expected": ", ".join(sorted(known.fields))})
            _widens(f"fields.{name}", name, extent.types)
        for number, one in enumerate(fields):
            if one not in extent.fields[name]:
                if one not in known.fields.get(name, ()):
                    _require_fields({name: fields}, types, known.fields)
                _widens(f"fields.{name}.{number}", one, extent.fields[name])
    return {name: tuple(one for one in extent.fields[name] if one in named.get(name, extent.fields[name])) for name in types}


def _sooner(extent: Extent, wanted: Wanted, now: datetime) -> datetime | None:
    if wanted.not_after is None:
        return extent.not_after
    if extent.not_after is not None and wanted.not_after > extent.not_after:
        _widens("not_after", wanted.not_after.isoformat(), [extent.not_after.isoformat()])
    _require_end(extent.not_before, wanted.not_after, now)
    return wanted.not_after


def _widens(field: str, wanted: str, now: Iterable[str]) -> NoReturn:
    raise Unprocessable("NARROWING_WIDENS", field=field, params={"wanted": wanted, "expected": ", ".join(now)})
