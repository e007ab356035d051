"""The unions and their coverage: enterprise unions, joint unions of small units, park unions, federations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from samples.city.command_log import CommandLog, between
from samples.city.findings import Findings
from samples.city.firms import Firm, take_share
from samples.city.names import SYNTHETIC
from samples.city.registry import correct
from samples.records import Area

SMALL = 25
"""Workers from which on an enterprise union is the rule."""
OWN_SHARE = {False: 0.17, True: 0.64}
"""{at least SMALL workers: share of the firms that found an enterprise union}"""
WAITING = 420.0
"""Days on average from settling (or from the first year's campaigns) to the approval."""
FEDERATION_AGE = 8 * 365
"""Days between the approval of the oldest district federation and the first day."""


@dataclass(slots=True)
class Coverage:
    """A union covers a firm from `since` on, `until` that day (None: still). `no_leavers`: nobody leaves there.

    `required_command`: the command, other than the founding, that must run before members join on or after `required_from` (None: any day).
    """

    firm: Firm
    union: str
    since: date
    until: date | None = None
    required_command: str | None = None
    required_from: date | None = None
    no_leavers: bool = False

    def prerequisites(self, on: date) -> list[str]:
        """Keys of the commands that must run before a member joins on that day."""
        return [self.required_command.removeprefix("@")] if self.required_command and on >= (self.required_from or self.since) else []

    def last(self, last_day: date) -> date:
        """The last covered day, at most `last_day`."""
        ends = [day - timedelta(days=1) for day in (self.until, self.firm.ends) if day is not None]
        return min([last_day, *ends])


class Unions:
    """`coverages` are those that members join; second coverages only produce commands."""

    def __init__(self, log: CommandLog, firms: Sequence[Firm], areas: Sequence[Area], findings: Findings) -> None:
        self.coverages: list[Coverage] = []
        self._log = log
        self._name = log.scenario.name
        self._first, self._last = log.scenario.first_day, log.scenario.last_day
        self._rng = log.scenario.rng("unions")
        self._firms = firms
        self._findings = findings
        self._district = {area.code: area.parent or "" for area in areas if area.kind == "park"}
        self._names = {area.code: area.name.removesuffix(SYNTHETIC) for area in areas}
        self._regional: dict[str, str] = {}
        self._own: dict[int, Coverage] = {}
        self._free: dict[str, list[Firm]] = defaultdict(list)

    def generate(self) -> None:
        """Enter all commands."""
        self._district_federations()
        self._own_unions()
        self._joint_unions()
        self._park_unions()
        self._second_coverage()
        self._endings()
        self._mistakes()

    def _founding(
        self, key: str, kind: str, name: str, seat: str, on: date, firms: Iterable[Firm], parent: str | None = None, days: float = 12.0
    ) -> str:
        body = {"kind": kind, "name": name + SYNTHETIC, "seat_area": seat, "approved_on": on.isoformat()}
        body |= {"parent_union_id": parent} if parent else {}
        return self._log.enter(
            "membership",
            "union",
            f"{self._name}/{key}",
            {**body, "enterprises": [firm.id for firm in firms]},
            self._log.entry_day(on, days),
        )

    def _district_federations(self) -> None:
        """One per district, older than the first day: the parent of all unions in it. It covers no firm by itself."""
        for number, district in enumerate(sorted(set(self._district.values()))):
            on = self._first - timedelta(days=FEDERATION_AGE - 97 * number)
            name = self._names[district] + "区域性工会联合会"
            self._regional[district] = self._founding(f"regional/{district}", "regional_federation", name, district, on, [])

    # First coverage

    def _own_unions(self) -> None:
        for firm in self._firms:
            if self._rng.random() < OWN_SHARE[firm.workers_at_first >= SMALL]:
                wait = 20 + int(self._rng.expovariate(1 / WAITING))
                self._own_union(firm, max(firm.settled_on, self._first - timedelta(days=900)) + timedelta(days=wait))
            if firm.number not in self._own and (firm.workers_at_first < 2 * SMALL or self._rng.random() < 0.3):
                self._free[firm.park].append(firm)
        for coverage in take_share([c for c in self._own.values() if not c.firm.closed], len(self._own), 0.005):
            coverage.no_leavers = True
        if self._own and len(self._firms) > 1:
            self._own_union_before_settling()

    def _own_union(self, firm: Firm, on: date) -> None:
        if on > self._last or not firm.operates(on, on):
            return
        key = f"u{firm.number}"
        union = self._founding(
            key, "enterprise_union", firm.name + "工会", firm.park, on, [firm], self._regional[self._district[firm.park]]
        )
        self._own[firm.number] = Coverage(firm, union, on)
        self.coverages.append(self._own[firm.number])
        if self._first <= on < self._log.entered_on(union) - timedelta(days=365):
            self._findings.note("BACKDATED", firm.case, union, f"{on} … {self._log.entered_on(union)}")

    def _own_union_before_settling(self) -> None:
        """A union approved before its firm settled; it counts from settling on."""
        waiting = [firm for firms in self._free.values() for firm in firms if firm.ends is None and firm.settled_on >= self._first]
        for firm in take_share(waiting, len(self._firms), 0.002):
            on = firm.settled_on - timedelta(days=self._rng.randint(10, 40))
            union = self._founding(f"u{firm.number}", "enterprise_union", firm.name + "工会", firm.park, on, [firm])
            self._own[firm.number] = Coverage(firm, union, on)
            self.coverages.append(self._own[firm.number])
            self._free[firm.park].remove(firm)
            self._findings.note("FOUNDED_BEFORE_SETTLED", firm.case, union, f"{on} < {firm.settled_on}")

    def _joint_unions(self) -> None:
        """Three to nine small units of one park; half of the unions add one more later."""
        number = 0
        for park, waiting in sorted(self._free.items()):
            self._rng.shuffle(waiting)
            for _ in range(int(len(waiting) * 0.05 + self._rng.random())):
                number += 1
                self._joint_union(f"joint/{number}", park, waiting, f"{self._names[park]}第{number}联合工会")

    def _joint_union(self, key: str, park: str, waiting: list[Firm], name: str) -> None:
        on = between(self._rng, self._first - timedelta(days=300), self._last - timedelta(days=60))
        units = [firm for firm in waiting if firm.operates(on, on)][: self._rng.randint(3, 9)]
        if not any(firm.ends is None for firm in units):
            return
        union = self._founding(key, "joint_union", name, park, on, units, self._regional[self._district[park]])
        self._take(waiting, units)
        self.coverages += [Coverage(firm, union, on) for firm in units]
        if self._rng.random() < 0.5:
            self._add_unit(union, on, waiting)

    def _add_unit(self, union: str, founded: date, waiting: list[Firm]) -> None:
        on = between(self._rng, max(founded, self._first) + timedelta(days=20), self._last - timedelta(days=5))
        newcomer = next((firm for firm in waiting if founded < on and firm.operates(on, on)), None)
        if newcomer is not None:
            self._take(waiting, [newcomer])
            started = self._cover(union, newcomer, on)
            self.coverages.append(Coverage(newcomer, union, on, required_command=started))

    def _take(self, waiting: list[Firm], units: Sequence[Firm]) -> None:
        taken = {firm.number for firm in units}
        waiting[:] = [firm for firm in waiting if firm.number not in taken]

    def _park_unions(self) -> None:
        """In every third park, over units that have no union yet."""
        for park, waiting in sorted(self._free.items())[::3]:
            on = between(self._rng, self._first - timedelta(days=200), self._first + (self._last - self._first) * 2 // 3)
            units = [firm for firm in waiting if firm.operates(on, on)]
            units = [firm for firm in units if self._rng.random() < 0.15] or units[:1]
            if any(firm.ends is None for firm in units):
                name = self._names[park] + "园区工会"
                union = self._founding(f"park/{park}", "park_union", name, park, on, units, self._regional[self._district[park]])
                self._take(waiting, units)
                self.coverages += [Coverage(firm, union, on) for firm in units]

    def _cover(self, union: str, firm: Firm, on: date, started: bool = True) -> str:
        """Start or end the coverage of a firm."""
        what = "started" if started else "ended"
        body = {"union_id": union, "enterprise_id": firm.id, "on": on.isoformat(), what: True}
        key = f"{union.removeprefix('@')}/{what}/{firm.number}"
        return self._log.enter("membership", "coverage", key, body, self._log.entry_day(on), [f"{union}|{firm.number}"])

    # Second coverage

    def _second_coverage(self) -> None:
        """Federations over units that are covered already: of the district (one by one), of an industry, of a park's unions."""
        day = between(self._rng, self._first + (self._last - self._first) // 4, self._first + (self._last - self._first) * 3 // 4)
        covered = [c for c in self.coverages if c.since < day and c.firm.ends is None]
        for coverage in take_share(self._shuffled(covered), len(covered), 0.14):
            on = between(self._rng, max(day, coverage.since), self._last)
            self._cover(self._regional[self._district[coverage.firm.park]], coverage.firm, on)
        for section, called in (("C", "制造业"), ("F", "商贸"), ("G", "物流业"), ("I", "软件业")):
            firms = [c.firm for c in covered if (c.firm.industry or "")[:1] == section and self._rng.random() < 0.12]
            if firms:
                seat = self._district[firms[0].park][:4]
                self._founding(f"industry/{section}", "industry_federation", f"{called}行业工会联合会", seat, day, firms)
        for park in sorted(self._district)[1::4]:
            firms = [c.firm for c in covered if c.firm.park == park and c.firm.number in self._own]
            if firms:
                name = self._names[park] + "基层工会联合会"
                self._founding(f"grassroots/{park}", "grassroots_federation", name, park, day, firms, self._regional[self._district[park]])
        self._federation_alone(day)

    def _federation_alone(self, day: date) -> None:
        """A few units that a district federation covers and no other union."""
        alone = [firm for firms in self._free.values() for firm in firms if firm.operates(day, self._last) and firm.ends is None]
        for firm in take_share(self._shuffled(alone), len(self._firms), 0.006):
            union = self._regional[self._district[firm.park]]
            self.coverages.append(Coverage(firm, union, day, required_command=self._cover(union, firm, day)))

    def _shuffled(self, items: Sequence[Coverage] | Sequence[Firm]) -> list:  # type: ignore[type-arg]
        return self._rng.sample(items, len(items))

    # Ends

    def _endings(self) -> None:
        """Grown units leave joint unions, and unions of operating units are dissolved."""
        middle = self._last - (self._last - self._first) // 4
        grown = [
            c
            for c in self.coverages
            if c.union.split("/")[-2] == "joint" and c.firm.ends is None and c.since < middle and not c.required_command
        ]
        for coverage in take_share(self._shuffled(grown), len(grown), 0.05):
            self._grow_out(coverage, between(self._rng, middle, self._last - timedelta(days=20)))
        lasting = [
            c for c in self._own.values() if c.firm.ends is None and c.since < middle and c.firm.settled_on <= c.since and not c.no_leavers
        ]
        for coverage in take_share(self._shuffled(lasting), len(self._own), 0.012):
            coverage.until = between(self._rng, middle, self._last - timedelta(days=10))
            self._dissolve(coverage.union, coverage.until)

    def _grow_out(self, coverage: Coverage, on: date) -> None:
        coverage.until = on
        self._cover(coverage.union, coverage.firm, on, started=False)
        self._own_union(coverage.firm, on)

    def _dissolve(self, union: str, on: date) -> str:
        key = union.removeprefix("@") + "/dissolution"
        body = {"union_id": union, "on": on.isoformat(), "reason": self._rng.choice(("merged", "reorganised", "split"))}
        return self._log.enter("membership", "dissolution", key, body, self._log.entry_day(on))

    # Mistakes

    def _mistakes(self) -> None:
        """Wrong dates and names that are corrected; foundings, dissolutions and coverages that are withdrawn."""
        quiet = [c for c in self._own.values() if c.firm.ends is None and c.until is None]
        pool = self._shuffled(quiet)
        for coverage in take_share(pool, len(self._own), 0.012):
            earlier = coverage.since - timedelta(days=self._rng.randint(1, 20))
            self._correct(coverage.union, "approved", {"approved_on": earlier.isoformat()})
        for coverage in take_share(pool, len(self._own), 0.006):
            first = self._correct(coverage.union, "name", {"name": coverage.firm.name + "工会委员会" + SYNTHETIC})
            again = self._correct(first, "name/2", {"name": coverage.firm.name + "基层工会委员会" + SYNTHETIC})
            self._findings.note("CORRECTED_TWICE", coverage.firm.case, again)
        for coverage in take_share(pool, len(self._own), 0.004):
            if coverage.since < self._last - timedelta(days=30):
                coverage.no_leavers = True
                coverage.required_from = self._last - timedelta(days=20)
                coverage.required_command = self._correct(self._dissolve(coverage.union, coverage.required_from), "never", None)
                self._findings.note("WITHDRAWN", coverage.firm.case, coverage.required_command)
        for district, union in list(self._regional.items())[:2]:
            self._misread_coverages(district, union)
        twice = self._founding("regional/again", "regional_federation", "重复录入的联合会", next(iter(self._regional)), self._first, [])
        self._findings.note("WITHDRAWN", "regional", self._correct(twice, "never", None))

    def _misread_coverages(self, district: str, union: str) -> None:
        """One coverage by the federation is withdrawn, one gets another date, and of one the end is withdrawn."""
        covered = {coverage.firm.number for coverage in self.coverages}
        firms = [f for f in self._firms if self._district[f.park] == district and f.ends is None and f.number not in covered]
        on = self._last - timedelta(days=15)
        for number, firm in enumerate(f for f in firms if f.settled_on < on - timedelta(days=5)):
            if number == 3:
                break
            started = self._cover(union, firm, on)
            if number == 0:
                self._findings.note("WITHDRAWN", firm.case, self._correct(started, "never", None))
            elif number == 1:
                self._correct(started, "day", {"on": (on - timedelta(days=2)).isoformat()})
            else:
                ended = self._cover(union, firm, on + timedelta(days=5), started=False)
                self._findings.note("WITHDRAWN", firm.case, self._correct(ended, "never", None))

    def _correct(self, reference: str, what: str, data: dict[str, object] | None) -> str:
        return correct(self._log, self._rng, "membership", reference.removeprefix("@"), reference, what, data)
