"""Agreements of the firms and areas: negotiations, contracts with their way through the department, pacts, meetings, congresses, assessments, awards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from samples.city.command_log import CommandLog, between
from samples.city.firms import Firm, take_share
from samples.city.names import SYNTHETIC
from samples.city.registry import correct
from samples.records import Area

CONTRACTS, NEGOTIATIONS, PACTS, CONGRESSES, ASSESSMENTS, AWARDS = 0.12, 0.08, 0.05, 0.12, 0.06, 0.02
"""Shares of the firms."""
OWN_KINDS = ("collective", "wage", "wage", "safety", "women")
"""Kinds of contracts of one firm, in turn."""
COMMON_KINDS = ("regional", "industry")
MOST_TOGETHER = 8
"""Firms of a regional or industry contract."""
RESULTS = ("agreed", "agreed", "failed", "agreed", "coordinated", "refused", "agreed", "withdrawn")
ENDINGS = ("agreed", "replaced", "condition_met", "unit_ended")
GRADES, LEVELS = ("A", "AA", "AAA"), ("park", "district", "city")
TITLE = "和谐劳动关系示范企业"
YEAR = timedelta(days=365)


class Agreements:
    """Generates the commands of agreements and assessments."""

    def __init__(self, log: CommandLog, firms: Sequence[Firm], areas: Sequence[Area]) -> None:
        self._log = log
        self._name = log.scenario.name
        self._first, self._last = log.scenario.first_day, log.scenario.last_day
        self._rng = log.scenario.rng("agreements")
        self._whole = len(firms)
        self._firms = [firm for firm in firms if firm.ends is None and firm.settled_on < self._last - timedelta(days=60)] or list(firms)
        self._parks = [area.code for area in areas if area.kind == "park"]
        self._districts = sorted({area.parent or "" for area in areas if area.kind == "park"})

    def generate(self) -> None:
        """Enter all commands."""
        for number, firm in enumerate(self._some(CONTRACTS)):
            self._contract(f"{firm.key}/contract", OWN_KINDS[number % len(OWN_KINDS)], [firm], number)
        for number, district in enumerate(self._districts):
            together = [firm for firm in self._firms if firm.park.startswith(district)][:MOST_TOGETHER]
            if together:
                self._contract(f"{self._name}/contract/{district}", COMMON_KINDS[number % len(COMMON_KINDS)], together, number)
            self._meetings(district)
        for number, firm in enumerate(self._some(NEGOTIATIONS)):
            self._negotiation(number, firm)
        self._pacts()
        self._congresses()
        self._assessments()

    def _some(self, share: float) -> list[Firm]:
        """So many of the firms, in no order."""
        pool = list(self._firms)
        self._rng.shuffle(pool)
        return take_share(pool, self._whole, share)

    def _day(self, firm: Firm) -> date:
        """A day on which the firm is there, not before the first day."""
        return between(self._rng, max(self._first, firm.settled_on), self._last)

    def _contract(self, key: str, kind: str, firms: Sequence[Firm], number: int) -> None:
        signed = between(self._rng, max(self._first, *(firm.settled_on for firm in firms)), self._last)
        term = YEAR * self._rng.choice((1, 1, 2, 3)) - timedelta(days=1)
        workers = sum(firm.workers(signed) for firm in firms)
        body = {
            "kind": kind,
            "enterprises": [firm.id for firm in firms],
            "signed_on": signed.isoformat(),
            "term_until": (signed + term).isoformat(),
            "workers": workers,
        }
        contract = self._log.enter("cases", "contract", key, body, self._log.entry_day(signed, 5.0))
        submitted = signed + timedelta(days=self._rng.randint(1, 16))
        received = submitted + timedelta(days=self._rng.randint(0, 3))
        steps = [("submission", submitted), ("receipt", received)]
        if number % 6 == 5:
            again = received + timedelta(days=self._rng.randint(4, 12))
            received = again + timedelta(days=self._rng.randint(5, 20))
            steps += [("objection", again), ("receipt", received)]
        steps.append(("publication", received + timedelta(days=self._rng.randint(16, 40))))
        if number % 7 == 6:
            steps.append(("termination", received + timedelta(days=self._rng.randint(90, 300))))
        if number % 8 == 7:
            steps = []
        last = min(self._last, signed + term)
        for place, (step, on) in enumerate(steps, 1):
            if on > last:
                break
            said = {"contract_id": contract, "on": on.isoformat()}
            said |= {"reason": self._rng.choice(ENDINGS)} if step == "termination" else {}
            self._log.enter("cases", f"contract_{step}", f"{key}/{place}", said, self._log.entry_day(on, 2.0), [f"{key}/course"])
        # What stands on the streams of several enterprises is not corrected, but entered anew.
        if not steps and len(firms) == 1:
            correct(self._log, self._rng, "cases", key, contract, "workers", {"workers": workers + 1}, (2, 40))

    def _negotiation(self, number: int, firm: Firm) -> None:
        key, on = f"{firm.key}/negotiation", self._day(firm)
        body = {
            "enterprise_id": firm.id,
            "kind": "wage" if number % 3 else "collective",
            "invited_on": on.isoformat(),
            "invited_by": "workers",
        }
        negotiation = self._log.enter("cases", "negotiation", key, body, self._log.entry_day(on, 3.0))
        result = RESULTS[number % len(RESULTS)]
        steps: list[tuple[str, dict[str, Any]]] = [("reply", {"agreed": result != "refused"})]
        steps += [("session", {})] * (0 if result == "refused" else self._rng.randint(1, 3))
        if number % 5 == 4 and result != "refused":
            steps += [("suspension", {}), ("resumption", {})]
        for place, (step, said) in enumerate([*steps, ("result", {"result": result})], 1):
            on += timedelta(days=self._rng.randint(4, 26))
            if on > self._last or (number % 6 == 5 and step == "result"):
                break
            line = {"negotiation_id": negotiation, "on": on.isoformat(), **said}
            self._log.enter("cases", f"negotiation_{step}", f"{key}/{place}", line, self._log.entry_day(on, 2.0), [f"{key}/course"])

    def _meetings(self, district: str) -> None:
        day = self._first + timedelta(days=self._rng.randint(10, 120))
        while day <= self._last:
            body = {"area": district, "held_on": day.isoformat()}
            self._log.enter("cases", "tripartite_meeting", f"{self._name}/tripartite/{district}/{day}", body, self._log.entry_day(day))
            day += timedelta(days=self._rng.randint(150, 210))

    def _pacts(self) -> None:
        for firm in self._some(PACTS):
            on = self._day(firm)
            body = {
                "enterprise_id": firm.id,
                "signed_on": on.isoformat(),
                "workers": firm.workers(on),
                "until": (on + 2 * YEAR).isoformat(),
            }
            self._log.enter("cases", "pact", f"{firm.key}/pact", body, self._log.entry_day(on))
        for park in self._parks[::4]:
            on = between(self._rng, self._first, self._last)
            self._log.enter(
                "cases", "pact", f"{self._name}/pact/{park}", {"area": park, "signed_on": on.isoformat()}, self._log.entry_day(on)
            )

    def _congresses(self) -> None:
        for number, firm in enumerate(self._some(CONGRESSES)):
            on, held = self._day(firm), 0
            while on <= self._last:
                held += 1
                body = {"enterprise_id": firm.id, "held_on": on.isoformat(), "delegates": max(3, firm.workers(on) // 10)}
                made = self._log.enter("cases", "workers_congress", f"{firm.key}/congress/{held}", body, self._log.entry_day(on))
                if number % 20 == 3 and held == 1:
                    correct(self._log, self._rng, "cases", f"{firm.key}/congress", made, "never", None, (2, 40))
                on += timedelta(days=self._rng.randint(300, 420))

    def _assessments(self) -> None:
        for number, firm in enumerate(self._some(ASSESSMENTS)):
            on = self._day(firm)
            body = {"subject": "enterprise", "enterprise_id": firm.id, "on": on.isoformat(), "level": LEVELS[number % 3]}
            body |= {"grade": self._rng.choice(GRADES), "valid_until": (on + 2 * YEAR).isoformat()}
            self._log.enter("cases", "assessment", f"{firm.key}/assessment", body, self._log.entry_day(on))
        for park in self._parks[1::6]:
            on = between(self._rng, self._first, self._last)
            body = {"subject": "park", "area": park, "on": on.isoformat(), "level": "city", "grade": self._rng.choice(GRADES)}
            self._log.enter("cases", "assessment", f"{self._name}/assessment/{park}", body, self._log.entry_day(on))
        for firm in self._some(AWARDS):
            on = self._day(firm)
            body = {"enterprise_id": firm.id, "title": TITLE + SYNTHETIC, "level": self._rng.choice(LEVELS), "on": on.isoformat()}
            body |= {"until": (on + YEAR).isoformat()} if self._rng.random() < 0.7 else {}
            self._log.enter("cases", "award", f"{firm.key}/award", body, self._log.entry_day(on))
