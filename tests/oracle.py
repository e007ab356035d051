"""The slow oracle: coverage by the letter of docs/design/DOMAIN.md and the ledger by the definition of docs/design/ENGINE.md.

It asks every day of every fact anew, keeps no state, shares no code with `services.metrics` and is written differently on purpose:
facts are plain dicts in a dict by rank, days are dates, and nothing is computed incrementally.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.contracts import Envelope, plain
from shared.contracts.streams import EventWithdrawn

ZONE = ZoneInfo("Asia/Shanghai")
OWN = {"enterprise_union"}
JOINT = {"joint_union", "park_union"}
FEDERATION = {"regional_federation", "industry_federation", "grassroots_federation"}

Cell = tuple[str | None, str | None, str | None, str | None]
NOWHERE: Cell = (None, None, None, None)
Facts = dict[tuple[str, int], tuple[str, date, dict[str, Any]]]


def known_day(event: Envelope) -> date:
    """The date in the deployment's zone on which the platform learned the fact."""
    return event.time.astimezone(ZONE).date()


def facts_known(events: Iterable[Envelope], known: date) -> Facts:
    """{(source, rank): (kind, occurred_on, data)} of one subject, as known at the end of `known`; corrections and withdrawals carried out in order.

    What never counted must not be among the events (`counted`): of the others, what a withdrawal names is gone from its known day on.
    """
    facts: Facts = {}
    for event in sorted(events, key=lambda e: (e.source, e.sequence)):
        if known_day(event) > known:
            continue
        data = plain(event.data)
        kind = event.type.removeprefix("parkunion.").removesuffix(".v1")
        if isinstance(event.data, EventWithdrawn):
            for sequence in range(event.data.first, event.data.last + 1):
                facts.pop((event.source, sequence), None)
            continue
        if kind != "fact-corrected":
            facts[event.source, event.sequence] = (kind, event.occurredon, data)
            continue
        place = (event.source, data["rank"])
        facts.pop(place, None)
        if (new := data.get("replacement")) is not None:
            fact = data["fact"].removeprefix("parkunion.").removesuffix(".v1")
            facts[place] = (fact, date.fromisoformat(new["occurred_on"]), new["data"])
    return facts


def counted(arrived: Iterable[Envelope], refused: Callable[[Envelope], bool]) -> list[Envelope]:
    """What takes effect of events that arrive in this order, in the order in which it does: each stream's from 1 on, up to a refused one.

    A withdrawal sets free what has not taken effect by its arrival; an event that it names then is never heard of again.
    """
    done: list[Envelope] = []
    there: dict[tuple[str, str], dict[int, Envelope]] = defaultdict(dict)
    at: Counter[tuple[str, str]] = Counter()
    never: set[tuple[str, str, int]] = set()
    for event in arrived:
        stream = (event.source, event.subject)
        if (*stream, event.sequence) in never:
            continue
        there[stream][event.sequence] = event
        if isinstance(event.data, EventWithdrawn):
            never |= {(*stream, n) for n in range(event.data.first, event.data.last + 1) if n > at[stream]}
        while True:
            following = at[stream] + 1
            if (*stream, following) not in never:
                if following not in there[stream] or refused(there[stream][following]):
                    break
                done.append(there[stream][following])
            at[stream] = following
    return done


