"""A connection of the web server: limits on what is read of a request, before and while it is parsed, so that no client can hold the process.

uvicorn has none of these limits with httptools: a header line of 128 MiB costs 16 s, since its parts are joined again with each that arrives,
and a connection that sends nothing, or a byte now and then, stays open for ever. Refusals are RFC 9457 problems like all others.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from math import inf
from typing import Any

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.process.web.limits import Peers
from shared.process.web.refusals import refusal

PIECE = 8192
"""Bytes of a head that the parser gets at a time."""
LINE_REST = len(b"  HTTP/1.1\r\n")
"""Bytes of a request line besides the method and the target."""
FIELD_REST = len(b": \r\n")
"""Bytes of a header line besides the name and the value."""
MOST_DROPPED = 16 * 2**20
"""Bytes of a body that are read after its answer."""
LINGER = 1.0
"""Seconds for which the bytes after a refusal are read and dropped: closing at once would reset the connection, and the answer could be lost."""

log = structlog.get_logger()


class Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()
    """Request line and headers, also those of a first request that has not begun."""
    BODY = auto()
    ANSWER = auto()
    """The application's."""
    IDLE = auto()
    """The next request."""
    REFUSED = auto()
    """Its end; what still arrives is dropped."""


class _RefusedHead(Exception):
    """The head is too large. Stops the parser."""


