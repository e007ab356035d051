"""The synthetic city: the same for the same scenario, everything in it, nothing of it anybody's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from stdnum.cn import uscc

from deploy.local.demo.options import LABELS, MISUSED, CityOptions, SampleName, require_own_folder
from deploy.local.errors import UserError
from deploy.local.folder import ROOT
from samples.city import Answer, City, Command, Scenario, UnresolvedReferenceError, dependency_batches, quarters, references, with_ids
from samples.city.command_log import SERVICES, key_of
from samples.city.findings import MEANINGS
from samples.city.names import SYNTHETIC
from samples.city.places import CITY, LEVELS, areas
from samples.city.scenario import MOST_ENTERPRISES, MOST_YEARS, last_day_before
from services.cases.facts import TABLE as CASES
from services.membership.facts import TABLE as MEMBERSHIP
from services.registry.areas.rules import LEVEL_NAMES
from services.registry.enterprises.fields import credit_code
from services.registry.facts import TABLE as REGISTRY
from shared.contracts.case_codes import CASE_KINDS, CASE_SUBKINDS, OUTCOMES
from shared.contracts.cases.rights import Step
from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionKind
from shared.persons.documents import normalised
from shared.writing.evolving import evolve, new_world
from shared.writing.lines.bodies import models

LAST_DAY = date(2025, 6, 30)
SMALL = Scenario(LAST_DAY, 120, 4, 7)
NOT_INVENTED = {"rule", "calendar", *(op for op in models(CASES) if op.startswith(("hardship", "help")))}
"""Rules and calendars are no city's invention; persons in hardship are nobody's."""
OCCURRED = (
    "on",
    "settled_on",
    "approved_on",
    "joined_on",
    "visited_on",
    "occurred_on",
    "reported_on",
    "signed_on",
    "invited_on",
    "held_on",
)
DIGEST = """
import hashlib, msgspec
from datetime import date
from samples.city import City, Scenario
from samples.city.command_log import SERVICES
city = City(Scenario(date({0.year}, {0.month}, {0.day}), 120, 4, {1}))
print(hashlib.sha256(b"".join(msgspec.json.encode(line) for name in SERVICES for line in city.lines(name))).hexdigest())
"""


@pytest.fixture(scope="module")
def city() -> City:
    return City(SMALL)


def day_of(command: Command) -> str | None:
    """The business date that a command says."""
    return next((command.body[name] for name in OCCURRED if name in command.body), None)


def digest_elsewhere(last_day: date, seed: int, hashes: str) -> str:
    """What another process makes of the scenario."""
    env = {**os.environ, "PYTHONHASHSEED": hashes}
    run = subprocess.run(
        [sys.executable, "-c", DIGEST.format(last_day, seed)], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_the_same_scenario_is_the_same_city_byte_by_byte_in_every_process(city: City) -> None:
    own = hashlib.sha256(b"".join(msgspec.json.encode(line) for name in SERVICES for line in city.lines(name))).hexdigest()
    assert digest_elsewhere(LAST_DAY, 7, "1") == digest_elsewhere(LAST_DAY, 7, "2") == own


def test_another_seed_or_day_is_another_city_with_other_keys(city: City) -> None:
    others = City(Scenario(LAST_DAY, 120, 4, 8)), City(Scenario(date(2025, 6, 29), 120, 4, 7))
    own = {command.key for command in city.commands if command.op != "area"}
    for other in others:
        assert own.isdisjoint(command.key for command in other.commands)
        assert [c.body for c in other.commands if c.op == "member"] != [c.body for c in city.commands if c.op == "member"]


def test_every_kind_of_command_and_union_occurs(city: City) -> None:
    assert {command.op for command in city.commands if command.service == "registry"} == set(models(REGISTRY))
    assert {command.op for command in city.commands if command.service == "membership"} == set(models(MEMBERSHIP))
    assert {command.op for command in city.commands if command.service == "cases"} == set(models(CASES)) - NOT_INVENTED
    assert {command.body["kind"] for command in city.commands if command.op == "union"} == {kind.value for kind in UnionKind}
    for service, facts in {
        "registry": ("enterprise", "headcount", "move", "classification", "closure"),
        "membership": ("union", "coverage", "dissolution", "member", "leave"),
        "cases": ("case", "case_outcome", "contract", "workers_congress"),
    }.items():
        ops = {command.key: command.op for command in city.commands}
        corrected = [(c, ops[key_of(c.body["corrects"])]) for c in city.commands if c.op == "correction" and c.service == service]
        assert {op for _, op in corrected} - {"correction"} == {*facts}
        assert {c.body["data"] is None for c, _ in corrected} == {True, False}
        assert any(op == "correction" for _, op in corrected) == (service != "cases")


def test_cases_are_of_every_kind_and_in_every_state() -> None:
    commands = [command for command in City(Scenario(LAST_DAY)).commands if command.service == "cases"]
    cases = {command.key: command.body for command in commands if command.op == "case"}
    assert 300 < len(cases) < 500
    assert {body["kind"] for body in cases.values()} == set(CASE_KINDS.codes)
    assert {body["subkind"] for body in cases.values() if body["kind"] == "labour_dispute"} == set(CASE_SUBKINDS.codes)
    assert all("subkind" not in body for body in cases.values() if body["kind"] != "labour_dispute")
    collective = [body for body in cases.values() if body.get("workers_concerned", 0) >= 10]
    assert 5 < sum(body.get("common_claim", False) for body in collective) < len(collective) < len(cases) // 4
    assert {command.body["step"] for command in commands if command.op == "case_step"} == set(Step) - {"set_aside_requested"}
    closed = {key_of(command.body["case_id"]) for command in commands if command.op == "case_outcome"}
    assert len(cases) // 4 < len(closed) < len(cases) * 3 // 4
    assert {command.body["outcome"] for command in commands if command.op == "case_outcome"} <= set(OUTCOMES.codes)
    recent = {key for key, body in cases.items() if date.fromisoformat(body["reported_on"]) > LAST_DAY - timedelta(days=60)}
    assert len(recent - closed) > 20
    assert len(set(cases) - recent - closed) > 20


def test_every_step_of_a_case_or_contract_is_one_that_its_state_allows() -> None:
    """The decisions of the service on all commands in the order of entry, without a database."""
    city = City(Scenario(LAST_DAY, 1_000, 3, 5))
    world, ids = new_world(CASES), dict[str, Answer]()
    forms = models(CASES)
    for command in city.commands:
        if command.op == "enterprise":
            ids[command.key] = Answer(str(uuid7()), [])
        if command.service != "cases" or command.op == "correction":
            continue
        said = forms[command.op].model_validate(with_ids(command.body, ids))
        kind = CASES.ops[command.op]
        decision = kind.decide(world, kind.of(said), LAST_DAY)
        for fact in decision.facts:
            evolve(CASES, world, fact)
        ids[command.key] = Answer(decision.id or "", [])
    assert len(world.entries) > 400


def test_all_that_is_odd_on_purpose_occurs_and_names_its_line(city: City) -> None:
    assert set(city.finding_counts()) == set(MEANINGS)
    found = list(city.findings())
    assert Counter(finding.code for finding in found) == city.finding_counts()
    lines = {name: list(city.lines(name)) for name in SERVICES}
    for finding in found:
        if finding.code == "STALE_HEADCOUNT":
            assert lines["registry"][finding.row - 1]["body"]["on"] == finding.detail
        if finding.code == "FOUNDED_BEFORE_SETTLED":
            assert lines["membership"][finding.row - 1]["body"]["approved_on"] == finding.detail.split(" < ")[0]


@pytest.mark.parametrize(
    "scenario",
    [SMALL, Scenario(LAST_DAY, 90, 1, 5), Scenario(date(1990, 2, 28), 90, 20, 1), Scenario(LAST_DAY, 3, 2, 2)],
    ids=lambda scenario: scenario.name,
)
def test_nothing_lies_in_the_future_and_nothing_is_entered_before_what_it_names(scenario: Scenario) -> None:
    city, entered = City(scenario), dict[str, int]()
    for number, command in enumerate(city.commands):
        assert all(entered[key_of(reference)] < number for reference in references(command.body))
        assert command.key not in entered
        entered[command.key] = number
        assert scenario.first_day <= command.entered_on <= scenario.last_day
        days = [value for body in (command.body, command.body.get("data") or {}) for name, value in body.items() if name in OCCURRED]
        assert all("1950-01-01" < day <= scenario.last_day.isoformat() for day in days)
    assert all(before.entered_on <= after.entered_on for before, after in pairwise(city.commands))


def test_what_happened_is_not_entered_in_its_order_and_some_of_it_very_late(city: City) -> None:
    dated = [(command.entered_on, day) for command in city.commands if (day := day_of(command))]
    assert any(before > after for (_, before), (_, after) in pairwise(dated))
    lags = [(entered - date.fromisoformat(day)).days for entered, day in dated if date.fromisoformat(day) >= SMALL.first_day]
    assert min(lags) >= 0
    assert sum(lag > 60 for lag in lags) > len(lags) // 200
    assert max(lags) > 365


def test_codes_and_documents_pass_every_check_and_are_nobodys(city: City) -> None:
    codes = [command.body["credit_code"] for command in city.commands if "credit_code" in command.body]
    later = [c.body["data"]["credit_code"] for c in city.commands if c.op == "correction" and "credit_code" in (c.body["data"] or {})]
    registered = sum(command.op == "enterprise" for command in city.commands)
    assert len({*codes, *later}) == len(codes) + len(later) < registered
    assert later
    for code in (*codes, *later):
        assert uscc.is_valid(code)
        assert credit_code(code) == code
        assert code[:4] == "9199", "no division of GB/T 2260 begins with 99"
    documents = [command.body["document"] for command in city.commands if command.op == "member"]
    assert {document["kind"] for document in documents} == {"resident_id", "sample"}
    for document in documents:
        assert normalised(document["kind"], document["number"]) == document["number"].upper()
        assert document["kind"] == "sample" or document["number"][:2] == "99"


def test_every_name_says_that_it_is_synthetic(city: City) -> None:
    for command in city.commands:
        if (name := command.body.get("name")) is not None:
            assert "合成" in name


def test_districts_are_those_of_gbt_2260_and_their_parks_follow_the_code() -> None:
    made = areas()
    districts = [area for area in made if area.parent == CITY]
    assert [(area.code, area.name) for area in made[:3]] == [
        ("33", "浙江省" + SYNTHETIC),
        ("3302", "宁波市" + SYNTHETIC),
        ("330203", "海曙区" + SYNTHETIC),
    ]
    assert len(districts) == 10
    for district in districts:
        parks = [area.code for area in made if area.parent == district.code]
        assert parks == [f"{district.code}-P{number:03d}" for number in range(1, len(parks) + 1)]
        assert len(parks) >= 3
    assert len({(area.parent, area.name) for area in made}) == len(made)


def test_a_level_is_no_name_and_has_no_parks() -> None:
    made = {area.code: area for area in areas("1101")}
    assert made["1101"].name == "市辖区"
    assert "110101-P001" in made
    assert LEVELS == LEVEL_NAMES


def test_batches_name_nothing_of_themselves_and_keep_the_order_that_matters(city: City) -> None:
    for service in SERVICES:
        seen: set[str] = set()
        order: dict[str, list[str]] = {}
        for quarter in quarters([command for command in city.commands if command.service == service]):
            for batch in dependency_batches(quarter):
                for command in batch:
                    named = {key_of(reference) for reference in references(command.body)}
                    assert service != "registry" or named <= seen
                    for name in command.order_keys:
                        order.setdefault(name, []).append(command.key)
                own = {command.key for command in batch}
                assert all(key_of(reference) not in own for command in batch for reference in references(command.body))
                seen |= own
        assert seen == {command.key for command in city.commands if command.service == service}
        for name, keys in order.items():
            assert keys == [command.key for command in city.commands if command.service == service and name in command.order_keys]


def test_references_become_the_ids_of_the_answers() -> None:
    answers = {"a/1": Answer("id-1", ["event-1", "event-2"])}
    body: dict[str, Any] = {"enterprise_id": "@a/1", "corrects": "@a/1#1", "enterprises": ["@a/1"], "data": {"on": "2024-01-01"}, "n": 3}
    assert with_ids(body, answers) == {
        "enterprise_id": "id-1",
        "corrects": "event-2",
        "enterprises": ["id-1"],
        "data": {"on": "2024-01-01"},
        "n": 3,
    }
    with pytest.raises(UnresolvedReferenceError):
        with_ids("@a/2", answers)


@pytest.mark.parametrize("enterprises", [1, 2, 7])
def test_a_tiny_city_is_a_city(enterprises: int) -> None:
    tiny = City(Scenario(LAST_DAY, enterprises, 1, 0))
    assert len([c for c in tiny.commands if c.op == "enterprise"]) >= enterprises
    assert list(tiny.findings())


def test_without_a_day_the_city_ends_with_the_month_before() -> None:
    options = CityOptions(None, None, None)
    assert options.scenario(None, date(2026, 3, 15)) == Scenario(date(2026, 2, 28))
    assert last_day_before(date(2026, 1, 1)) == date(2025, 12, 31)
    assert options.scenario("2026-03-15", date(2026, 3, 15)).last_day == date(2026, 3, 15)


@pytest.mark.parametrize(
    ("options", "as_of", "named"),
    [
        (CityOptions(0, None, None), None, "--enterprises"),
        (CityOptions(-5, None, None), None, "--enterprises"),
        (CityOptions(MOST_ENTERPRISES + 1, None, None), None, "--enterprises"),
        (CityOptions(None, 0, None), None, "--years"),
        (CityOptions(None, MOST_YEARS + 1, None), None, "--years"),
        (CityOptions(None, None, -1), None, "--seed"),
        (CityOptions(None, None, None), "2026-03-16", "--as-of"),
        (CityOptions(None, None, None), "1950-01-01", "--as-of"),
    ],
)
def test_a_city_that_cannot_be_is_refused_in_one_line_in_both_languages(options: CityOptions, as_of: str | None, named: str) -> None:
    with pytest.raises(UserError) as refused:
        options.scenario(as_of, date(2026, 3, 15))
    zh, _, en = refused.value.line().partition(" / ")
    assert named in zh
    assert named in en
    assert refused.value.code == MISUSED


def test_samples_are_not_mixed_in_one_folder() -> None:
    require_own_folder({}, SampleName.city)
    require_own_folder(LABELS[SampleName.city], SampleName.city)
    with pytest.raises(UserError) as refused:
        require_own_folder(LABELS[SampleName.nlrb], SampleName.city)
    assert refused.value.code == MISUSED
