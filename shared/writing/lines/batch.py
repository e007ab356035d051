"""`POST /v1/batch`: NDJSON of up to 1,000 commands, decided in one transaction; a refused line changes nothing and stops no other.

A line is `{"op","key","body"}`. Its form is checked here; what is well formed goes to the service's `decide`, all at once. A problem's
`field` is the path inside `body`, or `op` or `key`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import language_of
from shared.http.openapi.examples import PREFIX, NoExample, example_of
from shared.http.ordinary import OrdinaryForm
from shared.journal.idempotency import Result
from shared.problems.errors import BadRequest, FieldError, Problem, TooLarge, Unprocessable, UnsupportedMediaType, warnings
from shared.problems.strict_json import values_of
from shared.problems.validation import path_of, problem_of
from shared.writing.lines.bodies import LONGEST_LINE

MOST_LINES = 1000
LONGEST_KEY = 255
ENVELOPE = frozenset({"op", "key", "body"})
MEDIA_TYPE = "application/x-ndjson"
MEDIA_TYPES = frozenset(
    {
        *(MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json"),
        *("", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"),
    }
)
"""Content types that clients send for NDJSON; the last four are defaults of clients (curl's `--data-binary` sends a form's)."""

ANSWER_LINE: dict[str, Any] = {
    "type": "object",
    "required": ["line", "status"],
    "properties": {
        "line": {"type": "integer", "description": "The number of the line in the request, from 1; blank lines count.", "examples": [1]},
        "status": {"type": "integer", "description": "201, or the status of the problem.", "examples": [201]},
        **{
            name: {"description": f"With 201: as `{name}` of the answer to a single command."}
            for name in ("id", "subject", "sequence", "event_ids", "warnings")
        },
        "problem": {"description": "Why the line was refused: a Problem.", "$ref": "#/components/schemas/Problem"},
    },
    "examples": [
        {
            "line": 1,
            "status": 201,
            "id": "01938c5e-7f00-7000-8000-0000000000e1",
            "subject": "enterprise/01938c5e-7f00-7000-8000-0000000000e1",
            "sequence": 1,
            "event_ids": ["01938c5e-7f01-7000-8000-0000000000f1"],
        },
        {"line": 2, "status": 422, "problem": Unprocessable("INVALID_DATE", field="body.on", row=2).as_dict()},
    ],
}
"""The schema of a line of an answer."""

LineResult: TypeAlias = Result | Problem
"""The answer to a line, or why it is refused."""


class Line(msgspec.Struct, frozen=True):
    """A well-formed line: its number from 1, what is to be done, the caller's idempotency key, the validated body and its plain values.

    `body` has the fields of the op's model (`shared.http.ordinary`). `values` are what a fingerprint is made of.
    """

    number: int
    op: str
    key: str | None
    body: Any
    values: dict[str, Any]


Decide: TypeAlias = Callable[[list[Line]], Awaitable[Sequence[LineResult]]]


class NdjsonBatch:
    """The batch of one service: `models` = {op: pydantic model of the body}."""

    def __init__(self, models: Mapping[str, type[BaseModel]]) -> None:
        self._validate = {op: model.__pydantic_validator__.validate_python for op, model in models.items()}
        self._ordinary = {op: OrdinaryForm(model).read for op, model in models.items()}
        self._expected = ", ".join(sorted(models))
        self.openapi = _openapi(models)
        """For the route's `openapi_extra`."""

    async def respond(self, request: Request, decide: Decide) -> Response:
        """The answer to a request. Raises TOO_MANY_LINES (413), EMPTY_BATCH (422), UNSUPPORTED_MEDIA_TYPE (415)."""
        _require_ndjson(request)
        return await self.answer(await request.body(), decide, language_of(request))

    async def answer(self, content: bytes, decide: Decide, language: str = "zh") -> Response:
        """The answer to an NDJSON body, with the titles of problems in a language (zh or en)."""
        numbers, lines, refused = self.read(content)
        results: dict[int, LineResult] = dict(refused)
        if lines:
            decided = await decide(lines)
            results.update((line.number, _in_line(result)) for line, result in zip(lines, decided, strict=True))
        return Response(write(((number, results[number]) for number in numbers), language), 200, media_type=MEDIA_TYPE)

    def read(self, content: bytes) -> tuple[list[int], list[Line], dict[int, Problem]]:
        """(numbers of all lines, the well-formed ones, the problems of the others). Blank lines are none, but count."""
        numbers: list[int] = []
        lines: list[Line] = []
        refused: dict[int, Problem] = {}
        # splitlines would also break at characters that stand inside texts; a pasted file may begin with a mark.
        for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            if not raw or raw.isspace():
                continue
            numbers.append(number)
            if len(numbers) > MOST_LINES:
                raise TooLarge("TOO_MANY_LINES", params={"most": MOST_LINES})
            try:
                lines.append(self._line(number, raw))
            except Problem as problem:
                refused[number] = problem
        if not numbers:
            raise Unprocessable("EMPTY_BATCH")
        return numbers, lines, refused

    def _line(self, number: int, raw: bytes) -> Line:
        if len(raw) > LONGEST_LINE:
            raise TooLarge("LINE_TOO_LARGE", row=number, params={"most": LONGEST_LINE})
        try:
            envelope = values_of(raw)
        except Problem as problem:
            raise problem.at_row(number) from None
        except (ValueError, RecursionError):
            raise BadRequest("BROKEN_JSON", row=number) from None
        if errors := _faults(envelope, number):
            raise Unprocessable(errors=errors)
        validate = self._validate.get(envelope["op"])
        if validate is None:
            raise Unprocessable("UNKNOWN_OP", field="op", row=number, params={"expected": self._expected})
        key, body = envelope.get("key"), envelope["body"]
        if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() and " " not in key):
            raise Unprocessable("BAD_IDEMPOTENCY_KEY", field="key", row=number)
        op = envelope["op"]
        if (ordinary := self._ordinary[op](body)) is not None:
            return Line(number, op, key, ordinary, body)
        try:
            return Line(number, op, key, validate(body), body)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            raise problem_of([{**fault, "loc": ("body", *fault["loc"])} for fault in faults], number) from None


