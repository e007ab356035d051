"""Answers by the steps of sets are those by the sets themselves: whatever is closed and kept, as of any day and as known at any day."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest

from services.metrics.dashboard.panels import enterprises
from services.metrics.explaining import changes, findings, ranking, waits
from services.metrics.explaining.changes import START, Share, Window
from services.metrics.explaining.contributors import Contribution, Contributors, Question
from services.metrics.explaining.measures import EXPLAINED, TIME_TO_FOUND
from services.metrics.explaining.ranking import Listing, Order
from services.metrics.explaining.sets import standing
from services.metrics.explaining.sets.known import sets_known
from services.metrics.figures.findings import Finding
from services.metrics.figures.kept import KeptResults, KeptSteps
from services.metrics.figures.questions import BY
from services.metrics.figures.scope import Scope, contribution_on
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import generation_store, set_store
from services.metrics.folding.facts import FactSet
from services.metrics.folding.steps import Steps
from services.metrics.generations.closed import stepping
from shared.contracts.registry import EnterpriseMoved
from tests import oracle
from tests.histories import PARKS, history, interleaved, refused
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

AREAS = (None, "C", "D1", *PARKS)
ORDERS: tuple[Order, ...] = ("workers", "days_waited", "contribution")


async def keep(metrics: Metrics, most: int = 1000) -> int:
    """Have the steps kept of `most` parks; returns of how many they were."""
    done = 0
    async with metrics.pool.acquire() as conn:
        while done < most and await stepping.keep(conn, 1, 1, 1) is not None:
            done += 1
    return done


async def differences(metrics: Metrics, parts: int = 6) -> list[Any]:
    async with metrics.pool.acquire() as conn, conn.transaction():
        await generation_store.see_areas(conn, "*")
        kept = await stepping.Kept.of(conn, 1)
        return [one for part in range(parts) async for one in kept.differences(conn, part, parts)]


async def listed(snapshot: Snapshot, question: Question, listing: Listing, limit: int) -> list[Contribution]:
    """All pages of a list, asked for one by one."""
    found, after, total = list[Contribution](), None, 0
    while True:
        page = await ranking.page(snapshot, question, listing, after, limit)
        found, after, total = [*found, *page.items], page.next, page.total
        if after is None:
            assert total == len(found)
            return found


async def answers(metrics: Metrics, asked: Sequence[Question], days: Sequence[tuple[date, date]]) -> list[object]:
    """What the questions come to."""
    found: list[object] = []
    for question in asked:
        async with metrics.snapshot() as snapshot:
            every = sorted(await Contributors(snapshot, question).all(), key=lambda one: one.subject)
            found.append(every)
            for order in ORDERS:
                found.append(await listed(snapshot, question, Listing(order), 1 + len(every) // 3))
    for as_of, known_at in days:
        async with metrics.snapshot() as snapshot:
            for park in PARKS:
                page, after = await enterprises.of_park(snapshot, park, as_of, known_at, None)
                found.append((page, after))
            for area in AREAS:
                scope = Scope.of(snapshot.areas.at(as_of, known_at), area, "park")
                found.append(sorted((await findings.noticed(snapshot, scope, as_of, known_at, grouped=True)).items()))
                for finding in Finding:
                    found.append(await findings.enterprises(snapshot, finding, scope, as_of, known_at))
                for by in (None, *BY):
                    answer = await waits.durations(snapshot, area=area, by=by, as_of=as_of, known_at=known_at)
                    found.append(
                        [(one.code, sorted(one.founded.items()), sorted(one.waiting.items())) for one in (*answer.rows, answer.total)]
                    )
    for (as_of, known_at), (_, known_from) in product(days, days):
        if known_from < known_at:
            async with metrics.snapshot() as snapshot:
                for area in (None, "D1", PARKS[0]):
                    found.append(await every_share(snapshot, Window(area, as_of, known_from, known_at, "members" if area else None)))
    return found


async def every_share(snapshot: Snapshot, window: Window) -> list[Share]:
    """All pages of the changes, whose shares add up to the difference of the two figures."""
    found, more = list[Share](), True
    while more:
        page, more = await changes.shares(snapshot, window, (found[-1].subject, found[-1].position) if found else START, 5)
        found += page
    if window.measure is None:
        before, after = await changes.totals(snapshot, window)
        assert sum(share.after - share.before for share in found) == after - before
        await assert_ends(snapshot, window, found)
    return found


async def assert_ends(snapshot: Snapshot, window: Window, found: Sequence[Share]) -> None:
    """The first share of an enterprise or union begins with what it added as known at the first day, the last one ends with that at the last day."""
    first = {share.subject: share.before for share in reversed(found)}
    last = {share.subject: share.after for share in found}
    states = await set_store.states_of(snapshot.conn, snapshot.generation, [*first])
    for known, wanted in ((window.known_from, first), (window.known_to, last)):
        sets = await sets_known(snapshot, states, known)
        assert {subject: contribution_on(facts, window.as_of, known)[1] for subject, facts in sets.items()} == wanted


def city(metrics: Metrics) -> None:
    metrics.area("C", None, level=True)
    metrics.area("D1", "C", level=True)
    for number, park in enumerate(PARKS):
        metrics.area(park, "D1" if number else "C")


@pytest.mark.invariant("I4")
@pytest.mark.parametrize("seed", [0, 1, pytest.param(2, marks=pytest.mark.endurance)])
async def test_answers_by_steps_are_those_by_states(metrics: Metrics, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random_ = random.Random(seed)
    city(metrics)
    await metrics.fold()
    events = oracle.counted(interleaved(history(seed, enterprises=14, length=20, mistakes=True), seed), refused)
    known = sorted({oracle.known_day(event) for event in events})
    for start in range(0, len(events), 9):
        await metrics.fold_batch(0, events[start : start + 9])
    assert await keep(metrics) == 0, "no day is closed"
    subjects = sorted({event.subject for event in events if event.subject.startswith("enterprise/")})
    used = 0
    monkeypatch.setattr(stepping, "IN_MEMORY", 5)
    monkeypatch.setattr(standing, "FEW_SETS", 0)
    for part in (2, 1):
        await metrics.close(known[-1 - len(known) * (part - 1) // 2])
        await keep(metrics, random_.choice((1, 2, 1000)))
        days = [(date(2023, 1, 1) + timedelta(days=random_.randint(0, 900)), random_.choice(known)) for _ in range(2)] + [
            (known[-1], known[-1])
        ]
        asked = [
            Question(
                measure,
                random_.choice(AREAS),
                by,
                random_.choice((*PARKS, "C", "D1", "small", "unknown")) if by else None,
                *random_.choice(days),
            )
            for measure in (*random_.sample(EXPLAINED, 4), "members", TIME_TO_FOUND)
            for by in (None, random_.choice(BY))
        ]
        with monkeypatch.context() as patched:
            told = await answers(metrics, asked, days)
            used += await metrics.pool.fetchval("SELECT count(*) FROM g1.steps")
            patched.setattr(KeptSteps, "get", lambda *_: None)
            patched.setattr(KeptResults, "get", lambda *_: None)
            assert await answers(metrics, asked, days) == told, "read from the database"
            patched.setattr(changes, "MOST_NOT_TOLD", -1)
            patched.setattr(set_store, "steps_kept", _none)
            assert await answers(metrics, asked, days) == told, "by states"
            patched.setattr(waits, "MOST_READ", -1)
            patched.setattr(findings, "MOST_READ", -1)
            assert await answers(metrics, asked, days) == told, "by the rows of durations, and by what is noted of states"
        assert await differences(metrics) == []
        # What becomes known later is read by state.
        metrics.known = max(metrics.known, max(event.time for event in events) + timedelta(days=1))
        moved = random_.choice(subjects)
        metrics._sequences["/services/registry", moved] = max(event.sequence for event in metrics.events + events if event.subject == moved)
        metrics.append(moved, EnterpriseMoved(park=random_.choice(PARKS), district="D"), known[-1].isoformat())
        await metrics.fold()
        known = sorted({*known, metrics.today})
    assert used


async def _none(*_: object) -> list[object]:
    return []


@pytest.mark.parametrize("change", ["DELETE", "other", "more"])
async def test_steps_that_are_not_those_of_the_sets_are_named_by_an_audit(metrics: Metrics, change: str) -> None:
    city(metrics)
    await metrics.fold()
    events = oracle.counted(interleaved(history(7, enterprises=6, length=12), 7), refused)
    await metrics.fold_batch(0, events)
    await metrics.close(max(oracle.known_day(event) for event in events))
    assert await keep(metrics) > 1
    assert await differences(metrics) == []
    rows = await metrics.pool.fetch("SELECT park, steps FROM g1.steps ORDER BY park")
    first = rows[0]
    sets = {row["subject"]: row["state"] for row in await metrics.pool.fetch("SELECT subject, state FROM g1.states")}
    steps = Steps.load(first["steps"])
    subjects = [one.decode() for one in steps.columns.subjects.tolist()]
    loaded = {subject: FactSet.load(sets[subject]) for subject in subjects}
    if change == "DELETE":
        del loaded[subjects[0]]
    elif change == "other":
        loaded[subjects[0]] = FactSet(newest=loaded[subjects[0]].newest)
    else:
        loaded["enterprise/00000000-0000-0000-0000-000000000000"] = loaded[subjects[0]]
        subjects.insert(0, "enterprise/00000000-0000-0000-0000-000000000000")
    await metrics.pool.execute("UPDATE g1.steps SET steps = $2 WHERE park = $1", first["park"], Steps.of(loaded).dump())
    (found,) = await differences(metrics)
    assert (found["table"], found["key"]) == ("steps", {"park": first["park"], "subject": subjects[0]})


@pytest.mark.parametrize("parts", [1, 2, 4, 7])
async def test_every_part_of_an_audit_compares_other_parks_until_all_are_compared(metrics: Metrics, parts: int) -> None:
    city(metrics)
    await metrics.fold()
    events = oracle.counted(interleaved(history(7, enterprises=12, length=12), 7), refused)
    await metrics.fold_batch(0, events)
    await metrics.close(max(oracle.known_day(event) for event in events))
    assert await keep(metrics) == len(PARKS)
    subject = "enterprise/00000000-0000-0000-0000-000000000000"
    await metrics.pool.execute("UPDATE g1.steps SET steps = $1", Steps.of({subject: FactSet()}).dump())
    found = [one["key"]["park"] for one in await differences(metrics, parts) if one["key"]["subject"] == subject]
    assert sorted(found) == sorted(PARKS)


async def test_only_sets_of_which_something_became_known_after_the_steps_of_their_park_are_left_out(metrics: Metrics) -> None:
    city(metrics)
    await metrics.fold()
    events = oracle.counted(interleaved(history(7, enterprises=12, length=12), 7), refused)
    await metrics.fold_batch(0, events)
    last = max(oracle.known_day(event) for event in events)
    await metrics.close(last)
    await keep(metrics)
    placed = {tuple(row) for row in await metrics.pool.fetch("SELECT park, subject FROM g1.placements")}
    newest = {row["subject"]: FactSet.load(row["state"]).newest for row in await metrics.pool.fetch("SELECT subject, state FROM g1.states")}
    earlier, later = PARKS[0], PARKS[1]
    day = date.fromordinal(sorted(newest[subject] for park, subject in placed if park == earlier)[0])
    await metrics.pool.execute("UPDATE g1.steps SET steps = $1", Steps.of({}).dump())
    await metrics.pool.execute("UPDATE g1.steps SET day = $2 WHERE park = $1", earlier, day)
    found = {(one["key"]["park"], one["key"]["subject"]) for one in await differences(metrics)}
    async with metrics.pool.acquire() as conn, conn.transaction():
        await generation_store.see_areas(conn, "*")
        known = {row["subject"] for row in await conn.fetch("SELECT subject FROM g1.recorded_facts WHERE known_day > $1", day)}
    assert known
    assert {subject for park, subject in found if park == earlier} == {
        subject for park, subject in placed if park == earlier and subject not in known
    }
    assert {subject for park, subject in found if park == later} == {subject for park, subject in placed if park == later}
