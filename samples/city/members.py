"""Who joins, leaves and goes elsewhere. A person is a number of which a document is made; nothing else is known of anybody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from samples.city.book import Book, between
from samples.city.findings import Findings
from samples.city.firms import YEAR, portion
from samples.city.names import NOTES
from samples.city.numbers import resident_id
from samples.city.registry import correct
from samples.city.unions import Coverage

LEAVING = 0.07
"""The part of the members that leaves in a year."""
REPLACED = 0.6
AGAIN = 0.02
"""The part of the joining that are persons who left elsewhere."""
OTHER_DOCUMENTS = 0.1
"""The part of the persons whose document is no resident id but of kind `sample`."""
MOST_LEAVING_TOGETHER = 400
LEAVING_REASONS = ("resigned", "retired", "left_city")


@dataclass(slots=True)
class Member:
    """One membership: who (a number), where, since when; `left_on` None: still. `again`: the person was a member elsewhere before."""

    reference: str
    person: int
    coverage: Coverage
    joined_on: date
    again: bool = False
    left_on: date | None = None


class Members:
    """Tells who joins where workers can, coverage by coverage."""

    def __init__(self, book: Book, coverages: Sequence[Coverage], findings: Findings) -> None:
        self._book = book
        self._name = book.scenario.name
        self._last = book.scenario.last_day
        self._chance = book.scenario.chance("members")
        self._division = book.scenario.chance("documents").randrange(10_000)
        self._coverages = [c for c in coverages if c.since <= c.last(self._last)]
        self._findings = findings
        self._persons = 0
        self._gone: list[Member] = []
        self._all: list[Member] = []

    def tell(self) -> None:
        """All of it."""
        for coverage in sorted(self._coverages, key=lambda c: (c.since, c.firm.number)):
            self._fill(coverage)
        self._too_many()
        self._transfers()
        self._mistakes()
        self._remaining()

    def _fill(self, coverage: Coverage) -> None:
        """A first meeting at which most join, then some every month, and now and then one leaves."""
        last = coverage.last(self._last)
        rate = self._chance.betavariate(9, 3)
        goal = round(coverage.firm.workers(last) * rate)
        first = min(goal, round(coverage.firm.workers(coverage.since) * rate * 0.7))
        meeting = min(last, coverage.since + timedelta(days=self._chance.randint(0, 20)))
        joined = [self._join(coverage, meeting) for _ in range(first)]
        joined += [self._join(coverage, between(self._chance, meeting, last)) for _ in range(goal - first)]
        if coverage.kept_quiet:
            return
        for member in joined:
            if self._chance.random() < min(0.8, LEAVING * (last - member.joined_on).days / YEAR):
                self._leave(member, between(self._chance, member.joined_on, last))
                if self._chance.random() < REPLACED and member.left_on is not None:
                    self._join(coverage, between(self._chance, member.left_on, last))

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
        # Whoever joins again must have left, as far as membership knows.
        about = [*coverage.before_joining(on), *([f"{self._name}/p{person}"] if again else [])]
        reference = self._book.enter("membership", "member", key, body, self._book.typed(on), about)
        member = Member(reference, person, coverage, on, again)
        self._all.append(member)
        return member

    def _person(self, on: date) -> tuple[int, bool]:
        if self._gone and self._chance.random() < AGAIN:
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
        reason = self._chance.choice(NOTES) if self._chance.random() < 0.02 else self._chance.choice(LEAVING_REASONS)
        body = {"member_id": member.reference, "on": on.isoformat(), "reason": reason}
        key = f"{member.reference.removeprefix('@')}/leave"
        self._book.enter("membership", "leave", key, body, self._book.typed(on), [f"{self._name}/p{member.person}"])
        if not member.again:
            self._gone.append(member)

    def _too_many(self) -> None:
        """More members than workers: nobody took those off the list who had left with the old site."""
        for coverage in portion(
            [c for c in self._coverages if c.firm.ends is None and c.firm.reports and c.until is None], len(self._coverages), 0.004
        ):
            day = max(day for day, _ in coverage.firm.reports) + timedelta(days=1)
            members = sum(member.coverage is coverage and member.left_on is None for member in self._all)
            if members > 1 and day <= self._last:
                key = f"{coverage.firm.key}/headcount/{day}"
                body = {"enterprise_id": coverage.firm.id, "on": day.isoformat(), "workers": members // 2}
                report = self._book.enter("registry", "headcount", key, body, self._book.typed(day))
                self._findings.note("MEMBERS_OVER_WORKERS", coverage.firm.case, report, f"{members} > {members // 2}")

    # Going elsewhere

    def _transfers(self) -> None:
        """Members go where they found other work; those of a unit that grew out of a joint union go to its own; of a dissolved union, some."""
        staying: dict[int, list[Member]] = defaultdict(list)
        for member in self._all:
            if member.left_on is None and not member.again:
                staying[id(member.coverage)].append(member)
        for coverage in self._coverages:
            if coverage.until is not None:
                self._after_the_end(coverage, staying[id(coverage)])
        open_ = [c for c in self._coverages if c.firm.ends is None and c.until is None and not c.kept_quiet]
        free = [m for c in self._coverages if c.until is None and c.firm.ends is None for m in staying[id(c)] if not c.kept_quiet]
        for member in portion(self._chance.sample(free, len(free)), len(free), 0.012):
            on = between(self._chance, member.joined_on, self._last)
            goal = self._chance.choice(open_)
            if goal is not member.coverage and goal.since <= on:
                self._transfer(member, goal, on)

    def _after_the_end(self, coverage: Coverage, members: Sequence[Member]) -> None:
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
        self._book.enter("membership", "transfer", key, body, self._book.typed(on), goal.before_joining(on))

    # Mistakes

    def _mistakes(self) -> None:
        """Days that were misread, once or twice, and members and leavings that never were."""
        plain = [m for m in self._all if m.left_on is None and not m.again and not m.coverage.behind and m.coverage.firm.ends is None]
        deck = [m for m in self._chance.sample(plain, len(plain)) if m.joined_on > m.coverage.since]
        for member in portion(deck, len(self._all), 0.002):
            self._misread(member, 1)
        for member in portion(deck, len(self._all), 0.0004):
            day = member.joined_on
            first = self._misread(member, 1)
            again = self._correct(first, "joined/2", {"joined_on": day.isoformat()})
            self._findings.note("CORRECTED_TWICE", member.coverage.firm.case, again)
        for member in portion(deck, len(self._all), 0.0005):
            never = self._correct(self._misread(member, 1), "never", None)
            member.left_on = member.joined_on
            self._findings.note("WITHDRAWN", member.coverage.firm.case, never)
        for member in portion(deck, len(self._all), 0.001):
            never = self._correct(member.reference, "never", None)
            member.left_on = member.joined_on
            self._findings.note("WITHDRAWN", member.coverage.firm.case, never)

    def _misread(self, member: Member, number: int) -> str:
        day = between(self._chance, member.coverage.since, member.joined_on - timedelta(days=1))
        return self._correct(member.reference, f"joined/{number}", {"joined_on": day.isoformat()})

    def _remaining(self) -> None:
        """Leavings that never were, or were on another day: of persons of whom nothing else is told."""
        left = [m for m in self._gone if not m.again and m.left_on is not None and m.coverage.firm.ends is None]
        deck = self._chance.sample(left, len(left))
        for member in portion(deck, len(left), 0.01):
            leave = f"{member.reference}/leave"
            self._findings.note("WITHDRAWN", member.coverage.firm.case, self._correct(leave, "never", None))
        for member in portion(deck, len(left), 0.01):
            assert member.left_on is not None
            if member.left_on > member.joined_on:
                self._correct(f"{member.reference}/leave", "day", {"on": (member.left_on - timedelta(days=1)).isoformat()})

    def _correct(self, said: str, what: str, data: dict[str, object] | None) -> str:
        entered = self._book.entered_on(said) + timedelta(days=self._chance.randint(3, 90))
        return correct(self._book, self._chance, "membership", said.removeprefix("@"), said, what, data, entered)
