"""Results are kept while what they stand on is the same, as many as there is room for."""

from __future__ import annotations

import pytest

from services.metrics.figures import kept
from services.metrics.figures.kept import KeptResults


def test_a_result_stands_while_its_basis_is_the_same() -> None:
    results = KeptResults()
    assert results.get("a", 1) is None
    results.keep("a", 1, "one", 10)
    assert (results.get("a", 1), results.get("a", 2)) == ("one", None)
    results.keep("a", 2, "two", 10)
    assert (results.get("a", 1), results.get("a", 2)) == (None, "two")


def test_results_that_were_asked_for_longest_ago_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_ROWS", 100)
    results = KeptResults()
    for key in ("a", "b"):
        results.keep(key, 1, key, 40)
    assert results.get("a", 1) == "a"
    results.keep("c", 1, "c", 40)
    assert [results.get(key, 1) for key in ("a", "b", "c")] == ["a", None, "c"]


def test_what_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_ROWS", 100)
    results = KeptResults()
    results.keep("small", 1, "small", 60)
    results.keep("large", 1, "large", 101)
    results.keep("small", 2, "grown", 101)
    assert [results.get("large", 1), results.get("small", 1), results.get("small", 2)] == [None, None, None]
    for basis in range(10):
        results.keep("again", basis, basis, 60)
    assert results.get("again", 9) == 9, "what is replaced takes no room"
