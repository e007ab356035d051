"""What the events of a batch change in the tables of a generation. Pure; shared by projector and refold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter
from uuid import UUID

from services.metrics.counted import Kept, counts, is_matter, park_of, place_of, says_of
from services.metrics.folding.changes import FactChange, StatedFact, stated_fact
from services.metrics.folding.columns.facts import PLACING, FactColumns
from services.metrics.folding.columns.members import MemberColumns
from services.metrics.folding.coverage import AttributeFact
from services.metrics.folding.events.effect import Effect, recorded_fact
from services.metrics.folding.events.member_events import AREA, MEMBER_TYPES, reason_of, runs_of, storable
from services.metrics.folding.events.recorded import RecordedFact
from services.metrics.tables.fact_runs import FactRun
from services.metrics.tables.store import AreaRow, FactRow, NameRow, UnionRow
from shared import contracts
from shared.contracts import Envelope, membership, registry
from shared.contracts.membership import UnionFounded
from shared.contracts.registry import EnterpriseRegistered
from shared.contracts.streams import EventWithdrawn
from shared.sequencing.records import Received, Run

ENTERPRISE, UNION = "enterprise/", "union/"


@dataclass(slots=True)
class BatchEffects:
    """What a batch changes: changes by subject, rows of `facts`, versions of areas, names by subject; `uncounted`: some of the facts change no
    figure. `stated` = new facts that came as columns, by subject, until `settle` makes them changes. `members` = {subject: {known day:
    {occurred day: net}}} of the events in `runs` and `columns`."""

    changes: defaultdict[str, list[FactChange]] = field(default_factory=lambda: defaultdict(list))
    stated: defaultdict[str, list[AttributeFact]] = field(default_factory=lambda: defaultdict(list))
    members: defaultdict[str, dict[int, dict[int, int]]] = field(default_factory=lambda: defaultdict(dict))
    facts: list[FactRow] = field(default_factory=list)
    runs: list[FactRun] = field(default_factory=list)
    columns: list[MemberColumns] = field(default_factory=list)
    fact_columns: list[FactColumns] = field(default_factory=list)
    areas: list[AreaRow] = field(default_factory=list)
    ended: list[tuple[str, int, date]] = field(default_factory=list)
    registrations: dict[str, EnterpriseRegistered] = field(default_factory=dict)
    foundings: dict[str, UnionFounded] = field(default_factory=dict)
    placements: set[tuple[str, str]] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    uncounted: bool = False

    @property
    def empty(self) -> bool:
        """Whether no event is to be kept."""
        return not (self.facts or self.runs or self.columns or self.fact_columns)

    def add(self, effect: Effect) -> None:
        """Add what one event changes; events of a subject in the order of their stream."""
        self.facts.append(effect.fact)
        self.uncounted |= effect.unseen
        subject = effect.fact.subject
        if effect.changes:
            self.changes[subject] += effect.changes
        if effect.places:
            self.placements.update((place, subject) for place in effect.places)
        if effect.moved:
            self.moved.add(subject)
        if effect.registration is not None:
            self.registrations[subject] = effect.registration
        if effect.founding is not None:
            self.foundings[subject] = effect.founding
        for rank in effect.ends:
            self._end(subject.removeprefix(AREA), rank, effect.fact.known_day)
        if effect.area is not None:
            self.areas.append(effect.area)

    def add_fact(self, shard: int, record: Received, data: contracts.Event, known: date) -> None:
        """Add a fact about an enterprise or a union whose texts hold no U+0000: what `effect_of` and `add` do of it, for a third of the time.

        Raises RefusedFact.
        """
        assert record.type is not None, "it can be decoded"
        assert record.event_id is not None, "it can be decoded"
        assert record.occurred is not None, "it can be decoded"
        assert record.time is not None, "it can be decoded"
        (source, subject), type_ = record.stream, record.type
        stated = stated_fact(type_, record.occurred.toordinal(), record.sequence, data)
        kept = stated.kept
        says = says_of(kept) or None
        row = FactRow(
            shard, subject, source, record.sequence, record.event_id, type_, record.occurred, known, record.time, says,
            storable(record.actor), reason_of(data),
        )  # fmt: skip
        self.facts.append(row)
        if not counts(kept):
            self.uncounted = True
            return
        self.uncounted |= is_matter(kept)
        self.changes[subject].append(FactChange(known.toordinal(), None, stated))
        self._place(subject, kept, data)

    def _place(self, subject: str, kept: Kept, data: contracts.Event | None) -> None:
        """Add where a fact says that an enterprise or a union is, and its name."""
        if place := place_of(kept):
            self.placements.add((place, subject))
            if type(data) is EnterpriseRegistered:
                self.registrations[subject] = data
            elif type(data) is UnionFounded:
                self.foundings[subject] = data
            if park_of(kept) is not None:
                self.moved.add(subject)

    def add_attributes(self, facts: FactColumns, rows: Iterable[int]) -> None:
        """As `add_stated`, to `stated`: of streams of which nothing comes as objects."""
        stated, subjects, kept = self.stated, facts.subjects, facts.kept
        for at in rows:
            stated[subjects[at]].append(facts.attribute(at))
            if type(kept[at]) in PLACING:
                self._place(subjects[at], kept[at], facts.data[at])

    def settle(self, subjects: Iterable[str]) -> None:
        """Make the new facts of some subjects in `stated` changes, before the others of each."""
        for subject in subjects:
            stated = [
                FactChange(one.known, None, StatedFact(one.kind, one.occurred, one.rank, one.content)) for one in self.stated.pop(subject)
            ]
            self.changes[subject][:0] = stated

    def add_stated(self, facts: FactColumns, rows: Iterable[int]) -> None:
        """Add what some facts change that come as columns, in the order of their streams; `fact_columns` has their rows of `facts`."""
        for at in rows:
            subject = facts.subjects[at]
            self.changes[subject].append(FactChange(facts.known[at], None, facts.stated(at)))
            self._place(subject, facts.kept[at], facts.data[at])

    def add_members(self, shard: int, records: Run, known_of: Callable[[datetime], date]) -> None:
        """Add events of one stream that change members alone (`of_members`), in its order."""
        source, subject = records[0].stream
        counted = self.members[subject]
        for (type_, known, actor, reason), same in runs_of(records, known_of):
            occurred = [record.occurred.toordinal() for record in same if record.occurred is not None]
            counts, each = counted.setdefault(known.toordinal(), {}), MEMBER_TYPES[type_]
            for day in occurred:
                counts[day] = counts.get(day, 0) + each
            sequences, times = [record.sequence for record in same], [record.time for record in same if record.time is not None]
            event_ids = [record.event_id for record in same if record.event_id is not None]
            self.runs.append(FactRun(shard, subject, source, type_, known, storable(actor), reason, sequences, event_ids, occurred, times))

    def first_stays(self, new: Container[str]) -> dict[str, str]:
        """{subject: park} of those of `new`, of which nothing is stored, that have one fact about a place in all, and that one in columns.

        Such a subject has one stay, without beginning or end; the trigger on `fact_rows` would write the same.
        """
        found = dict[str, str | None]()
        for facts in self.fact_columns:
            for subject, place in facts.placing():
                own = facts.source == (membership if subject.startswith(UNION) else registry).SOURCE
                found[subject] = place if own and subject in new and subject not in found else None
        with_objects = {row.subject for row in self.facts}
        return {subject: place for subject, place in found.items() if place is not None and subject not in with_objects}

    def add_columns(self, columns: MemberColumns) -> None:
        """Add events of many streams that change members alone; `count_columns` counts them."""
        self.columns.append(columns)

    def count_columns(self, but: Container[str] = ()) -> None:
        """Count the members of `columns`, of all subjects `but` some."""
        for columns in self.columns:
            for subject, known, added in columns.counts(but):
                by_known = self.members[subject]
                if known not in by_known:
                    by_known[known] = added
                    continue
                before = by_known[known]
                for day, net in added.items():
                    before[day] = before.get(day, 0) + net

    def clear_facts(self) -> None:
        """Forget the facts and their changes, which the caller has dealt with."""
        self.facts.clear()
        self.runs.clear()
        self.columns.clear()
        self.fact_columns.clear()
        self.changes.clear()
        self.members.clear()

    def named(self, event: Envelope, withdrawal: EventWithdrawn) -> list[tuple[int, RecordedFact]]:
        """The events of this batch that a withdrawal names, by sequence: what is kept of a withdrawal lists them in that order."""
        stream = (event.source, event.subject)
        in_columns = (row for one in self.fact_columns for row in one.rows())
        single = [row for row in (*self.facts, *in_columns) if (row.source, row.subject) == stream]
        runs = [run for run in self.runs if (run.source, run.subject) == stream]
        runs += [run for columns in self.columns for run in columns.of_stream(*stream)]
        in_runs = [row for run in runs for row in run.rows()]
        rows = sorted((*single, *in_runs), key=attrgetter("sequence"))
        return [(row.sequence, recorded_fact(row)) for row in rows if withdrawal.first <= row.sequence <= withdrawal.last]

    def name_rows(self, moved: Iterable[str], park_of: Callable[[str], str | None]) -> list[NameRow]:
        """The rows of `enterprises` of some subjects in `moved`. `park_of`: of a subject by its facts after the batch (`facts.last_park`)."""
        registrations, found = self.registrations, []
        for subject in sorted(moved):
            registration = registrations.get(subject)
            name, code = (None, None) if registration is None else (registration.name, registration.credit_code)
            found.append(NameRow(subject.removeprefix(ENTERPRISE), name, code, park_of(subject)))
        return found

    def union_rows(self) -> list[UnionRow]:
        """The rows of `unions` that the batch changes."""
        return [UnionRow(_id_of(subject), storable(data.name), data.seat_area) for subject, data in sorted(self.foundings.items())]

    def _end(self, code: str, rank: int, known: date) -> None:
        ending = [row for row in self.areas if row.code == code and row.rank == rank and row.known_until is None]
        for row in ending:
            row.known_until = known
        if not ending:
            self.ended.append((code, rank, known))


def _id_of(subject: str) -> UUID:
    return UUID(subject.partition("/")[2])