def values_of_batch(content: bytes, lines: Sequence[Line]) -> list[Any]:
    """A batch as plain values, for its fingerprint: number, op, key and body of each well-formed line, and the bytes of the others."""
    known = {line.number for line in lines}
    others = [
        [number, raw.strip().decode("latin-1")]
        for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
        if number not in known and raw and not raw.isspace()
    ]
    return [[[line.number, line.op, line.key, line.values] for line in lines], others]


def _faults(envelope: Any, number: int) -> list[FieldError]:
    """What is wrong with a line as such, before its op and body are looked at."""
    if not isinstance(envelope, dict):
        return [FieldError("NOT_AN_OBJECT", None, number)]
    op, key, body = envelope.get("op"), envelope.get("key", ""), envelope.get("body")
    if isinstance(op, str) and isinstance(key, str) and isinstance(body, dict) and envelope.keys() <= ENVELOPE:
        return []
    errors = [FieldError("FIELD_REQUIRED", name, number) for name in ("op", "body") if name not in envelope]
    errors += [FieldError("NOT_A_TEXT", name, number) for name in ("op", "key") if not isinstance(envelope.get(name, ""), str | None)]
    if envelope.get("op", "") is None:
        errors.append(FieldError("NOT_A_TEXT", "op", number))
    if not isinstance(envelope.get("body", {}), dict):
        errors.append(FieldError("NOT_AN_OBJECT", "body", number))
    if unknown := envelope.keys() - ENVELOPE:
        errors.append(FieldError("UNKNOWN_FIELD", path_of([min(unknown)]), number))
    return errors


def _in_line(result: LineResult) -> LineResult:
    """A command's key is a header, that of a line is its field `key`: an error about the key names the field."""
    if isinstance(result, Problem):
        result.errors = [replace(error, field="key") if error.field == "Idempotency-Key" else error for error in result.errors]
    return result


def write(results: Iterable[tuple[int, LineResult]], language: str = "zh") -> bytes:
    """NDJSON of `(number, result)`: 201 with the resource, or the problem with its status and its title in a language (zh or en)."""
    answers: list[dict[str, Any]] = []
    for number, result in results:
        if isinstance(result, Problem):
            answers.append({"line": number, "status": result.status, "problem": result.at_row(number).as_dict(language)})
            continue
        answer = {
            "line": number,
            "status": 201,
            "id": result.id,
            "subject": result.subject,
            "sequence": result.sequence,
            "event_ids": result.event_ids,
        }
        if warned := result.warned:
            answer["warnings"] = warnings(warned)
        answers.append(answer)
    return msgspec.json.Encoder().encode_lines(answers)


def _require_ndjson(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise UnsupportedMediaType("UNSUPPORTED_MEDIA_TYPE", params={"expected": MEDIA_TYPE})


def _openapi(models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Request and answer for the OpenAPI document, which knows no lists of lines: `x-line` is the schema of one."""
    ops = ", ".join(f"`{op}`" for op in models)
    lines = [_line_schema(op, model) for op, model in models.items()]
    examples = [line["examples"][0] for line in lines if "examples" in line]
    description = f"One JSON object a line, {MOST_LINES} lines and 8 MiB at most, {LONGEST_LINE} bytes a line. Ops: {ops}."
    answer = "One JSON object a line, in order: `line`, `status`, and the fields of a 201 answer or `problem`."
    return {
        "requestBody": {
            "required": True,
            "description": description,
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "x-line": {"oneOf": lines}}, "example": _ndjson(examples[:2])}},
        },
        "responses": {
            "200": {
                "description": answer,
                "content": {MEDIA_TYPE: {"schema": {"type": "string", "x-line": ANSWER_LINE}, "example": _ndjson(ANSWER_LINE["examples"])}},
            }
        },
    }


def _line_schema(op: str, model: type[BaseModel]) -> dict[str, Any]:
    body = model.model_json_schema(ref_template=f"{PREFIX}{{model}}")
    known = body.pop("$defs", {})
    line: dict[str, Any] = {
        "type": "object",
        "required": ["op", "body"],
        "additionalProperties": False,
        "properties": {
            "op": {"const": op, "description": "What is to be done."},
            "key": {
                "type": ["string", "null"],
                "minLength": 1,
                "maxLength": LONGEST_KEY,
                "description": "As the header Idempotency-Key of a single command.",
                "examples": ["2026-07-01/4711"],
            },
            "body": body,
        },
    }
    with suppress(NoExample):
        line["examples"] = [{"op": op, "key": "2026-07-01/4711", "body": example_of(body, known)}]
    return line


def _ndjson(lines: Sequence[Any]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