def a_year_after(day: date) -> date:
    """The same date twelve months later; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return date(day.year + 1, 2, 28)


def contribution(facts: Facts, t: date) -> tuple[Cell, Counter[str]] | None:
    """What one enterprise (or union) adds to the figures on business day `t`: its cell and its measures, zeros left out."""
    past = sorted(((on, rank, kind, data) for (_, rank), (kind, on, data) in facts.items() if on <= t), key=lambda f: f[:2])
    founded = [data for _, _, kind, data in past if kind == "union-founded"]
    if founded:
        alive = not any(kind == "union-dissolved" for _, _, kind, _ in past)
        return ((founded[-1]["seat_area"], None, None, None), Counter(unions=1)) if alive else None
    settled = [data for _, _, kind, data in past if kind == "enterprise-registered"]
    if not settled or any(kind == "enterprise-closed" for _, _, kind, _ in past):
        return None

    def last(kinds: set[str], field: str, says_nothing_when_none: bool = True) -> Any:
        values = [data.get(field) for _, _, kind, data in past if kind in kinds]
        if says_nothing_when_none:
            values = [value for value in values if value is not None]
        return values[-1] if values else None

    cell: Cell = (
        last({"enterprise-registered", "enterprise-moved"}, "park"),
        last({"enterprise-registered", "enterprise-reclassified"}, "industry"),
        last({"headcount-reported", "enterprise-reclassified"}, "size", says_nothing_when_none=False),
        last({"enterprise-registered", "enterprise-reclassified"}, "ownership"),
    )
    edges: dict[str, tuple[str, str]] = {}
    members = 0
    headcount: tuple[date, int] | None = None
    for on, _, kind, data in past:
        if kind in {"coverage-started", "coverage-ended"}:
            edges[data["union_id"]] = (kind, data["kind"])
        elif kind == "member-joined":
            members += 1
        elif kind == "member-left":
            members -= 1
        elif kind == "headcount-reported":
            headcount = (on, data["workers"])
    kinds = {union_kind for state, union_kind in edges.values() if state == "coverage-started"}
    covered = bool(kinds)

    measures: Counter[str] = Counter(units=1, members=members)
    measures["covered_units"] = int(covered)
    measures["members_unionised"] = members if covered else 0
    measures["second_covered"] = int(bool(kinds & FEDERATION) and bool(kinds & (OWN | JOINT)))
    if headcount is None:
        measures["members_headcount_unknown"] = members
    else:
        reported_on, workers = headcount
        measures["units_headcount_known"] = 1
        measures["units_headcount_stale"] = int(t > a_year_after(reported_on))
        measures["workers"] = workers
        measures["workers_unionised"] = workers if covered else 0
        measures["should_organise_all"] = int(workers >= 1)
        measures["should_organise_ge25"] = int(workers >= 25)
        measures["covered_all"] = int(workers >= 1 and covered)
        measures["covered_ge25"] = int(workers >= 25 and covered)
        if workers >= 1 and covered:
            split = "own" if kinds & OWN else "joint" if kinds & JOINT else "federation"
            measures[f"covered_all_{split}"] = 1
    return cell, Counter({name: value for name, value in measures.items() if value})


def by_subject(events: Iterable[Envelope]) -> dict[str, list[Envelope]]:
    """The events of enterprises and unions, by subject; areas are not folded."""
    subjects: dict[str, list[Envelope]] = defaultdict(list)
    for event in events:
        if event.subject.startswith(("enterprise/", "union/")):
            subjects[event.subject].append(event)
    return subjects


def coverage_by_cell(events: Iterable[Envelope], as_of: date, known_at: date) -> dict[Cell, Counter[str]]:
    """{cell: measures} as of a business day, as known at the end of a day."""
    cells: dict[Cell, Counter[str]] = defaultdict(Counter)
    for own in by_subject(events).values():
        found = contribution(facts_known(own, known_at), as_of)
        if found:
            cells[found[0]].update(found[1])
    return {cell: Counter({name: n for name, n in measures.items() if n}) for cell, measures in cells.items() if any(measures.values())}


def _days_of_change(facts: Facts) -> set[date]:
    days = {on for _, on, _ in facts.values()}
    stale = {a_year_after(on) + timedelta(days=1) for kind, on, _ in facts.values() if kind == "headcount-reported"}
    return days | stale


def ledger(events: Iterable[Envelope]) -> dict[tuple[Cell, date, date], Counter[str]]:
    """The ledger by definition: for each known day k the steps in t of C(F_k) − C(F_k−), {(cell, effective_day, known_day): deltas}."""
    rows: dict[tuple[Cell, date, date], Counter[str]] = defaultdict(Counter)
    for own in by_subject(events).values():
        before: Facts = {}
        for k in sorted({known_day(event) for event in own}):
            after = facts_known(own, k)
            _add_steps(rows, k, before, after)
            before = after
    return {key: Counter({n: v for n, v in row.items() if v}) for key, row in rows.items() if any(row.values())}


def _add_steps(rows: dict[tuple[Cell, date, date], Counter[str]], k: date, before: Facts, after: Facts) -> None:
    yesterday: dict[tuple[Cell, str], int] = {}
    for t in sorted(_days_of_change(before) | _days_of_change(after)):
        today: dict[tuple[Cell, str], int] = defaultdict(int)
        for facts, sign in ((after, 1), (before, -1)):
            cell, measures = contribution(facts, t) or (NOWHERE, Counter())
            for name, value in measures.items():
                today[cell, name] += sign * value
        for cell, name in yesterday.keys() | today.keys():
            step = today.get((cell, name), 0) - yesterday.get((cell, name), 0)
            if step:
                rows[cell, t, k][name] += step
        yesterday = dict(today)


Duration = tuple[Cell, str, int]
"""(cell, "founded", days) or (cell, "waiting", the start day as days since 1970-01-01)"""


def durations_by_day(facts: Facts) -> dict[date, Duration]:
    """{each day on which something may change: the enterprise's duration that day}, by the definition of time_to_found."""
    days = sorted(_days_of_change(facts))
    counted = {day: what for day in days if (what := contribution(facts, day)) is not None}
    eligible = [day for day, (_, measures) in counted.items() if measures["should_organise_all"]]
    with_union = [day for day, (_, measures) in counted.items() if measures["covered_units"]]
    found: dict[date, Duration] = {}
    for day, (cell, _) in counted.items():
        start = min((d for d in eligible if d <= day), default=None)
        approved = min((d for d in with_union if d <= day), default=None)
        if start is None:
            continue
        if approved is None:
            found[day] = (cell, "waiting", (start - date(1970, 1, 1)).days)
        else:
            found[day] = (cell, "founded", 0 if approved < start else (approved - start).days)
    return found


def durations(events: Iterable[Envelope]) -> dict[tuple[Cell, date, date, str, int], int]:
    """The rows of `durations` by definition: {(cell, effective_day, known_day, kind, value): count}, the steps in t of D(F_k) − D(F_k−)."""
    rows: Counter[tuple[Cell, date, date, str, int]] = Counter()
    for own in by_subject(events).values():
        before: dict[date, Duration] = {}
        known_before: Facts = {}
        for k in sorted({known_day(event) for event in own}):
            known_after = facts_known(own, k)
            after = durations_by_day(known_after)
            days = sorted(_days_of_change(known_before) | _days_of_change(known_after))
            for sign, found, facts in ((1, after, known_after), (-1, before, known_before)):
                last = None
                for day in days:
                    # On a day on which nothing may change in this set, it is as it was.
                    now = found.get(day) if day in _days_of_change(facts) else last
                    if now != last and last is not None:
                        rows[last[0], day, k, last[1], last[2]] -= sign
                    if now != last and now is not None:
                        rows[now[0], day, k, now[1], now[2]] += sign
                    last = now
            before, known_before = after, known_after
    return {key: count for key, count in rows.items() if count}


def waits(events: Iterable[Envelope], as_of: date, known_at: date) -> list[tuple[Cell, str, int]]:
    """Every enterprise's wait as of a business day, as known at the end of a day: (cell, kind, days)."""
    found = list[tuple[Cell, str, int]]()
    for own in by_subject(events).values():
        by_day = durations_by_day(facts := facts_known(own, known_at))
        last = max((day for day in _days_of_change(facts) if day <= as_of), default=None)
        if last is not None and (wait := by_day.get(last)) is not None:
            cell, kind, value = wait
            found.append((cell, kind, value if kind == "founded" else (as_of - date(1970, 1, 1)).days - value))
    return found
