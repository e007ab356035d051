"""The contributors to a figure in the order in which somebody would visit them: sorted, searched, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from typing import Literal, TypeAlias, get_args

import numpy as np

from services.metrics.explaining.contributors import UNKNOWN_NUMBER, Contribution, Contributors, Found, Question, named
from services.metrics.explaining.sets.columns import Mask
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import name_store
from services.metrics.folding.steps import Ints

Order: TypeAlias = Literal["workers", "days_waited", "contribution", "name"]
"""The most workers first, those that have waited longest, those that add most, or by name. What is unknown comes last."""
ORDERS: tuple[Order, ...] = get_args(Order)

Key: TypeAlias = tuple[Order, bool, int | str, int, str]
"""The position of a contribution in a list: the order, whether the value of the order is unknown, the value, a second one, and a digest of the
subject (a cursor can be read by who holds it, and the subject may be hidden)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is shown: its order, and a part of the name or credit code that is searched (empty: all)."""

    order: Order = "workers"
    search: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `next`: the position of its last item if there are more; `total`: how many items all pages have."""

    items: Sequence[Contribution]
    next: Key | None
    total: int


def key_of(one: Contribution, order: Order) -> Key:
    """The position of a contribution."""
    workers, days, last = -(one.workers or 0), -(one.days or 0), blake2b(one.subject.encode(), digest_size=8).hexdigest()
    match order:
        case "workers":
            return order, one.workers is None, workers, days, last
        case "days_waited":
            return order, one.days is None, days, workers, last
        case "contribution":
            return order, False, -one.amounts[0], workers, last
        case "name":
            return order, one.name is None, one.name or "", workers, last


def _columns(found: Found, order: Order) -> tuple[Ints, Ints, Ints]:
    """The numbers of the keys, as `key_of` has them; not by name."""
    workers, days = (-np.where(numbers == UNKNOWN_NUMBER, 0, numbers) for numbers in (found.workers, found.days))
    match order:
        case "workers":
            return (found.workers == UNKNOWN_NUMBER).astype(np.int64), workers, days
        case "days_waited":
            return (found.days == UNKNOWN_NUMBER).astype(np.int64), days, workers
        case _:
            return np.zeros(len(found), np.int64), -found.amounts[:, 0], workers


async def page(snapshot: Snapshot, question: Question, listing: Listing, after: Key | None, limit: int) -> Page:
    """The next `limit` contributors after a position of the same order."""
    found = await _found(snapshot, question, listing)
    candidates = _first(found, listing.order, after, limit + 1) if isinstance(found, Found) else found
    keys = ((key_of(one, listing.order), one) for one in candidates)
    rest = nsmallest(limit + 1, (pair for pair in keys if after is None or pair[0] > after), key=lambda pair: pair[0])
    items = [one for _, one in rest[:limit]]
    shown = items if listing.order == "name" else await named(snapshot, question, items)
    return Page(shown, rest[limit - 1][0] if len(rest) > limit else None, len(found))


def _first(found: Found, order: Order, after: Key | None, many: int) -> list[Contribution]:
    """The first `many` after a position, and those that only the last part of their keys tells from it or from the last of them."""
    keys = np.stack(_columns(found, order))
    rest, alike = np.arange(len(found)), np.arange(0)
    if after is not None:
        last = np.array([int(part) for part in after[1:4]])
        alike = np.flatnonzero((keys == last[:, None]).all(axis=0))
        rest = np.flatnonzero(_before(last[:, None], keys))
    if len(rest) > many:
        last = _key_at(keys[:, rest], many - 1)
        rest = rest[~_before(last[:, None], keys[:, rest])]
    return [found[int(at)] for at in (*alike, *rest)]


def _key_at(keys: Ints, position: int) -> Ints:
    """The key at a position of the order: part by part, since sorting all keys of a city takes ten times as long."""
    last = []
    for at in range(len(keys)):
        part = np.partition(keys[at], position)[position]
        last.append(part)
        position -= int(np.count_nonzero(keys[at] < part))
        keys = keys[:, keys[at] == part]
    return np.array(last)


def _before(one: Ints, other: Ints) -> Mask:
    """Whether columns of three numbers come before others."""
    found: Mask = (one[0] < other[0]) | (one[0] == other[0]) & ((one[1] < other[1]) | (one[1] == other[1]) & (one[2] < other[2]))
    return found


async def everything(snapshot: Snapshot, question: Question, listing: Listing) -> Sequence[Contribution]:
    """All contributors in their order, for a download."""
    found = sorted(await _found(snapshot, question, listing), key=lambda one: key_of(one, listing.order))
    return found if listing.order == "name" else await named(snapshot, question, found)


async def _found(snapshot: Snapshot, question: Question, listing: Listing) -> Found | list[Contribution]:
    """The contributors that a search finds, in no order; with names if these order the list."""
    found = await _contributions(snapshot, question)
    if listing.search:
        sought = await name_store.sought(snapshot.conn, snapshot.generation, listing.search)
        subjects = [f"{kind}/{one}".encode() for one in sought for kind in ("enterprise", "union")]
        found = found.only(np.isin(found.subjects, subjects))
    return await named(snapshot, question, found) if listing.order == "name" else found


async def _contributions(snapshot: Snapshot, question: Question) -> Found:
    """All contributors. They do not depend on the caller, who may ask about the question's area; their names do."""
    key = (snapshot.version, question)
    found = snapshot.lists.get(key)
    if not isinstance(found, Found):
        found = await Contributors(snapshot, question).all()
        snapshot.lists.keep(key, found)
    return found
