"""Who founds a union, and whom it covers from when until when: own unions, joint ones of small units, park unions, federations over them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from samples.city.book import Book, between
from samples.city.findings import Findings
from samples.city.firms import Firm, portion
from samples.city.names import SYNTHETIC
from samples.city.registry import correct
from samples.records import Area

SMALL = 25
"""Workers from which on a committee of its own is the rule."""
OWN_SHARE = {False: 0.17, True: 0.64}
"""{with so many workers: the part of the firms that ever founds a union of its own}"""
WAITING = 420.0
"""Days on average from settling (or from the first year's campaigns) to the approval."""
FEDERATION_AGE = 8 * 365
"""Days before the first one on which the oldest district federation was approved."""


@dataclass(slots=True)
class Coverage:
    """A union covers a firm from `since` on, `until` that day (None: still). `kept_quiet`: nobody leaves there.

    `behind`: the command, if it is not the founding, after which joining from `behind_from` (None: any day) on is possible.
    """

    firm: Firm
    union: str
    since: date
    until: date | None = None
    behind: str | None = None
    behind_from: date | None = None
    kept_quiet: bool = False

    def before_joining(self, on: date) -> list[str]:
        """Keys of the commands that must be carried out before somebody can join on that day."""
        return [self.behind.removeprefix("@")] if self.behind and on >= (self.behind_from or self.since) else []

    def last(self, last_day: date) -> date:
        """The last day of it, as far as the city goes."""
        ends = [day - timedelta(days=1) for day in (self.until, self.firm.ends) if day is not None]
        return min([last_day, *ends])


class Unions:
    """`coverages` are those where workers join; the others (second coverage) are only told."""

    def __init__(self, book: Book, firms: Sequence[Firm], areas: Sequence[Area], findings: Findings) -> None:
        self.coverages: list[Coverage] = []
        self._book = book
        self._name = book.scenario.name
        self._first, self._last = book.scenario.first_day, book.scenario.last_day
        self._chance = book.scenario.chance("unions")
        self._firms = firms
        self._findings = findings
        self._district = {area.code: area.parent or "" for area in areas if area.kind == "park"}
        self._names = {area.code: area.name.removesuffix(SYNTHETIC) for area in areas}
        self._regional: dict[str, str] = {}
        self._own: dict[int, Coverage] = {}
        self._free: dict[str, list[Firm]] = defaultdict(list)

    def found(self) -> None:
        """All of it."""
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
        return self._book.enter(
            "membership", "union", f"{self._name}/{key}", {**body, "enterprises": [firm.id for firm in firms]}, self._book.typed(on, days)
        )

    def _district_federations(self) -> None:
        """One over each district, older than the platform: the next higher union of all in it. It covers nobody by itself."""
        for number, district in enumerate(sorted(set(self._district.values()))):
            on = self._first - timedelta(days=FEDERATION_AGE - 97 * number)
            name = self._names[district] + "区域性工会联合会"
            self._regional[district] = self._founding(f"regional/{district}", "regional_federation", name, district, on, [])

    # First coverage

    def _own_unions(self) -> None:
        for firm in self._firms:
            if self._chance.random() < OWN_SHARE[firm.workers_at_first >= SMALL]:
                waited = 20 + int(self._chance.expovariate(1 / WAITING))
                self._own_union(firm, max(firm.settled_on, self._first - timedelta(days=900)) + timedelta(days=waited))
            if firm.number not in self._own and (firm.workers_at_first < 2 * SMALL or self._chance.random() < 0.3):
                self._free[firm.park].append(firm)
        for coverage in portion([c for c in self._own.values() if not c.firm.closed], len(self._own), 0.005):
            coverage.kept_quiet = True
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
        if self._first <= on < self._book.entered_on(union) - timedelta(days=365):
            self._findings.note("BACKDATED", firm.case, union, f"{on} … {self._book.entered_on(union)}")

    def _own_union_before_settling(self) -> None:
        """A union of a firm that settled only later: it moved in with it. Counts from settling on."""
        waiting = [firm for firms in self._free.values() for firm in firms if firm.ends is None and firm.settled_on >= self._first]
        for firm in portion(waiting, len(self._firms), 0.002):
            on = firm.settled_on - timedelta(days=self._chance.randint(10, 40))
            union = self._founding(f"u{firm.number}", "enterprise_union", firm.name + "工会", firm.park, on, [firm])
            self._own[firm.number] = Coverage(firm, union, on)
            self.coverages.append(self._own[firm.number])
            self._free[firm.park].remove(firm)
            self._findings.note("FOUNDED_BEFORE_SETTLED", firm.case, union, f"{on} < {firm.settled_on}")

    def _joint_unions(self) -> None:
        """Small units of one park, three to nine together; later ones are taken in one by one."""
        number = 0
        for park, waiting in sorted(self._free.items()):
            self._chance.shuffle(waiting)
            for _ in range(int(len(waiting) * 0.05 + self._chance.random())):
                number += 1
                self._joint_union(f"joint/{number}", park, waiting, f"{self._names[park]}第{number}联合工会")

    def _joint_union(self, key: str, park: str, waiting: list[Firm], name: str) -> None:
        on = between(self._chance, self._first - timedelta(days=300), self._last - timedelta(days=60))
        units = [firm for firm in waiting if firm.operates(on, on)][: self._chance.randint(3, 9)]
        if not any(firm.ends is None for firm in units):
            return
        union = self._founding(key, "joint_union", name, park, on, units, self._regional[self._district[park]])
        self._take(waiting, units)
        self.coverages += [Coverage(firm, union, on) for firm in units]
        if self._chance.random() < 0.5:
            self._take_in(union, on, waiting)

    def _take_in(self, union: str, founded: date, waiting: list[Firm]) -> None:
        on = between(self._chance, max(founded, self._first) + timedelta(days=20), self._last - timedelta(days=5))
        newcomer = next((firm for firm in waiting if founded < on and firm.operates(on, on)), None)
        if newcomer is not None:
            self._take(waiting, [newcomer])
            behind = self._cover(union, newcomer, on)
            self.coverages.append(Coverage(newcomer, union, on, behind=behind))

    def _take(self, waiting: list[Firm], units: Sequence[Firm]) -> None:
        taken = {firm.number for firm in units}
        waiting[:] = [firm for firm in waiting if firm.number not in taken]

    def _park_unions(self) -> None:
        """In every third park, over units that have no union yet."""
        for park, waiting in sorted(self._free.items())[::3]:
            on = between(self._chance, self._first - timedelta(days=200), self._first + (self._last - self._first) * 2 // 3)
            units = [firm for firm in waiting if firm.operates(on, on)]
            units = [firm for firm in units if self._chance.random() < 0.15] or units[:1]
            if any(firm.ends is None for firm in units):
                name = self._names[park] + "园区工会"
                union = self._founding(f"park/{park}", "park_union", name, park, on, units, self._regional[self._district[park]])
                self._take(waiting, units)
                self.coverages += [Coverage(firm, union, on) for firm in units]

    def _cover(self, union: str, firm: Firm, on: date, started: bool = True) -> str:
        """The union takes the firm in, or lets it go."""
        what = "started" if started else "ended"
        body = {"union_id": union, "enterprise_id": firm.id, "on": on.isoformat(), what: True}
        key = f"{union.removeprefix('@')}/{what}/{firm.number}"
        return self._book.enter("membership", "coverage", key, body, self._book.typed(on), [f"{union}|{firm.number}"])

    # Second coverage

    def _second_coverage(self) -> None:
        """Federations over units that are covered already: of the district (one by one), of an industry, of a park's unions."""
        day = between(self._chance, self._first + (self._last - self._first) // 4, self._first + (self._last - self._first) * 3 // 4)
        covered = [c for c in self.coverages if c.since < day and c.firm.ends is None]
        for coverage in portion(self._shuffled(covered), len(covered), 0.14):
            on = between(self._chance, max(day, coverage.since), self._last)
            self._cover(self._regional[self._district[coverage.firm.park]], coverage.firm, on)
        for section, called in (("C", "制造业"), ("F", "商贸"), ("G", "物流业"), ("I", "软件业")):
            firms = [c.firm for c in covered if (c.firm.industry or "")[:1] == section and self._chance.random() < 0.12]
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
        for firm in portion(self._shuffled(alone), len(self._firms), 0.006):
            union = self._regional[self._district[firm.park]]
            self.coverages.append(Coverage(firm, union, day, behind=self._cover(union, firm, day)))

    def _shuffled(self, items: Sequence[Coverage] | Sequence[Firm]) -> list:  # type: ignore[type-arg]
        return self._chance.sample(items, len(items))

    # Ends

    def _endings(self) -> None:
        """Units leave a joint union because they have grown, and unions are dissolved though their unit goes on."""
        middle = self._last - (self._last - self._first) // 4
        grown = [
            c for c in self.coverages if c.union.split("/")[-2] == "joint" and c.firm.ends is None and c.since < middle and not c.behind
        ]
        for coverage in portion(self._shuffled(grown), len(grown), 0.05):
            self._grow_out(coverage, between(self._chance, middle, self._last - timedelta(days=20)))
        lasting = [
            c for c in self._own.values() if c.firm.ends is None and c.since < middle and c.firm.settled_on <= c.since and not c.kept_quiet
        ]
        for coverage in portion(self._shuffled(lasting), len(self._own), 0.012):
            coverage.until = between(self._chance, middle, self._last - timedelta(days=10))
            self._dissolve(coverage.union, coverage.until)

    def _grow_out(self, coverage: Coverage, on: date) -> None:
        coverage.until = on
        self._cover(coverage.union, coverage.firm, on, started=False)
        self._own_union(coverage.firm, on)

    def _dissolve(self, union: str, on: date) -> str:
        key = union.removeprefix("@") + "/dissolution"
        body = {"union_id": union, "on": on.isoformat(), "reason": self._chance.choice(("merged", "reorganised", "与上级工会合并"))}
        return self._book.enter("membership", "dissolution", key, body, self._book.typed(on))

    # Mistakes

    def _mistakes(self) -> None:
        """Days and names that were misread, foundings, endings and coverages that never were."""
        quiet = [c for c in self._own.values() if c.firm.ends is None and c.until is None]
        deck = self._shuffled(quiet)
        for coverage in portion(deck, len(self._own), 0.012):
            earlier = coverage.since - timedelta(days=self._chance.randint(1, 20))
            self._correct(coverage.union, "approved", {"approved_on": earlier.isoformat()})
        for coverage in portion(deck, len(self._own), 0.006):
            first = self._correct(coverage.union, "name", {"name": coverage.firm.name + "工会委员会" + SYNTHETIC})
            again = self._correct(first, "name/2", {"name": coverage.firm.name + "基层工会委员会" + SYNTHETIC})
            self._findings.note("CORRECTED_TWICE", coverage.firm.case, again)
        for coverage in portion(deck, len(self._own), 0.004):
            if coverage.since < self._last - timedelta(days=30):
                coverage.kept_quiet = True
                coverage.behind_from = self._last - timedelta(days=20)
                coverage.behind = self._correct(self._dissolve(coverage.union, coverage.behind_from), "never", None)
                self._findings.note("WITHDRAWN", coverage.firm.case, coverage.behind)
        for district, union in list(self._regional.items())[:2]:
            self._misread_coverages(district, union)
        twice = self._founding("regional/again", "regional_federation", "重复录入的联合会", next(iter(self._regional)), self._first, [])
        self._findings.note("WITHDRAWN", "regional", self._correct(twice, "never", None))

    def _misread_coverages(self, district: str, union: str) -> None:
        """One coverage by the federation that never was, one from another day, one whose end never was."""
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

    def _correct(self, said: str, what: str, data: dict[str, object] | None) -> str:
        entered = self._book.entered_on(said) + timedelta(days=self._chance.randint(3, 90))
        return correct(self._book, self._chance, "membership", said.removeprefix("@"), said, what, data, entered)
