"""Problems and their catalogue."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.problems import catalogue
from shared.problems import errors as problems
from shared.problems.catalogue import CODES
from shared.problems.errors import BadRequest, Conflict, FieldError, Problem, Unprocessable
from shared.problems.validation import path_of, problem_of

ROOT = Path(__file__).parents[4]
CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
RAISED = {"FieldError", "PydanticCustomError", "Problem", *(kind.__name__ for kind in problems.STATUSES.values())}


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for metrics in ("shared", "services", "deploy", "samples"):
        for path in sorted((ROOT / metrics).rglob("*.py")):
            if path.name != "catalogue.py":
                yield path, ast.parse(path.read_text("utf-8"))


def codes_raised() -> Iterator[tuple[str, str]]:
    for path, tree in trees():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            first = call.args[0]
            if name in RAISED and isinstance(first, ast.Constant) and isinstance(first.value, str) and CODE.fullmatch(first.value):
                yield first.value, str(path.relative_to(ROOT))


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    missing = {f"{code} ({path})" for code, path in codes_raised() if code not in CODES}
    assert not missing


def test_every_code_of_the_catalogue_is_used() -> None:
    words = {node.value for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not CODES.keys() - words


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_entry_speaks_both_languages_with_the_same_placeholders(code: str) -> None:
    entry = CODES[code]
    assert CODE.fullmatch(code)
    assert re.search("[\u4e00-\u9fff]", entry.title_zh)
    assert re.search("[\u4e00-\u9fff]", entry.message_zh)
    assert entry.title_en.isascii()
    assert not re.search("[\u4e00-\u9fff]", entry.message_en)
    assert entry.status in {201, 412, *problems.STATUSES, 405, 408, 414, 431, 500}
    zh, en = ({name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (entry.message_zh, entry.message_en))
    assert zh == en


def test_no_code_stands_in_two_sections() -> None:
    assert sum(map(len, catalogue.SECTIONS.values())) == len(CODES)


def test_the_page_is_true() -> None:
    assert (ROOT / "docs/problems.md").read_text("utf-8") == catalogue.page(), "python -m shared.problems.catalogue > docs/problems.md"


def test_a_problem_has_the_form_of_rfc_9457() -> None:
    problem = Unprocessable("UNKNOWN_AREA", field="area", params={"area": "US-X"})
    assert problem.as_dict("en") == {
        "type": "/problems/UNKNOWN_AREA",
        "title": "Unknown area",
        "status": 422,
        "code": "UNKNOWN_AREA",
        "errors": [
            {
                "row": None,
                "field": "area",
                "code": "UNKNOWN_AREA",
                "message_zh": "没有区域 US-X。",
                "message_en": "There is no area US-X.",
            }
        ],
    }
    assert problem.as_dict()["title"] == "未知区域"


def test_a_problem_of_a_row_names_the_row_in_every_error() -> None:
    problem = Unprocessable(errors=[FieldError("EMPTY", "name"), FieldError("INVALID_DATE", "on")]).at_row(7)
    assert isinstance(problem, Unprocessable)
    assert problem.code == "EMPTY"
    assert [(error["row"], error["field"]) for error in problem.as_dict()["errors"]] == [(7, "name"), (7, "on")]


def test_not_yet_known_says_when_to_try_again() -> None:
    assert Conflict("NOT_YET_KNOWN").headers["Retry-After"] == "1"
    assert Conflict("NOT_YET_KNOWN", headers={"Retry-After": "9"}).at_row(1).headers["Retry-After"] == "9"


def test_a_message_without_its_parameters_still_is_one() -> None:
    assert Problem("UNKNOWN_AREA").as_dict("en")["errors"][0]["message_en"] == "There is no area ."
    assert Problem("NO_SUCH_CODE").as_dict("en")["title"] == "Unknown error"


def test_long_values_are_cut_in_messages() -> None:
    assert len(Unprocessable("UNKNOWN_AREA", params={"area": "x" * 5000}).as_dict()["errors"][0]["message_en"]) < 200


def test_a_status_of_its_own_survives_the_row() -> None:
    class Gone(Problem):
        status = 410

    assert Gone("NOT_FOUND").at_row(3).status == 410


def test_broken_json_is_400_whatever_else_is_wrong() -> None:
    problem = problem_of([{"type": "missing", "loc": ("body", "a")}, {"type": "json_invalid", "loc": ("body", 1)}], 4)
    assert isinstance(problem, BadRequest)
    assert (problem.code, problem.errors[0].row) == ("BROKEN_JSON", 4)


def test_choices_and_words_of_the_house_are_said_in_each_language() -> None:
    zh, en = problems.messages("NOT_ONE_OF", {"expected": "'district', 'park' or 'size'"})
    assert ("'district'、'park'、'size'" in zh, "'park' or 'size'" in en) == (True, True)
    zh, en = problems.messages("DATE_OUT_OF_RANGE", {"earliest": "1900-01-01", "latest": "today"})
    assert ("今天" in zh, "today" in zh, "today" in en) == (True, False, True)


def test_a_parameter_of_several_forms_is_named_without_them() -> None:
    errors = [
        {"type": "literal_error", "loc": ("query", "as_of", "literal['']")},
        {"type": "INVALID_DATE", "loc": ("query", "as_of", "f[x()]")},
    ]
    assert {error.field for error in problem_of(errors).errors} == {"as_of"}


def test_the_form_that_a_field_may_have_is_no_part_of_its_path() -> None:
    assert path_of(("body", "channel", "webhook", "url")) == "channel.url"
    assert path_of(("body", "channel", "pull", "webhook")) == "channel.webhook"
    assert path_of(("body", "areas", 0)) == "areas.0"
    assert path_of(("query", "limit", "int")) == "limit"
