"""The slow oracle of the tallies: what cases, agreements and aid come to on a day, by the letter of docs/design/DOMAIN.md.

It asks every day of every fact anew and shares no code with `services.metrics`; facts are those of `oracle.facts_known`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from shared.contracts import Envelope
from tests import oracle
from tests.oracle import Cell, Facts

SOURCE = "/services/cases"
Tally = tuple[Cell, str, str, int]
"""(cell, name, code, value)"""
EPOCH = date(1970, 1, 1)


def twelve_months_before(t: date) -> date:
    """The same date a year before; of 29 February, 28 February."""
    try:
        return t.replace(year=t.year - 1)
    except ValueError:
        return date(t.year - 1, 2, 28)


class _Subject:
    """The facts of one subject as known at a day."""

    def __init__(self, facts: Facts) -> None:
        self.all = facts
        own = [(on, rank, kind, data) for (source, rank), (kind, on, data) in facts.items() if source == SOURCE]
        self.own = sorted(own, key=lambda fact: fact[:2])
        self.days = sorted({on for _, on, _ in facts.values()} | {on + timedelta(days=1) for _, on, _ in facts.values()})

    def unit(self, t: date) -> tuple[Cell, Counter[str]] | None:
        return oracle.contribution({key: fact for key, fact in self.all.items() if key[0] != SOURCE}, t)

    def place(self, t: date) -> Cell | None:
        """Where a case counts: where the unit is, or was last, or will be first."""
        if found := self.unit(t):
            return found[0]
        before = [day for day in self.days if day <= t and self.unit(day)]
        if before:
            last, found = t, None
            while found is None:
                last -= timedelta(days=1)
                found = self.unit(last)
            return found[0]
        after = next((day for day in self.days if self.unit(day)), None)
        found = self.unit(after) if after else None
        return found[0] if found else None


def on_day(facts: Facts, t: date) -> Counter[Tally]:
    """Everything that one subject adds on business day `t`; events since the beginning of time."""
    subject, found = _Subject(facts), Counter[Tally]()
    cases: dict[str, list[tuple[date, int, str, dict[str, Any]]]] = defaultdict(list)
    contracts: dict[str, list[tuple[date, int, str, dict[str, Any]]]] = defaultdict(list)
    for fact in subject.own:
        kind, data = fact[2], fact[3]
        if kind.startswith("case-"):
            cases[data["case_id"]].append(fact)
        elif kind == "clock-overdue" and data["noun"] == "case":
            cases[data["id"]].append(fact)
        elif kind.startswith("contract-"):
            contracts[data["contract_id"]].append(fact)
    for own in cases.values():
        _case(subject, own, t, found)
    _unit(subject, contracts.values(), t, found)
    _aid(subject, t, found)
    return Counter({key: count for key, count in found.items() if count})


def _event(subject: _Subject, day: date, t: date, name: str, code: str, found: Counter[Tally]) -> None:
    place = subject.place(day)
    if day <= t and place:
        found[place, name, code, 0] += 1


def _case(subject: _Subject, facts: list[tuple[date, int, str, dict[str, Any]]], t: date, found: Counter[Tally]) -> None:
    opened = [data for _, _, kind, data in facts if kind == "case-opened"]
    case_kind = opened[-1]["kind"] if opened else ""
    for on, _, kind, data in facts:
        if kind == "case-progressed" and data["step"] in {"mediation_settled", "mediation_failed"}:
            _event(subject, on, t, data["step"], case_kind, found)
    _letters(subject, facts, t, found)
    if not opened:
        return
    case, reported = opened[-1], date.fromisoformat(opened[-1]["reported_on"])
    unit, place = subject.unit(reported), subject.place(t)
    _event(subject, reported, t, "case_opened", case_kind, found)
    if unit and unit[1]["covered_units"]:
        _event(subject, reported, t, "case_opened_covered", case_kind, found)
    for flag, name in (("collective", "case_opened_collective"), ("collective_proxy", "case_opened_proxy")):
        if case.get(flag):
            _event(subject, reported, t, name, case_kind, found)
    if reported > t or place is None:
        return
    turns = [(max(on, reported), kind) for on, _, kind, _ in facts if kind in {"case-closed", "case-reopened"}]
    past = [turn for turn in turns if turn[0] <= t]
    if past and past[-1][1] == "case-closed":
        back = len(past) - 1
        while back and past[back - 1][1] == "case-closed":
            back -= 1
        found[place, "case_closed", case_kind, (past[back][0] - reported).days] += 1
        return
    found[place, "case_open", case_kind, (reported - EPOCH).days] += 1
    if case.get("collective"):
        found[place, "case_open_collective", case_kind, 0] += 1
    if case.get("collective_proxy"):
        found[place, "case_open_proxy", case_kind, 0] += 1
    if any(on <= t for on, _, kind, _ in facts if kind == "clock-overdue"):
        found[place, "case_overdue", case_kind, 0] += 1


def _letters(subject: _Subject, facts: list[tuple[date, int, str, dict[str, Any]]], t: date, found: Counter[Tally]) -> None:
    letters = [
        (on, rank, data) for on, rank, kind, data in facts if kind == "case-progressed" and data["step"] == "supervision_letter_sent"
    ]
    answers: dict[int, date] = {}
    for on, _, kind, data in facts:
        if kind != "case-progressed" or data["step"] != "replied":
            continue
        named = [rank for _, rank, _ in letters if rank == data.get("letter")]
        waiting = [rank for sent, rank, _ in letters if rank not in answers and sent <= on]
        for rank in (named or waiting)[:1]:
            answers.setdefault(rank, on)
    for _, rank, data in letters:
        said = [
            fact["due_on"]
            for _, _, kind, fact in facts
            if kind == "clock-overdue" and fact["clock"] == "supervision_reply" and (fact.get("begun_by") or letters[0][1]) == rank
        ]
        due, answer = date.fromisoformat(said[-1]) if said else None, answers.get(rank)
        if answer and (due is None or answer <= due):
            _event(subject, answer, t, "letter_in_time", data.get("document") or "", found)
        elif due:
            _event(subject, due + timedelta(days=1), t, "letter_late", data.get("document") or "", found)


def _unit(subject: _Subject, contracts: Iterable[list[tuple[date, int, str, dict[str, Any]]]], t: date, found: Counter[Tally]) -> None:
    unit = subject.unit(t)
    if unit is None or "units" not in unit[1]:
        return
    kinds = set()
    for own in contracts:
        over = [on for on, _, kind, _ in own if kind in {"contract-terminated", "contract-expired"}]
        for on, _, kind, data in own:
            if kind == "contract-effective" and on <= t <= date.fromisoformat(data["until"]) and not any(day <= t for day in over):
                kinds.add(data["kind"])
    for code in ({"", *kinds}) if kinds else ():
        found[unit[0], "contract", code, 0] += 1
        found[unit[0], "contract_workers", code, 0] += unit[1]["workers"]
    since = twelve_months_before(t)
    recent = [(kind, data) for on, _, kind, data in subject.own if since < on <= t]
    results = {
        data.get("result")
        for kind, data in recent
        if kind == "negotiation-progressed" and (data["kind"], data["step"]) == ("wage", "result")
    }
    if "wage" in kinds or results & {"agreed", "coordinated", "failed"}:
        found[unit[0], "wage_negotiation", "", 0] += 1
    if any(kind == "congress-held" for kind, _ in recent):
        found[unit[0], "congress", "", 0] += 1
    for on, _, kind, data in subject.own:
        until = data.get("valid_until")
        if kind == "assessment-made" and data["assessed"] == "enterprise" and on <= t and (until is None or t.isoformat() <= until):
            found[unit[0], "harmonious", "", 0] = 1


def _aid(subject: _Subject, t: date, found: Counter[Tally]) -> None:
    past = [(kind, data) for on, _, kind, data in subject.own if on <= t]
    files = [(kind, data) for kind, data in past if kind in {"hardship-classified", "hardship-ended"}]
    if files and files[-1][0] == "hardship-classified" and files[-1][1]["classification"] != "none":
        found[(files[-1][1]["area"], None, None, None), "hardship", files[-1][1]["classification"], 0] += 1
    for kind, data in past:
        cell = (data.get("area"), None, None, None)
        if kind == "aid-paid":
            found[cell, "aid_payment", data["fund"], 0] += 1
            found[cell, "aid_fen", data["fund"], 0] += data["amount_fen"]
        elif kind == "employment-helped":
            found[cell, "help", data["kind"], 0] += 1


def by_subject(events: Iterable[Envelope]) -> dict[str, list[Envelope]]:
    """The events of every subject that has tallies."""
    subjects: dict[str, list[Envelope]] = defaultdict(list)
    for event in events:
        if event.subject.startswith(("enterprise/", "hardship/", "help/")):
            subjects[event.subject].append(event)
    return subjects


def tallies(events: Iterable[Envelope], t: date, k: date) -> Counter[Tally]:
    """The sums of all rows as of `t`, as known at `k`."""
    found = Counter[Tally]()
    for own in by_subject(events).values():
        found.update(on_day(oracle.facts_known(own, k), t))
    return Counter({key: count for key, count in found.items() if count})
