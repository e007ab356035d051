"""Sums by key: the same whether keys fit into one number or not, and whatever a table is divided into."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from services.metrics.folding.coverage import FOREVER
from services.metrics.folding.plain.sums import Table, differing, summed
from services.metrics.measures import INDEX, MEASURES
from services.metrics.refolding import member_ledger
from services.metrics.refolding.ledger import member_numbers, numbers_of
from services.metrics.refolding.member_facts import Counts
from services.metrics.refolding.member_ledger import MemberVersions, member_rows


def table(seed: int, largest: int) -> Table:
    random_ = random.Random(seed)
    rows = [
        (random_.choice((0, 1, largest)), random_.randrange(3), random_.choice((0, largest)), random_.randint(-2, 2)) for _ in range(200)
    ]
    return np.array(rows, np.int64).T


@pytest.mark.parametrize("largest", [5, 2**21, 2**40])
def test_rows_of_one_key_are_added_and_keys_ascend(largest: int) -> None:
    given = table(1, largest)
    expected = Counter[tuple[int, ...]]()
    for *key, amount in given.T.tolist():
        expected[tuple(key)] += amount
    keys, (sums,) = summed(given, 3)
    assert [tuple(key) for key in keys.T.tolist()] == sorted(set(expected))
    assert sums.tolist() == [expected[tuple(key)] for key in keys.T.tolist()]
    assert not differing(given, np.concatenate((keys, [sums])), 3).size
    more = np.array([[0], [1], [0], [1]], np.int64)
    assert differing(np.concatenate((given, more), axis=1), given, 3).T.tolist() == [[0, 1, 0]]


def test_no_rows_have_no_sums() -> None:
    keys, sums = summed(np.empty((4, 0), np.int64), 3)
    assert (keys.shape, sums.shape) == ((3, 0), (1, 0))


def test_the_number_of_a_sum_is_the_sum_of_the_numbers_and_every_measure_is_in_it() -> None:
    random_ = np.random.default_rng(3)
    left, right = random_.integers(-(2**40), 2**40, (2, 50, len(MEASURES)))
    assert (numbers_of(left) + numbers_of(right) == numbers_of(left + right)).all()
    for column in range(len(MEASURES)):
        changed = left.copy()
        changed[:, column] += 1
        assert (numbers_of(changed) != numbers_of(left)).all()
    net, unknown, unionised = np.array([3, -2]), np.array([0, 1]), np.array([1, 0])
    wide = np.zeros((2, len(MEASURES)), np.int64)
    wide[:, INDEX["members"]], wide[:, INDEX["members_headcount_unknown"]], wide[:, INDEX["members_unionised"]] = (
        net,
        net * unknown,
        net * unionised,
    )
    assert (member_numbers(net, unknown, unionised) == numbers_of(wide)).all()


def test_members_are_added_a_part_at_a_time_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    random_ = random.Random(7)
    subjects = [f"enterprise/{number}" for number in range(20)]
    rows = sorted({(random_.randrange(20), random_.randint(100, 140), random_.randint(1, 200)) for _ in range(400)})
    subject, known, occurred = np.array(rows, np.int64).T
    counts = Counts(subjects, subject, known, occurred, np.array([random_.choice((-1, 1, 2)) for _ in rows], np.int64))
    versions, segments = list[tuple[int, ...]](), list[tuple[int, ...]]()
    for number in range(18):
        days = sorted(random_.sample(range(90, 150), random_.randint(1, 5)))
        for known, until in zip(days, [*days[1:], FOREVER], strict=True):
            starts = sorted(random_.sample(range(1, 200), random_.randint(1, 4)))
            begin = len(segments)
            segments += [(len(versions), start, random_.choice((-1, 0, 1)), 0) for start in starts]
            versions.append((number, known, until, begin, len(segments)))
    shapes = MemberVersions(*np.array(versions, np.int64).T, *np.array(segments, np.int64).T)
    whole = member_rows(counts, shapes)
    monkeypatch.setattr(member_ledger, "MOST_AT_ONCE", 7)
    assert (member_rows(counts, shapes) == whole).all()
    assert whole.shape[1] > 500
    assert FOREVER < member_ledger.DAYS
