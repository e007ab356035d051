"""Pydantic's errors as problems with the catalogue's codes. Values are never repeated: they may be personal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.problems.catalogue import CODES
from shared.problems.errors import BadRequest, FieldError, Problem, Unprocessable

SOURCES = frozenset({"body", "query", "path", "header", "cookie"})
MOST_ERRORS = 50
HARMLESS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)
WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
MANY_DIGITS = re.compile(r"\d{6}")
HIDDEN = "?"

TYPES: Mapping[str, str] = {
    "missing": "FIELD_REQUIRED",
    "extra_forbidden": "UNKNOWN_FIELD",
    "string_type": "NOT_A_TEXT",
    "string_unicode": "CONTROL_CHARACTERS",
    "string_too_long": "TOO_LONG",
    "string_pattern_mismatch": "BAD_FORM",
    "int_type": "NOT_A_WHOLE_NUMBER",
    "int_parsing": "NOT_A_WHOLE_NUMBER",
    "int_parsing_size": "OUT_OF_RANGE",
    "int_from_float": "NOT_A_WHOLE_NUMBER",
    "float_type": "NOT_A_NUMBER",
    "float_parsing": "NOT_A_NUMBER",
    "finite_number": "NOT_A_NUMBER",
    "decimal_type": "NOT_A_NUMBER",
    "decimal_parsing": "NOT_A_NUMBER",
    "bool_type": "NOT_YES_OR_NO",
    "bool_parsing": "NOT_YES_OR_NO",
    "enum": "NOT_ONE_OF",
    "literal_error": "NOT_ONE_OF",
    "union_tag_invalid": "NOT_ONE_OF",
    "union_tag_not_found": "FIELD_REQUIRED",
    "list_type": "NOT_A_LIST",
    "set_type": "NOT_A_LIST",
    "tuple_type": "NOT_A_LIST",
    "dict_type": "NOT_AN_OBJECT",
    "model_type": "NOT_AN_OBJECT",
    "model_attributes_type": "NOT_AN_OBJECT",
    "dataclass_type": "NOT_AN_OBJECT",
    "mapping_type": "NOT_AN_OBJECT",
    "too_long": "TOO_MANY",
    "too_short": "TOO_FEW",
}
"""{pydantic's type of error: code}."""
PREFIXES: Mapping[str, str] = {
    "date_": "INVALID_DATE",
    "datetime_": "INVALID_INSTANT",
    "timezone_": "INVALID_INSTANT",
    "uuid_": "INVALID_ID",
}
LIMITS = ("ge", "gt", "le", "lt", "min_length", "max_length", "multiple_of")


def problem_of(errors: Iterable[Mapping[str, Any]], row: int | None = None) -> Problem:
    """The problem of pydantic's errors: 400 for broken JSON, else 422; `row` is the line of a batch."""
    found: list[FieldError] = []
    left_out = 0
    for error in errors:
        if error["type"] == "json_invalid":
            return BadRequest("BROKEN_JSON", row=row)
        if len(found) < MOST_ERRORS:
            found.append(field_error(error, row))
        else:
            left_out += 1
    more = [FieldError("MORE_ERRORS", None, row, {"count": left_out})] if left_out else []
    return Unprocessable(errors=[*_once(found), *more])


def field_error(error: Mapping[str, Any], row: int | None = None) -> FieldError:
    """One of pydantic's errors."""
    context = error.get("ctx") or {}
    loc = error["loc"]
    header = bool(loc) and loc[0] == "header"
    code, params = _code(error["type"], context)
    if header and str(loc[-1]).lower() == "idempotency-key":
        code = "BAD_IDEMPOTENCY_KEY"
    return FieldError(code, path_of(loc), row, params)


UNION_TAGS: Mapping[Any, Sequence[str]] = {"channel": ("webhook", "pull")}
"""{field: names of the forms that it may have}: pydantic puts the form's name behind the field's, which is no field of the body."""


def path_of(loc: Sequence[Any]) -> str | None:
    """A dotted path, list positions from 0. An unknown name is repeated only if it cannot be personal."""
    parts = list(loc)
    if parts and parts[0] in SOURCES:
        # After a parameter's name pydantic adds which type of a union failed.
        parts = parts[1:] if parts[0] == "body" else parts[1:2]
    parts = [part for before, part in zip([None, *parts], parts, strict=False) if part not in UNION_TAGS.get(before, ())]
    names = [str(part) if isinstance(part, int) else shown_name(str(part)) for part in parts]
    return ".".join(names) or ("body" if "body" in loc else None)


def shown_name(name: str) -> str:
    """The name of an unknown field, as far as it cannot be personal."""
    return name if HARMLESS_NAME.fullmatch(name) and not MANY_DIGITS.search(name) else HIDDEN


def _code(kind: str, context: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if kind in CODES:
        return kind, context
    limit = next((context[name] for name in LIMITS if name in context), None)
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than", "multiple_of"):
        if limit == 0 and kind == "greater_than_equal":
            return "BELOW_ZERO", {}
        sign = {"greater_than_equal": "≥", "greater_than": ">", "less_than_equal": "≤", "less_than": "<", "multiple_of": "×"}[kind]
        return "OUT_OF_RANGE", {"limit": f"{sign} {limit}"}
    if kind == "string_too_short":
        return ("EMPTY", {}) if limit == 1 else ("TOO_SHORT", {"limit": limit})
    code = TYPES.get(kind) or next((code for prefix, code in PREFIXES.items() if kind.startswith(prefix)), "INVALID_VALUE")
    if code == "NOT_ONE_OF":
        return code, {"expected": str(context.get("expected") or context.get("expected_tags") or "")}
    return code, {"limit": limit, "most": limit}


def require_numbers(values: Mapping[str, str], parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """Numbers of a query have the form of JSON: what pydantic reads as numbers besides (`1_0`, `+1`, ` 1`, `1.0`) is refused.

    `parameters`: {name: its object in the OpenAPI document}. Raises NOT_A_WHOLE_NUMBER, NOT_A_NUMBER (422).
    """
    errors = []
    for name, value in values.items():
        schema = parameters[name]["schema"]
        kinds = {one.get("type") for one in (schema, *schema.get("anyOf", ()))}
        if "string" in kinds:
            continue
        if "integer" in kinds and not WHOLE_NUMBER.fullmatch(value):
            errors.append(FieldError("NOT_A_WHOLE_NUMBER", name))
        elif "number" in kinds and not NUMBER.fullmatch(value):
            errors.append(FieldError("NOT_A_NUMBER", name))
    if errors:
        raise Unprocessable(errors=errors)


def _once(errors: Sequence[FieldError]) -> list[FieldError]:
    """Each field's error once: a value that fits no type of a union fails each of them."""
    seen: dict[tuple[str | None, str], FieldError] = {}
    for error in errors:
        seen.setdefault((error.field, error.code), error)
    return list(seen.values())
