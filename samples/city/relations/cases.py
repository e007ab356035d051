"""Rights cases of the firms: reported, taken further step by step, closed; some are late, some wait, some were typed in wrongly."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from samples.city.command_log import CommandLog, between
from samples.city.firms import Firm
from samples.city.registry import correct

PER_FIRM = 0.2
FEWEST = 40
"""Cases of a city at least, so that every kind, step and outcome occurs."""
RECENT = 0.4
"""Share of the cases that were reported in the last RECENT_DAYS: their clocks run, or have just passed."""
RECENT_DAYS = 150
HANDLERS = 6
COLLECTIVE = 10
"""Workers from which on a case with a common claim is collective."""
KINDS = (
    *("wage_arrears", "labour_dispute", "social_insurance_arrears", "labour_dispute", "wage_arrears", "pay_cut", "labour_dispute"),
    *("safety_hazard", "wage_arrears", "labour_dispute", "safety_accident", "labour_dispute", "social_insurance_arrears", "other"),
)
"""In turn."""
SUBKINDS = (
    *("pay", "compensation", "contract", "injury", "dismissal", "working_time", "relation", "welfare", "collective_contract"),
    *("work_stoppage", "other"),
)
CHANNELS = ("visit", "hotline", "letter", "online", "organiser", "union", "department", "inspection", "media", "other")
MONEY = frozenset({"wage_arrears", "pay_cut", "social_insurance_arrears"})


class Stage(NamedTuple):
    """A step of a course: taken so many days after the one before, from `least` to `most`."""

    step: str
    least: int
    most: int
    said: Mapping[str, Any] = {}


class Course(NamedTuple):
    """How a case goes: its steps in order, and the outcome some days after the last one."""

    stages: Sequence[Stage]
    outcome: str


LETTER = {"document": "reminder", "addressee": "employer"}
OPINION = {"document": "opinion", "addressee": "employer"}
SUGGESTION = {"document": "suggestion", "addressee": "authority"}
AWARD = (Stage("arbitration_applied", 3, 30), Stage("accepted", 1, 9), Stage("served", 1, 8))
SERVED = (Stage("award_served", 1, 6, {"party": "worker"}), Stage("award_served", 0, 4, {"party": "employer"}))
COURSES: Mapping[str, Sequence[Course]] = {
    "dispute": (
        Course((Stage("mediation_applied", 1, 12), Stage("mediation_accepted", 1, 4), Stage("mediation_settled", 3, 20)), "mediated"),
        Course((*AWARD, Stage("defence_filed", 4, 14), Stage("awarded", 15, 50), *SERVED), "awarded"),
        Course((Stage("mediation_applied", 1, 12), Stage("mediation_failed", 5, 25), *AWARD, Stage("awarded", 20, 70), *SERVED), "awarded"),
        Course((*AWARD, Stage("extended", 20, 35, {"days": 15}), Stage("awarded", 8, 30, {"final": True}), *SERVED), "awarded"),
        Course(
            (
                *(*AWARD, Stage("suspended", 3, 15, {"clock": "arbitration_award", "ground": "injury_finding"})),
                *(Stage("resumed", 20, 60, {"clock": "arbitration_award", "ground": "ground_ended"}), Stage("awarded", 10, 40)),
            ),
            "rejected",
        ),
        Course((*AWARD, Stage("award_restarted", 5, 20, {"ground": "added_claim"}), Stage("awarded", 20, 50)), "withdrawn"),
        Course(
            (*AWARD, Stage("awarded", 20, 50), SERVED[0], Stage("suit_filed", 2, 14, {"party": "worker"}), Stage("judged", 60, 150)),
            "judged",
        ),
        Course((*AWARD, Stage("notice_began", 2, 10), Stage("notice_ended", 30, 30), Stage("awarded", 10, 30)), "awarded"),
        Course((Stage("arbitration_applied", 3, 30), Stage("materials_completed", 2, 9), Stage("accepted", 1, 5)), "settled"),
        Course((Stage("interrupted", 20, 90, {"ground": "claim"}),), "unresolved"),
    ),
    "money": (
        Course((Stage("inspection_complained", 1, 20), Stage("inspection_filed", 1, 7), Stage("inspection_decided", 20, 75)), "paid"),
        Course((Stage("supervision_letter_sent", 1, 10, LETTER), Stage("replied", 5, 30)), "corrected"),
        Course(
            (
                *(
                    Stage("inspection_complained", 1, 20),
                    Stage("inspection_filed", 1, 6),
                    Stage("inspection_extended", 20, 40, {"days": 30}),
                ),
                Stage("inspection_decided", 20, 60),
            ),
            "partly_resolved",
        ),
        Course((Stage("employment_ended", 5, 40), *AWARD, Stage("awarded", 20, 60), *SERVED), "paid"),
        Course((Stage("mediation_applied", 1, 8), Stage("mediation_accepted", 0, 3), Stage("mediation_settled", 2, 14)), "mediated"),
        Course((Stage("supervision_letter_sent", 2, 12, SUGGESTION),), "referred"),
    ),
    "safety": (
        Course((Stage("supervision_letter_sent", 0, 5, OPINION), Stage("replied", 3, 25), Stage("called_back", 10, 40)), "corrected"),
        Course((Stage("inspection_complained", 0, 3), Stage("inspection_filed", 1, 6), Stage("inspection_decided", 10, 70)), "resolved"),
        Course((), "other"),
    ),
}


class Cases:
    """Generates the commands of cases. Some that have ended are opened again; of some the end was typed in by mistake, and is taken back."""

    def __init__(self, log: CommandLog, firms: Sequence[Firm]) -> None:
        self._log = log
        self._first, self._last = log.scenario.first_day, log.scenario.last_day
        self._rng = log.scenario.rng("cases")
        self._firms = firms
        self._turn: dict[str, int] = {}
        self._ended = 0

    def generate(self) -> None:
        """Enter all commands."""
        for number in range(1, max(FEWEST, round(len(self._firms) * PER_FIRM)) + 1):
            firm = self._rng.choice(self._firms)
            recent = self._rng.random() < RECENT
            on = between(self._rng, max(self._first, self._last - timedelta(days=RECENT_DAYS)) if recent else self._first, self._last)
            if firm.operates(on, on):
                self._case(number, firm, on)

    def _case(self, number: int, firm: Firm, on: date) -> None:
        key = f"{self._log.scenario.name}/case/{number}"
        kind = KINDS[number % len(KINDS)]
        reported = min(self._last, on + timedelta(days=int(self._rng.expovariate(1 / 8))))
        body = self._body(number, firm, kind, on, reported)
        entered = min(self._last, reported + timedelta(days=self._rng.randint(0, 4)))
        case = self._log.enter("cases", "case", key, body, entered)
        last = self._steps(key, case, self._course(kind), reported)
        if number % 12 == 0:
            said = {"case_id": case, "assigned_to": handler(self._rng), "on": reported.isoformat()}
            self._on_case("case_assignment", f"{key}/assigned", case, said, reported)
        if last is not None:
            self._end(key, case, kind, body, last)
        elif number % 9 == 0:
            self._correct(key, case, {"workers_concerned": body.get("workers_concerned", 0) + 1})

    def _body(self, number: int, firm: Firm, kind: str, on: date, reported: date) -> dict[str, Any]:
        body: dict[str, Any] = {
            "kind": kind,
            "enterprise_id": firm.id,
            "occurred_on": on.isoformat(),
            "reported_on": reported.isoformat(),
            "channel": CHANNELS[number % len(CHANNELS)],
        }
        if kind == "labour_dispute":
            body["subkind"] = SUBKINDS[number % len(SUBKINDS)]
        there = firm.workers(on)
        if self._rng.random() < 0.9:
            body["workers_concerned"] = min(there, 1 + int(self._rng.expovariate(1 / 4)))
        if there >= COLLECTIVE and number % 15 < 2:
            body["workers_concerned"] = self._rng.randint(COLLECTIVE, min(there, 60))
            body |= {"common_claim": True} if number % 15 else {}
        if kind in MONEY:
            body["amount_fen"] = body.get("workers_concerned", 1) * 100 * round(self._rng.lognormvariate(9.2, 0.6))
        if self._rng.random() < 0.85:
            body["assigned_to"] = handler(self._rng)
        return body

    def _course(self, kind: str) -> Course:
        """The next of the courses that fit the kind."""
        family = "money" if kind in MONEY else "safety" if kind.startswith("safety") else "dispute"
        courses = COURSES[family]
        turn = self._turn[family] = self._turn.get(family, -1) + 1
        return courses[turn % len(courses)]

    def _steps(self, key: str, case: str, course: Course, reported: date) -> tuple[date, str] | None:
        """Enter the steps up to the last day; (day, outcome) of the end, None if the case is open then. One case in eight stays as it is."""
        on, stays = reported, self._rng.random() < 1 / 8
        until = self._rng.randint(0, len(course.stages)) if stays else len(course.stages)
        for number, stage in enumerate(course.stages):
            on += timedelta(days=self._rng.randint(stage.least, stage.most))
            if on > self._last or number >= until:
                return None
            said = {"case_id": case, "step": stage.step, "on": on.isoformat(), **stage.said}
            if stage.step == "supervision_letter_sent":
                said["received_on"] = on.isoformat()
                said |= {"reply_by": (on + timedelta(days=15)).isoformat()} if self._rng.random() < 0.5 else {}
            self._on_case("case_step", f"{key}/step/{number + 1}", case, said, on)
        on += timedelta(days=self._rng.randint(1, 20))
        return None if stays or on > self._last else (on, course.outcome)

    def _end(self, key: str, case: str, kind: str, body: dict[str, Any], last: tuple[date, str]) -> None:
        on, outcome = last
        said: dict[str, Any] = {"case_id": case, "on": on.isoformat(), "outcome": outcome}
        if kind in MONEY and outcome in ("paid", "mediated", "partly_resolved"):
            said["recovered_fen"] = round(body["amount_fen"] * (1.0 if outcome == "paid" else self._rng.uniform(0.4, 0.9)))
        closed = self._on_case("case_outcome", f"{key}/outcome", case, said, on)
        again = on + timedelta(days=self._rng.randint(5, 40))
        self._ended += 1
        if self._ended % 9 == 3 and again <= self._last:
            said = {"case_id": case, "on": again.isoformat(), "reason": self._rng.choice(("not_performed", "new_facts", "recurred"))}
            self._on_case("case_reopening", f"{key}/reopened", case, said, again)
        elif self._ended % 9 == 6:
            self._correct(key, closed, None)

    def _on_case(self, op: str, key: str, case: str, body: dict[str, Any], on: date) -> str:
        entered = min(self._last, on + timedelta(days=self._rng.randint(0, 3)))
        return self._log.enter("cases", op, key, body, entered, [f"{case[1:]}/course"])

    def _correct(self, key: str, reference: str, data: dict[str, object] | None) -> None:
        correct(self._log, self._rng, "cases", key, reference, "count" if data else "never", data, (1, 20))


def handler(rng: random.Random) -> str:
    """The opaque id of one of the handlers."""
    return f"handler-{rng.randint(1, HANDLERS)}"
