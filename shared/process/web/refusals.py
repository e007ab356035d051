"""The answer to what is refused before the application sees it: an RFC 9457 problem like all others, as bytes of HTTP/1.1."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from shared.problems.errors import MEDIA_TYPE, Problem, entry_of
from shared.problems.languages import preferred


def refusal(code: str, accepted: str, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Head and body of an answer, after which the connection is closed. `accepted`: the languages that the client accepts."""
    problem = Problem(code)
    problem.status = entry_of(code).status
    language = preferred(accepted)
    body = msgspec.json.encode(problem.as_dict(language))
    fields = {
        "content-type": MEDIA_TYPE,
        "content-language": language,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **{name.lower(): value for name, value in problem.headers.items()},
        "connection": "close",
    }
    head = [*default_headers, *((name.encode(), value.encode()) for name, value in fields.items())]
    lines = b"".join(b"%b: %b\r\n" % field for field in head)
    return STATUS_LINE[problem.status] + lines + b"\r\n" + body
