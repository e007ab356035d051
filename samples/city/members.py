"""Members who join, leave and are transferred. A person is a number from which a document is made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from samples.city.command_log import CommandLog, between
from samples.city.findings import Findings
from samples.city.firms import YEAR, take_share
from samples.city.names import NOTES, reason_of
from samples.city.numbers import resident_id
from samples.city.registry import correct
from samples.city.unions import Coverage

LEAVING = 0.07
"""Share of the members who leave in a year."""
REPLACED = 0.6
"""Share of the leavers who are replaced by a new member."""
AGAIN = 0.02
"""Share of the joins by persons who left another union."""
OTHER_DOCUMENTS = 0.1
"""Share of the persons whose document is of kind `sample`, not a resident id."""
MOST_LEAVING_TOGETHER = 400
LEAVING_REASONS = ("resigned", "retired", "left_city")


@dataclass(slots=True)
class Member:
    """One membership; `left_on` is None while it lasts. `again`: the person has more than one membership."""

    reference: str
    person: int
    coverage: Coverage
    joined_on: date
    again: bool = False
    left_on: date | None = None


class Members:
    """Generates the members of each coverage."""

    def __init__(self, log: CommandLog, coverages: Sequence[Coverage], findings: Findings) -> None:
        self._log = log
        self._name = log.scenario.name
        self._last = log.scenario.last_day
        self._rng = log.scenario.rng("members")
        self._division = log.scenario.rng("documents").randrange(10_000)
        self._coverages = [c for c in coverages if c.since <= c.last(self._last)]
        self._findings = findings
        self._persons = 0
        self._gone: list[Member] = []
        self._all: list[Member] = []

    def generate(self) -> None:
        """Enter all commands."""
        for coverage in sorted(self._coverages, key=lambda c: (c.since, c.firm.number)):
            self._fill(coverage)
        self._too_many()
        self._transfers()
        self._mistakes()
        self._leave_mistakes()

    def _fill(self, coverage: Coverage) -> None:
        """Most members join at a first meeting, the others later; some leave and are replaced."""
        last = coverage.last(self._last)
        rate = self._rng.betavariate(9, 3)
        goal = round(coverage.firm.workers(last) * rate)
        first = min(goal, round(coverage.firm.workers(coverage.since) * rate * 0.7))
        meeting = min(last, coverage.since + timedelta(days=self._rng.randint(0, 20)))
        joined = [self._join(coverage, meeting) for _ in range(first)]
        joined += [self._join(coverage, between(self._rng, meeting, last)) for _ in range(goal - first)]
        if coverage.no_leavers:
            return
        for member in joined:
            if self._rng.random() < min(0.8, LEAVING * (last - member.joined_on).days / YEAR):
                self._leave(member, between(self._rng, member.joined_on, last))
                if self._rng.random() < REPLACED and member.left_on is not None:
                    self._join(coverage, between(self._rng, member.left_on, last))

    def _join(self, coverage: Coverage, on: date) -> Member:
        person, again = self._person(on)
        number = len(self._all) + 1
        key = f"{self._name}/m{number}"
        body = {
            "union_id": coverage.union,
            "enterprise_id": coverage.firm.id,
            "document": self._document(person),
            "joined_on": on.isoformat(),
        }
        # A person who joins again must have left before.
        order_keys = [*coverage.prerequisites(on), *([f"{self._name}/p{person}"] if again else [])]
        reference = self._log.enter("membership", "member", key, body, self._log.entry_day(on), order_keys)
        member = Member(reference, person, coverage, on, again)
        self._all.append(member)
        return member

    def _person(self, on: date) -> tuple[int, bool]:
        if self._gone and self._rng.random() < AGAIN:
            gone = self._gone[-1]
            if gone.left_on is not None and gone.left_on < on:
                self._gone.pop()
                gone.again = True
                return gone.person, True
        self._persons += 1
        return self._persons, False

    def _document(self, person: int) -> dict[str, str]:
        if person % round(1 / OTHER_DOCUMENTS) == 0:
            return {"kind": "sample", "number": f"{self._name}/{person}"}
        return {"kind": "resident_id", "number": resident_id(self._division, person)}

    def _leave(self, member: Member, on: date) -> None:
        member.left_on = on
        reason = self._rng.choice(NOTES) if self._rng.random() < 0.02 else self._rng.choice(LEAVING_REASONS)
        body = {"member_id": member.reference, "on": on.isoformat(), **reason_of(reason)}
        key = f"{member.reference.removeprefix('@')}/leave"
        self._log.enter("membership", "leave", key, body, self._log.entry_day(on), [f"{self._name}/p{member.person}"])
        if not member.again:
            self._gone.append(member)

    def _too_many(self) -> None:
        """Headcount reports with fewer workers than members."""
        for coverage in take_share(
            [c for c in self._coverages if c.firm.ends is None and c.firm.reports and c.until is None], len(self._coverages), 0.004
        ):
            day = max(day for day, _ in coverage.firm.reports) + timedelta(days=1)
            members = sum(member.coverage is coverage and member.left_on is None for member in self._all)
            if members > 1 and day <= self._last:
                key = f"{coverage.firm.key}/headcount/{day}"
                body = {"enterprise_id": coverage.firm.id, "on": day.isoformat(), "workers": members // 2}
                report = self._log.enter("registry", "headcount", key, body, self._log.entry_day(day))
                self._findings.note("MEMBERS_OVER_WORKERS", coverage.firm.case, report, f"{members} > {members // 2}")

    # Transfers

    def _transfers(self) -> None:
        """Single transfers, transfers from a joint union to the firm's own union, and members of dissolved unions who leave."""
        staying: dict[int, list[Member]] = defaultdict(list)
        for member in self._all:
            if member.left_on is None and not member.again:
                staying[id(member.coverage)].append(member)
        for coverage in self._coverages:
            if coverage.until is not None:
                self._after_coverage_end(coverage, staying[id(coverage)])
        open_ = [c for c in self._coverages if c.firm.ends is None and c.until is None and not c.no_leavers]
        free = [m for c in self._coverages if c.until is None and c.firm.ends is None for m in staying[id(c)] if not c.no_leavers]
        for member in take_share(self._rng.sample(free, len(free)), len(free), 0.012):
            on = between(self._rng, member.joined_on, self._last)
            goal = self._rng.choice(open_)
            if goal is not member.coverage and goal.since <= on:
                self._transfer(member, goal, on)

    def _after_coverage_end(self, coverage: Coverage, members: Sequence[Member]) -> None:
        assert coverage.until is not None
        own = next((c for c in self._coverages if c.firm is coverage.firm and c.since == coverage.until), None)
        for number, member in enumerate(members[:MOST_LEAVING_TOGETHER]):
            if own is not None:
                self._transfer(member, own, coverage.until)
            elif number % 3 == 0:
                self._leave(member, coverage.until)
        if own is None and len(members) > 1:
            self._findings.note("MEMBERS_OF_DISSOLVED", coverage.firm.case, f"{coverage.union.removeprefix('@')}/dissolution")

    def _transfer(self, member: Member, goal: Coverage, on: date) -> None:
        member.left_on = on
        body = {"member_id": member.reference, "on": on.isoformat(), "union_id": goal.union, "enterprise_id": goal.firm.id}
        key = f"{member.reference.removeprefix('@')}/transfer"
        self._log.enter("membership", "transfer", key, body, self._log.entry_day(on), goal.prerequisites(on))

    # Mistakes

    def _mistakes(self) -> None:
        """Joining dates that are corrected once or twice, and memberships that are withdrawn."""
        plain = [
            m for m in self._all if m.left_on is None and not m.again and not m.coverage.required_command and m.coverage.firm.ends is None
        ]
        pool = [m for m in self._rng.sample(plain, len(plain)) if m.joined_on > m.coverage.since]
        for member in take_share(pool, len(self._all), 0.002):
            self._misread(member, 1)
        for member in take_share(pool, len(self._all), 0.0004):
            day = member.joined_on
            first = self._misread(member, 1)
            again = self._correct(first, "joined/2", {"joined_on": day.isoformat()})
            self._findings.note("CORRECTED_TWICE", member.coverage.firm.case, again)
        for member in take_share(pool, len(self._all), 0.0005):
            withdrawal = self._correct(self._misread(member, 1), "never", None)
            member.left_on = member.joined_on
            self._findings.note("WITHDRAWN", member.coverage.firm.case, withdrawal)
        for member in take_share(pool, len(self._all), 0.001):
            withdrawal = self._correct(member.reference, "never", None)
            member.left_on = member.joined_on
            self._findings.note("WITHDRAWN", member.coverage.firm.case, withdrawal)

    def _misread(self, member: Member, number: int) -> str:
        day = between(self._rng, member.coverage.since, member.joined_on - timedelta(days=1))
        return self._correct(member.reference, f"joined/{number}", {"joined_on": day.isoformat()})

    def _leave_mistakes(self) -> None:
        """Leave records that are withdrawn or get another date; only of persons with no later membership."""
        left = [m for m in self._gone if not m.again and m.left_on is not None and m.coverage.firm.ends is None]
        pool = self._rng.sample(left, len(left))
        for member in take_share(pool, len(left), 0.01):
            leave = f"{member.reference}/leave"
            self._findings.note("WITHDRAWN", member.coverage.firm.case, self._correct(leave, "never", None))
        for member in take_share(pool, len(left), 0.01):
            assert member.left_on is not None
            if member.left_on > member.joined_on:
                self._correct(f"{member.reference}/leave", "day", {"on": (member.left_on - timedelta(days=1)).isoformat()})

    def _correct(self, reference: str, what: str, data: dict[str, object] | None) -> str:
        return correct(self._log, self._rng, "membership", reference.removeprefix("@"), reference, what, data)
