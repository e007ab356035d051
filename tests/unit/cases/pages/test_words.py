"""The pages of cases speak to people: everything that has a code has words in both languages, and no text is left over."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.cases.agreements import contract_progress, negotiation_progress
from services.cases.agreements.answers import CONTRACT_STEPS
from services.cases.aid.registers import HARDSHIP
from services.cases.clocks.names import CLOCKS, REASONS, STATES
from services.cases.pages.offers import GROUPS, KINDS, opening_fields
from services.cases.pages.page import AID, LAST, SECTIONS
from services.cases.pages.registers import REGISTERS
from services.cases.pages.words import OWN, UNITS, Words
from services.cases.persons.naming import PERSON, REPORTER
from services.cases.rights.answers import NAMES
from services.cases.rights.bodies import OPTIONAL, REQUIRED
from services.cases.rights.case import CASE, CLOSED, OPEN
from services.cases.rulebook.defaults import DEFAULTS
from services.cases.rulebook.rulebook import default_of
from shared.browser.words import FRAME, LANGUAGES, Language, catalogue
from shared.contracts.case_codes import HARDSHIP_CLASSES
from shared.contracts.cases.agreements import NegotiationStep
from shared.contracts.cases.assessments import Assessed
from shared.contracts.cases.rights import Addressee, Letter, Party, Step
from shared.problems.errors import FieldError

ROOM = Path(__file__).parents[4] / "services" / "cases" / "pages"
RAW = re.compile(r"\b[A-Z]{2,}\d*(?:_[A-Z0-9]+)+\b")
A_KEY = re.compile(r'\bt\("([a-z0-9_.]+)"[,)]')


def words(language: Language) -> Words:
    return Words(language, ZoneInfo("Asia/Shanghai"))


def test_both_languages_have_the_same_keys_with_the_same_placeholders() -> None:
    zh, en = (catalogue(language, FRAME, OWN) for language in LANGUAGES)
    assert zh.keys() == en.keys()
    placeholders = re.compile(r"\{(\w*)\}")
    different = [key for key in zh if {*placeholders.findall(zh[key][0])} != {*placeholders.findall(en[key][-1])}]
    assert not different


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_has_a_code_has_words(language: Language) -> None:
    said = words(language)
    keys = said.texts.keys()
    wanted = {f"step.{step}" for step in (*Step, *NAMES.values(), "outcome", "reopening", "assignment")}
    wanted |= {f"step.negotiation.{step}" for step in NegotiationStep} | {f"step.contract.{step}" for step in CONTRACT_STEPS.values()}
    states = {*contract_progress.State, *negotiation_progress.State} - {"unsigned", "none"}
    wanted |= {f"state.{state}" for state in (*states, OPEN, CLOSED, "granted")}
    wanted |= {f"party.{one}" for one in Party} | {f"document.{one}" for one in Letter} | {f"addressee.{one}" for one in Addressee}
    wanted |= {f"assessed.{one}" for one in Assessed} | {f"period.{unit}" for unit in UNITS} | {f"group.{name}" for name in GROUPS}
    wanted |= {f"section.{name}" for name in (*SECTIONS, *REGISTERS, AID, LAST)} | {f"field.{name}" for name in KINDS}
    wanted |= {f"field.{column.name}" for register in REGISTERS.values() for column in register.columns}
    wanted |= {f"mark.{rule.mark}" for rule in DEFAULTS.values()}
    wanted |= {f"field.{field.name}" for field in opening_fields(said)} | {f"class.{name}" for name in HARDSHIP_CLASSES}
    wanted |= {f"role.{role}" for role in (REPORTER, PERSON)} | {f"purpose.of.{noun.name}" for noun in (CASE, HARDSHIP)}
    for template in (ROOM / "templates").glob("*.html"):
        wanted |= {*A_KEY.findall(template.read_text("utf-8"))}
    assert not wanted - keys
    assert not [text for texts in said.texts.values() for text in texts if RAW.search(text)]
    for clock in CLOCKS:
        assert said.clock(clock)
    assert all(said.clock_state(state) for state in STATES)
    assert all(said.reason(reason) for reason in REASONS)


def test_every_step_stands_in_one_group_and_every_field_has_a_kind() -> None:
    grouped = [step for steps in GROUPS.values() for step in steps]
    assert sorted(grouped) == sorted(Step)
    assert {name for fields in (*REQUIRED.values(), *OPTIONAL.values()) for name in fields} == KINDS.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_left_over(language: Language) -> None:
    """A text that no template and no module names is dead; families of keys are named by their beginning."""
    sources = [*ROOM.rglob("*.html"), *ROOM.rglob("*.py"), *FRAME.parent.rglob("*.html"), *FRAME.parent.rglob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    families = {*re.findall(r'"([a-z_.]+\.)" ~', text), *re.findall(r'f"([a-z_.]+\.)\{', text)}
    families |= {f"{name}." for name in re.findall(r'said\("([a-z]+)"', text)} | {"side.", "assessed."}
    left = [
        key for key in catalogue(language, OWN) if f'"{key}"' not in text and f"'{key}'" not in text and not key.startswith(tuple(families))
    ]
    assert not left


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_value_of_every_rule_is_said_without_codes(language: Language) -> None:
    said = words(language)
    values = [ruling.value for name in DEFAULTS if (ruling := default_of(name)) is not None]
    values += [
        {"opinion": {"days": 15, "day_kind": "working"}, "reminder": None},
        {"line_fen": 110000, "deep": {"operator": "<=", "factor_percent": 100}, "accidental": {"cost_percent_of_income": 80}},
        {"line_fen": 1, "relative": {"operator": "<", "factor_percent": 150, "deduct_employment_costs": False}, "accidental": None},
    ]
    for value in values:
        assert not re.search(r"[a-z]+_[a-z]+|[{}\[\]]", said.value(value)), value
    assert said.value(None) == said.t("value.none")


def test_amounts_days_and_errors_are_written_for_people() -> None:
    zh, en = words("zh"), words("en")
    assert (zh.money(1234567), en.money(1234567), zh.money(None)) == ("12,345.67 元", "12,345.67 yuan", "—")
    today = date(2026, 4, 20)
    assert (en.left(today, today), zh.left(date(2026, 4, 19), today)) == ("due today", "逾期 1 天")
    assert (en.left(date(2026, 4, 21), today), en.left(date(2026, 4, 22), today)) == ("1 day left", "2 days left")
    assert en.period(45, "calendar", 15) == "45 days + 15 days"
    assert en.error(FieldError("NOT_A_WEEKEND", "working_days.3", 7, {"day": "2027-02-08"})).startswith("Line 7: 2027-02-08")
    assert zh.error(FieldError("STEP_NOT_ALLOWED", "step", None, {"step": "served", "allowed": "x"})) == zh.t("problem.STEP_NOT_ALLOWED")
