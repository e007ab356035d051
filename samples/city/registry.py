"""What becomes of the firms: counts of workers, moves, other trades, closures, and the mistakes that were made in typing it in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta

from samples.city.book import Book, between
from samples.city.findings import Findings
from samples.city.firms import Firm, portion, report_days
from samples.city.names import INDUSTRIES, NOTES, OWNERSHIPS
from samples.records import Area

CLOSING_REASONS = ("bankrupt", "moved_away", "merged", "依法注销")


class RegistryYears:
    """Tells the registry's years of all firms. Firms with a special fate are dealt from one deck, so that each has one at most."""

    def __init__(self, book: Book, firms: Sequence[Firm], parks: Sequence[Area], findings: Findings) -> None:
        self._book = book
        self._first, self._last = book.scenario.first_day, book.scenario.last_day
        self._chance = book.scenario.chance("registry")
        self._parks = [park.code for park in parks]
        self._findings = findings
        self._firms = firms
        self._deck = list(firms)
        self._chance.shuffle(self._deck)

    def tell(self) -> None:
        """All of it."""
        self._closures()
        self._headcounts()
        self._moves()
        self._classifications()
        self._registrations()

    def _deal(self, share: float) -> list[Firm]:
        return portion(self._deck, len(self._firms), share)

    def _old_enough(self, share: float) -> list[Firm]:
        """Deal firms that settled long enough ago for something to happen to them."""
        grown = [firm for firm in self._deck if firm.settled_on < self._last - timedelta(days=250)]
        dealt = portion(grown, len(self._firms), share)
        taken = {firm.number for firm in dealt}
        self._deck = [firm for firm in self._deck if firm.number not in taken]
        return dealt

    # Closures

    def _closures(self) -> None:
        for firm in self._old_enough(0.08):
            self._close(firm, self._some_day(firm))
        for firm in self._old_enough(0.005):
            closing = self._close(firm, self._some_day(firm))
            self._correct(firm, closing, "closure/never", None)
            firm.closed = False
            self._findings.note("CLOSURE_WITHDRAWN", firm.case, f"{firm.key}/closure")
        for firm in self._old_enough(0.005):
            day = self._some_day(firm)
            closing = self._close(firm, day)
            earlier = max(firm.settled_on, day - timedelta(days=self._chance.randint(5, 60)))
            if earlier < day:
                firm.ends = earlier
                self._correct(firm, closing, "closure/day", {"on": earlier.isoformat()})
        for firm in self._old_enough(0.004):
            self._close_behind_a_report(firm)

    def _some_day(self, firm: Firm) -> date:
        """A day between the platform's beginning (or half a year after settling) and the last one."""
        return between(self._chance, max(self._first, firm.settled_on + timedelta(days=180)), self._last - timedelta(days=40))

    def _close(self, firm: Firm, on: date, entered: date | None = None) -> str:
        firm.ends, firm.closed = on, True
        body = {"enterprise_id": firm.id, "on": on.isoformat(), "reason": self._chance.choice(CLOSING_REASONS)}
        return self._book.enter("registry", "closure", f"{firm.key}/closure", body, entered or self._book.typed(on), [self._order(firm)])

    def _close_behind_a_report(self, firm: Firm) -> None:
        """It had closed weeks before the last count of its workers: that was typed in when nobody knew."""
        on = self._some_day(firm)
        counted = on + timedelta(days=20)
        self._report(firm, counted, firm.workers(on), self._book.typed(counted, 3.0), [self._order(firm)])
        self._close(firm, on, self._last if counted >= self._last else counted + timedelta(days=30))
        self._findings.note("FACTS_AFTER_CLOSURE", firm.case, f"{firm.key}/closure", f"{on} < {counted}")

    def _order(self, firm: Firm) -> str:
        """What is said of a firm after a closure is refused, so closure and counts keep the order in which they are told here."""
        return f"{firm.key}/life"

    # Workers

    def _headcounts(self) -> None:
        silent, none = self._deal(0.025), self._deal(0.004)
        early, stale = self._deal(0.004), self._old_enough(0.05)
        special = {firm.number for firm in (*silent, *none, *early)}
        for firm in silent:
            self._findings.note("NO_HEADCOUNT", firm.case, firm.key)
        for firm in none:
            self._report(firm, between(self._chance, max(firm.settled_on, self._first), self._last), 0)
            self._findings.note("ZERO_WORKERS", firm.case, firm.reports[-1][1])
        for firm in early:
            day = firm.settled_on - timedelta(days=self._chance.randint(5, 60))
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
        for day in report_days(self._book, self._chance, firm, until):
            self._report(firm, day, firm.workers(day))
        if stale and firm.reports:
            self._findings.note("STALE_HEADCOUNT", firm.case, firm.reports[-1][1], firm.reports[-1][0].isoformat())

    def _report(self, firm: Firm, day: date, workers: int, entered: date | None = None, about: Sequence[str] = ()) -> None:
        key = f"{firm.key}/headcount/{day}"
        body = {"enterprise_id": firm.id, "on": day.isoformat(), "workers": workers}
        entered = entered or self._book.typed(day)
        self._book.enter("registry", "headcount", key, body, entered, about)
        firm.reports.append((day, "@" + key))
        if self._first <= day < entered - timedelta(days=365) and entered <= self._last:
            self._findings.note("BACKDATED", firm.case, key, f"{day} … {entered}")

    def _typing_errors(self) -> None:
        """A zero too many, corrected; corrected to a wrong value and again; a count of another firm, taken back."""
        counted = [firm for firm in self._deck if firm.reports]
        whole = len(self._firms)
        for firm in portion(counted, whole, 0.008):
            day, report = firm.reports[-1]
            self._correct(firm, report, "count/1", {"workers": firm.workers(day) + self._chance.randint(1, 9)})
        for firm in portion(counted, whole, 0.004):
            day, report = firm.reports[-1]
            first = self._correct(firm, report, "count/1", {"workers": firm.workers(day) * 10})
            second = self._correct(firm, first, "count/2", {"workers": firm.workers(day) + 1, "on": (day - timedelta(days=1)).isoformat()})
            self._findings.note("CORRECTED_TWICE", firm.case, second)
        for firm in portion(counted, whole, 0.004):
            taken_back = self._correct(firm, firm.reports[-1][1], "count/never", None)
            self._findings.note("WITHDRAWN", firm.case, taken_back)
        left = {firm.number for firm in counted}
        self._deck = [firm for firm in self._deck if firm.number in left]

    # Places and trades

    def _moves(self) -> None:
        for firm in self._old_enough(0.045):
            self._move(firm, 1, firm.park, self._some_day(firm))
        for firm in self._old_enough(0.005):
            day = self._some_day(firm)
            self._move(firm, 1, firm.park, day)
            self._move(firm, 2, None, min(self._last, day + timedelta(days=90)), firm.park)
        for firm in self._old_enough(0.003):
            moved = self._move(firm, 1, firm.park, self._some_day(firm))
            self._findings.note("WITHDRAWN", firm.case, self._correct(firm, moved, "move/never", None))
        for firm in self._old_enough(0.003):
            moved = self._move(firm, 1, firm.park, self._some_day(firm), self._parks[0] if firm.park != self._parks[0] else self._parks[1])
            self._correct(firm, moved, "move/park", {"park": self._parks[2] if firm.park != self._parks[2] else self._parks[3]})

    def _move(self, firm: Firm, number: int, out_of: str | None, on: date, to: str | None = None) -> str:
        near = [
            park for park in self._parks if park != out_of and (out_of is None or park[:6] == out_of[:6] or self._chance.random() < 0.2)
        ]
        park = to or self._chance.choice(near or [park for park in self._parks if park != out_of])
        body = {"enterprise_id": firm.id, "on": on.isoformat(), "park": park}
        return self._book.enter("registry", "move", f"{firm.key}/move/{number}", body, self._book.typed(on), [f"{firm.key}/moves"])

    def _classifications(self) -> None:
        for number, firm in enumerate(self._old_enough(0.03)):
            other = self._chance.choice(INDUSTRIES)[0]
            reclassified = self._classify(firm, {"industry": other if other != firm.industry else "C2190"})
            if number % 5 == 0:
                self._correct(firm, reclassified, "classification/industry", {"industry": "C2110"})
        for firm in self._old_enough(0.015):
            self._classify(firm, {"ownership": self._chance.choice(list(OWNERSHIPS))})
        for firm in self._firms:
            if not firm.closed and firm.ends is None and self._chance.random() < 0.25:
                yuan = firm.workers(self._last) * round(self._chance.lognormvariate(12.6, 0.6))
                self._classify(firm, {"revenue": yuan}, "revenue")

    def _classify(self, firm: Firm, says: dict[str, object], what: str = "trade") -> str:
        on = between(self._chance, max(self._first, firm.settled_on), self._last)
        body = {"enterprise_id": firm.id, "on": on.isoformat(), **says}
        return self._book.enter("registry", "classification", f"{firm.key}/{what}", body, self._book.typed(on, 20.0))

    # Registrations

    def _registrations(self) -> None:
        """Names and days that were misread, and firms that were registered twice until somebody saw it."""
        for firm in self._deal(0.004):
            self._correct(firm, firm.registration, "settled", {"settled_on": (firm.settled_on - timedelta(days=30)).isoformat()})
        for firm in self._deal(0.004):
            again = firm.key + "/again"
            body = {"name": firm.name, "park": firm.park, "settled_on": firm.settled_on.isoformat()}
            entered = self._book.entered_on(firm.id) + timedelta(days=self._chance.randint(3, 60))
            made = self._book.enter("registry", "enterprise", again, body, entered, [firm.key])
            self._correct(firm, made, "again/never", None)
            self._findings.note("REGISTERED_TWICE", firm.case, again)

    def _correct(self, firm: Firm, said: str, what: str, data: dict[str, object] | None) -> str:
        """Somebody saw the mistake weeks later; the reference to the correction."""
        entered = self._book.entered_on(said) + timedelta(days=self._chance.randint(4, 120))
        return correct(self._book, self._chance, "registry", firm.key, said, what, data, entered)


def correct(
    book: Book, chance: random.Random, service: str, key: str, said: str, what: str, data: dict[str, object] | None, entered: date
) -> str:
    """Correct the first event that a command's answer named, or (`data` None) take it back."""
    reason = chance.choice(NOTES) if chance.random() < 0.1 else "typo" if data else "never_was"
    body = {"corrects": f"{said}#0", "reason": reason, "data": data}
    assert service in ("registry", "membership")
    return book.enter("registry" if service == "registry" else "membership", "correction", f"{key}/correction/{what}", body, entered)