class LimitedConnection(HttpToolsProtocol):
    """uvicorn's connection with limits. `check` is to be called about once a second."""

    def __init__(self, peers: Peers, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._peers = peers
        self._limits = peers.limits
        self._peer = ""
        self._phase = Phase.HEAD
        self._deadline = inf
        self._head = 0
        """Bytes of the head that the parser has got, without those of the current piece."""
        self._piece = 0
        """Bytes of the current piece."""
        self._body = 0
        self._body_began = 0.0
        self._without_body = 0
        """Bytes since the last part of the body: extensions and trailers of a chunked one."""
        self._has_body = False
        """Whether the current piece holds a part of the body."""
        self._dropped = 0
        self._unread_since = inf
        self._too_large = ""
        self.url = b""

    # The transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.time() + self._limits.head_seconds
        self._peer, admitted = self._peers.enter(self.client[0] if self.client else "")
        if not admitted:
            self._answer("TOO_MANY_CONNECTIONS")
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._peers.leave(self._peer)
        self._peer = ""

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.REFUSED:
            return
        self._unset_keepalive_if_required()
        if self._phase is Phase.IDLE:
            self._begin_head()
        while self._phase is Phase.HEAD and len(data) > PIECE:
            self._parse(data[:PIECE])
            data = data[PIECE:]
        self._parse(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = inf

    # Parsing

    def _parse(self, piece: bytes) -> None:
        if self._phase is Phase.REFUSED:
            return
        began, self._piece, self._has_body = self._phase, len(piece), False
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is offered: the request is answered as any other
        except httptools.HttpParserError:
            self._refuse(self._too_large or "MALFORMED_REQUEST")
            return
        if self._phase is Phase.HEAD:
            self._head += self._piece
            if len(self.url) > self._limits.request_line:
                self._refuse("URI_TOO_LONG")
            elif self._head > self._limits.request_line + self._limits.headers + PIECE:
                self._refuse("HEADERS_TOO_LARGE")
        elif began is self._phase is Phase.BODY:
            self._count_body(self._piece)

    def _count_body(self, size: int) -> None:
        self._body += size
        self._without_body = 0 if self._has_body else self._without_body + size
        if self._without_body > self._limits.headers:
            self._refuse("HEADERS_TOO_LARGE")
        elif self.cycle.response_complete:
            self._dropped += size
            if self._dropped > MOST_DROPPED:
                self._close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._phase is not Phase.HEAD:
            self._begin_head()
        self._head = 0

    def _begin_head(self) -> None:
        self._phase, self._head = Phase.HEAD, 0
        # The next head waits for the answer before it, as long as that takes.
        self._deadline = inf if self._answering() else self.loop.time() + self._limits.head_seconds

    def on_headers_complete(self) -> None:
        if self._head + self._piece > self._limits.request_line:
            self._require_small_head()
        super().on_headers_complete()
        self._phase = Phase.BODY
        self._body = self._without_body = self._dropped = 0
        self._body_began = self.loop.time()
        self._deadline = self._body_began + self._limits.body_seconds

    def _require_small_head(self) -> None:
        """Raises _RefusedHead by the exact sizes of a head that has been read."""
        if len(self.parser.get_method()) + len(self.url) + LINE_REST > self._limits.request_line:
            self._too_large = "URI_TOO_LONG"
        elif sum(len(name) + len(value) + FIELD_REST for name, value in self.headers) > self._limits.headers:
            self._too_large = "HEADERS_TOO_LARGE"
        if self._too_large:
            raise _RefusedHead

    def on_body(self, body: bytes) -> None:
        self._has_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._answering():
            self._phase, self._deadline = Phase.ANSWER, inf
        else:
            self._phase, self._deadline = Phase.IDLE, self.loop.time() + self._limits.idle_seconds

    def on_response_complete(self) -> None:
        super().on_response_complete()
        now = self.loop.time()
        if self.transport.is_closing():
            self._phase, self._deadline = Phase.REFUSED, now + self._limits.unread_seconds
        elif self._answering():
            return
        elif self._phase is Phase.ANSWER:
            self._phase, self._deadline = Phase.IDLE, now + self._limits.idle_seconds
        elif self._phase is Phase.HEAD:
            self._deadline = now + self._limits.head_seconds

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    # Deadlines

    def check(self, now: float) -> None:
        """Close or refuse the connection if a deadline has passed. `now` by the loop's clock."""
        if now - self._unread_since > self._limits.unread_seconds:
            self.transport.abort()
        elif self._phase is Phase.BODY and self.flow.read_paused:
            # The application is slower than the client.
            self._body, self._body_began, self._deadline = 0, now, now + self._limits.body_seconds
        elif now >= self._deadline:
            self._expire(now)

    def _expire(self, now: float) -> None:
        if self._phase is Phase.REFUSED or self.transport.is_closing():
            self.transport.abort()
        elif self._phase is Phase.IDLE or (self._phase is Phase.HEAD and not self._head):
            self._close()
        elif self._phase is Phase.HEAD:
            self._refuse("REQUEST_TIMEOUT")
        else:
            self._deadline = self._body_began + self._limits.body_seconds + self._body / self._limits.body_rate
            if now >= self._deadline:
                self._refuse("REQUEST_TIMEOUT")

    # The end

    def _refuse(self, code: str) -> None:
        """Answer with a problem, unless another answer is on its way, and close the connection."""
        log.info("http.refused", code=code)
        own_answer = self._phase is Phase.HEAD
        cycle = self.cycle
        if self._answering() and self._phase is not Phase.BODY:
            # The answer before it is completed, and then the connection closed.
            cycle.keep_alive = False
            self._phase, self._deadline = Phase.REFUSED, inf
            return
        if self._answering():
            # The request of this body: its handler learns that the client is gone.
            own_answer = not cycle.response_started and not self.pipeline
            cycle.disconnected = True
            cycle.message_event.set()
        if own_answer:
            self._answer(code)
        if own_answer and self.transport.can_write_eof():
            self.transport.write_eof()
            self._phase, self._deadline = Phase.REFUSED, self.loop.time() + LINGER
        else:
            self._close()

    def _answer(self, code: str) -> None:
        accepted = next((value for name, value in self.headers or () if name == b"accept-language"), b"")
        self.transport.write(refusal(code, accepted.decode("latin-1"), self.server_state.default_headers))

    def _close(self) -> None:
        self._phase, self._deadline = Phase.REFUSED, self.loop.time() + self._limits.unread_seconds
        self.transport.close()
