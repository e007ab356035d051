"""The registry's facts about the firms: headcounts, moves, reclassifications, closures, and mistakes of entry."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta

from samples.city.command_log import CommandLog, Service, between
from samples.city.findings import Findings
from samples.city.firms import Firm, report_days, take_share
from samples.city.names import INDUSTRIES, NOTES, OWNERSHIPS, reason_of
from samples.records import Area

CLOSING_REASONS = ("bankrupt", "moved_away", "merged", "deregistered")


class RegistryHistory:
    """Generates the registry's commands. Special cases are drawn from one pool, so a firm has at most one of them."""

    def __init__(self, log: CommandLog, firms: Sequence[Firm], parks: Sequence[Area], findings: Findings) -> None:
        self._log = log
        self._first, self._last = log.scenario.first_day, log.scenario.last_day
        self._rng = log.scenario.rng("registry")
        self._parks = [park.code for park in parks]
        self._findings = findings
        self._firms = firms
        self._pool = list(firms)
        self._rng.shuffle(self._pool)

    def generate(self) -> None:
        """Enter all commands."""
        self._closures()
        self._headcounts()
        self._moves()
        self._classifications()
        self._registrations()

    def _draw(self, share: float) -> list[Firm]:
        return take_share(self._pool, len(self._firms), share)

    def _draw_established(self, share: float) -> list[Firm]:
        """Draw from the firms that settled at least 250 days before the last day."""
        grown = [firm for firm in self._pool if firm.settled_on < self._last - timedelta(days=250)]
        drawn = take_share(grown, len(self._firms), share)
        taken = {firm.number for firm in drawn}
        self._pool = [firm for firm in self._pool if firm.number not in taken]
        return drawn

    # Closures

    def _closures(self) -> None:
        for firm in self._draw_established(0.08):
            self._close(firm, self._some_day(firm))
        for firm in self._draw_established(0.005):
            closing = self._close(firm, self._some_day(firm))
            self._correct(firm, closing, "closure/never", None)
            firm.closed = False
            self._findings.note("CLOSURE_WITHDRAWN", firm.case, f"{firm.key}/closure")
        for firm in self._draw_established(0.005):
            day = self._some_day(firm)
            closing = self._close(firm, day)
            earlier = max(firm.settled_on, day - timedelta(days=self._rng.randint(5, 60)))
            if earlier < day:
                firm.ends = earlier
                self._correct(firm, closing, "closure/day", {"on": earlier.isoformat()})
        for firm in self._draw_established(0.004):
            self._close_before_report(firm)

    def _some_day(self, firm: Firm) -> date:
        """A day from the first one (or half a year after settling) to 40 days before the last one."""
        return between(self._rng, max(self._first, firm.settled_on + timedelta(days=180)), self._last - timedelta(days=40))

    def _close(self, firm: Firm, on: date, entered: date | None = None) -> str:
        firm.ends, firm.closed = on, True
        body = {"enterprise_id": firm.id, "on": on.isoformat(), "reason": self._rng.choice(CLOSING_REASONS)}
        return self._log.enter("registry", "closure", f"{firm.key}/closure", body, entered or self._log.entry_day(on), [self._order(firm)])

    def _close_before_report(self, firm: Firm) -> None:
        """The closure is dated before the last headcount report, but entered after it."""
        on = self._some_day(firm)
        counted = on + timedelta(days=20)
        self._report(firm, counted, firm.workers(on), self._log.entry_day(counted, 3.0), [self._order(firm)])
        self._close(firm, on, self._last if counted >= self._last else counted + timedelta(days=30))
        self._findings.note("FACTS_AFTER_CLOSURE", firm.case, f"{firm.key}/closure", f"{on} < {counted}")

    def _order(self, firm: Firm) -> str:
        """The order key of closures and headcounts: after a closure the registry refuses reports, so their order must stay."""
        return f"{firm.key}/life"

    # Workers

    def _headcounts(self) -> None:
        silent, none = self._draw(0.025), self._draw(0.004)
        early, stale = self._draw(0.004), self._draw_established(0.05)
        special = {firm.number for firm in (*silent, *none, *early)}
        for firm in silent:
            self._findings.note("NO_HEADCOUNT", firm.case, firm.key)
        for firm in none:
            self._report(firm, between(self._rng, max(firm.settled_on, self._first), self._last), 0)
            self._findings.note("ZERO_WORKERS", firm.case, firm.reports[-1][1])
        for firm in early:
            day = firm.settled_on - timedelta(days=self._rng.randint(5, 60))
            self._report(firm, day, firm.workers(day))
            self._findings.note("HEADCOUNT_BEFORE_SETTLED", firm.case, firm.reports[-1][1], f"{day} < {firm.settled_on}")
        lazy = {firm.number for firm in stale}
        for firm in self._firms:
            if firm.number not in special:
                self._count_yearly(firm, stale=firm.number in lazy)
        self._typing_errors()

    def _count_yearly(self, firm: Firm, stale: bool) -> None:
        until = min(self._last, firm.ends - timedelta(days=1)) if firm.ends else self._last
        until = min(until, self._last - timedelta(days=400)) if stale else until
        for day in report_days(self._log, self._rng, firm, until):
            self._report(firm, day, firm.workers(day))
        if stale and firm.reports:
            self._findings.note("STALE_HEADCOUNT", firm.case, firm.reports[-1][1], firm.reports[-1][0].isoformat())

    def _report(self, firm: Firm, day: date, workers: int, entered: date | None = None, order_keys: Sequence[str] = ()) -> None:
        key = f"{firm.key}/headcount/{day}"
        body = {"enterprise_id": firm.id, "on": day.isoformat(), "workers": workers}
        entered = entered or self._log.entry_day(day)
        self._log.enter("registry", "headcount", key, body, entered, order_keys)
        firm.reports.append((day, "@" + key))
        if self._first <= day < entered - timedelta(days=365) and entered <= self._last:
            self._findings.note("BACKDATED", firm.case, key, f"{day} … {entered}")

    def _typing_errors(self) -> None:
        """Counts that are corrected, corrected twice, or withdrawn."""
        counted = [firm for firm in self._pool if firm.reports]
        whole = len(self._firms)
        for firm in take_share(counted, whole, 0.008):
            day, report = firm.reports[-1]
            self._correct(firm, report, "count/1", {"workers": firm.workers(day) + self._rng.randint(1, 9)})
        for firm in take_share(counted, whole, 0.004):
            day, report = firm.reports[-1]
            first = self._correct(firm, report, "count/1", {"workers": firm.workers(day) * 10})
            second = self._correct(firm, first, "count/2", {"workers": firm.workers(day) + 1, "on": (day - timedelta(days=1)).isoformat()})
            self._findings.note("CORRECTED_TWICE", firm.case, second)
        for firm in take_share(counted, whole, 0.004):
            withdrawn = self._correct(firm, firm.reports[-1][1], "count/never", None)
            self._findings.note("WITHDRAWN", firm.case, withdrawn)
        left = {firm.number for firm in counted}
        self._pool = [firm for firm in self._pool if firm.number in left]

    # Places and trades

    def _moves(self) -> None:
        for firm in self._draw_established(0.045):
            self._move(firm, 1, firm.park, self._some_day(firm))
        for firm in self._draw_established(0.005):
            day = self._some_day(firm)
            self._move(firm, 1, firm.park, day)
            self._move(firm, 2, None, min(self._last, day + timedelta(days=90)), firm.park)
        for firm in self._draw_established(0.003):
            moved = self._move(firm, 1, firm.park, self._some_day(firm))
            self._findings.note("WITHDRAWN", firm.case, self._correct(firm, moved, "move/never", None))
        for firm in self._draw_established(0.003):
            moved = self._move(firm, 1, firm.park, self._some_day(firm), self._parks[0] if firm.park != self._parks[0] else self._parks[1])
            self._correct(firm, moved, "move/park", {"park": self._parks[2] if firm.park != self._parks[2] else self._parks[3]})

    def _move(self, firm: Firm, number: int, out_of: str | None, on: date, to: str | None = None) -> str:
        near = [park for park in self._parks if park != out_of and (out_of is None or park[:6] == out_of[:6] or self._rng.random() < 0.2)]
        park = to or self._rng.choice(near or [park for park in self._parks if park != out_of])
        body = {"enterprise_id": firm.id, "on": on.isoformat(), "park": park}
        return self._log.enter("registry", "move", f"{firm.key}/move/{number}", body, self._log.entry_day(on), [f"{firm.key}/moves"])

    def _classifications(self) -> None:
        for number, firm in enumerate(self._draw_established(0.03)):
            other = self._rng.choice(INDUSTRIES)[0]
            reclassified = self._classify(firm, {"industry": other if other != firm.industry else "C2190"})
            if number % 5 == 0:
                self._correct(firm, reclassified, "classification/industry", {"industry": "C2110"})
        for firm in self._draw_established(0.015):
            self._classify(firm, {"ownership": self._rng.choice(list(OWNERSHIPS))})
        for firm in self._firms:
            if not firm.closed and firm.ends is None and self._rng.random() < 0.25:
                yuan = firm.workers(self._last) * round(self._rng.lognormvariate(12.6, 0.6))
                self._classify(firm, {"revenue": yuan}, "revenue")

    def _classify(self, firm: Firm, fields: dict[str, object], what: str = "trade") -> str:
        on = between(self._rng, max(self._first, firm.settled_on), self._last)
        body = {"enterprise_id": firm.id, "on": on.isoformat(), **fields}
        return self._log.enter("registry", "classification", f"{firm.key}/{what}", body, self._log.entry_day(on, 20.0))

    # Registrations

    def _registrations(self) -> None:
        """Wrong settling dates that are corrected, and duplicate registrations that are withdrawn."""
        for firm in self._draw(0.004):
            self._correct(firm, firm.registration, "settled", {"settled_on": (firm.settled_on - timedelta(days=30)).isoformat()})
        for firm in self._draw(0.004):
            again = firm.key + "/again"
            body = {"name": firm.name, "park": firm.park, "settled_on": firm.settled_on.isoformat()}
            entered = self._log.entered_on(firm.id) + timedelta(days=self._rng.randint(3, 60))
            made = self._log.enter("registry", "enterprise", again, body, entered, [firm.key])
            self._correct(firm, made, "again/never", None)
            self._findings.note("REGISTERED_TWICE", firm.case, again)

    def _correct(self, firm: Firm, reference: str, what: str, data: dict[str, object] | None) -> str:
        return correct(self._log, self._rng, "registry", firm.key, reference, what, data, (4, 120))


def correct(
    log: CommandLog,
    rng: random.Random,
    service: Service,
    key: str,
    reference: str,
    what: str,
    data: dict[str, object] | None,
    days: tuple[int, int] = (3, 90),
) -> str:
    """Correct, or withdraw if `data` is None, the first event of a command, from `days[0]` to `days[1]` days after its entry.

    Returns the reference to the correction, whose key is `<key>/correction/<what>`.
    """
    entered = log.entered_on(reference) + timedelta(days=rng.randint(*days))
    reason = rng.choice(NOTES) if rng.random() < 0.1 else "typo" if data else "never_was"
    body = {"corrects": f"{reference}#0", **reason_of(reason), "data": data}
    return log.enter(service, "correction", f"{key}/correction/{what}", body, entered)
