"""The circuit breaker: when it opens, what it lets through, and when it closes."""

from __future__ import annotations

from services.subscriptions.delivering.breaker import PROBE_EVERY, WINDOW, Breaker


def fed(outcomes: str, at: float = 0.0) -> Breaker:
    """A breaker after these outcomes (`+`, `-`), a second apart."""
    breaker = Breaker()
    for step, one in enumerate(outcomes):
        breaker.record(at + step, success=one == "+")
    return breaker


def test_it_opens_at_seven_failures_of_ten_and_not_before() -> None:
    assert fed("-" * 9).refuses_until(9) is None
    assert fed("++++------").refuses_until(10) is None
    assert fed("+++-------").refuses_until(10) == 9 + PROBE_EVERY
    assert fed("+" * 30 + "-" * 60).half_open is False
    assert fed("+" * 30 + "-" * 70).half_open


def test_outcomes_older_than_five_minutes_do_not_count() -> None:
    breaker = fed("-" * 9)
    breaker.record(9 + WINDOW, success=False)
    assert not breaker.half_open
    assert breaker.failures == 1


def test_while_it_is_open_single_probes_pass_and_a_success_closes_it() -> None:
    breaker = fed("-" * 10)
    opened = 9.0
    assert breaker.refuses_until(opened + PROBE_EVERY - 0.1) is not None
    now = opened + PROBE_EVERY
    assert breaker.refuses_until(now) is None
    assert breaker.half_open
    assert breaker.probing(now) == now + PROBE_EVERY
    breaker.record(now + 1, success=False)
    assert breaker.refuses_until(now + 2) == now + PROBE_EVERY
    breaker.record(now + PROBE_EVERY, success=True)
    assert not breaker.half_open
    assert breaker.idle
