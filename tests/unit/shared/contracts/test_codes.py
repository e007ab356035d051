"""The closed lists: documented, named in both languages, and added to by a deployment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from services.membership.members.bodies import LeaveBody
from shared.contracts import codes
from shared.contracts.codes import LEAVING, LISTS, Named
from shared.process.settings import MoreCodes
from shared.writing.fields import Wrong, code

MORE = TypeAdapter(MoreCodes)
ABROAD = {"leaving": {"moved-abroad": {"zh": "出国", "en": "moved abroad"}}}


@pytest.fixture(autouse=True)
def without_additions() -> Iterator[None]:
    yield
    codes.add({})


def test_the_page_is_true() -> None:
    page = Path(__file__).parents[4] / "docs/codes.md"
    assert page.read_text("utf-8") == codes.page(), "python -m shared.contracts.codes > docs/codes.md"


@pytest.mark.parametrize("one", LISTS, ids=lambda one: one.name)
def test_every_code_has_both_names(one: codes.CodeList) -> None:
    for named in (one.named, *one.codes.values(), *one.own.values()):
        assert re.search("[\u4e00-\u9fff]", named.zh)
        assert named.en
        assert not re.search("[\u4e00-\u9fff]", named.en)
    assert not one.codes.keys() & one.own.keys()


def test_a_code_that_is_not_listed_is_refused_with_the_list() -> None:
    with pytest.raises(Wrong) as refused:
        code(LEAVING)("11010519491231002X")
    assert refused.value.code == "REASON_NOT_LISTED"
    assert "retired (retired)" in refused.value.params["expected"]
    assert "retired(退休)" in refused.value.params["expected_zh"]


def test_a_deployment_adds_codes() -> None:
    schema = LeaveBody.model_json_schema()["properties"]["reason"]
    assert "moved-abroad" not in schema["enum"]
    codes.add(MORE.validate_python(json.dumps(ABROAD)))
    assert code(LEAVING)("moved-abroad") == "moved-abroad"
    schema = LeaveBody.model_json_schema()["properties"]["reason"]
    assert "moved-abroad" in schema["enum"]
    assert "- `moved-abroad`: moved abroad / 出国" in schema["description"]
    assert LEAVING.label("moved-abroad") == Named("出国", "moved abroad")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("{", "must be written"),
        ('{"leaving": {"x1": "出国"}}', "must be written"),
        (json.dumps({"leave": ABROAD["leaving"]}), "names no list"),
        (json.dumps({"documents": {"idcard": {"zh": "证", "en": "card"}}}), "names no list"),
        *(
            (json.dumps({"leaving": {given: {"zh": "出国", "en": "abroad"}}}), "a code has lower-case letters")
            for given in ("11010519491231002X", "110105194912310011", "2023-110", "Abroad", "a b", "", "x" * 65, "n110105194912310011")
        ),
        (json.dumps({"leaving": {"retired": {"zh": "退休", "en": "retired"}}}), "has the code retired already"),
        (json.dumps({"leaving": {"transfer": {"zh": "接转", "en": "transfer"}}}), "has the code transfer already"),
        (json.dumps({"leaving": {"abroad": {"zh": " ", "en": "abroad"}}}), "needs a name"),
    ],
)
def test_a_wrong_variable_is_told(value: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        MORE.validate_python(value)
    assert MORE.validate_python(json.dumps(ABROAD)) == {"leaving": {"moved-abroad": Named("出国", "moved abroad")}}


def test_codes_of_earlier_events_stand_for_themselves() -> None:
    assert LEAVING.label("note") == Named("见备注", "see the note")
    assert LEAVING.label("whatever") == Named("whatever", "whatever")
