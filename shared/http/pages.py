"""Cursors of keyset pages: the last row's key, signed, so that a cursor cannot be forged."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from shared.problems.errors import BadRequest

SIGNATURE_BYTES = 16
LONGEST = 2048
LIMIT = "How many entries a page has at most."
AFTER = "The `next` of the page before; left out: the first page."
"""The descriptions of the parameters of every list."""


class Cursors:
    """The cursors of one list. `key` is the service's secret; cursors of another `list_name` are refused."""

    def __init__(self, key: bytes, list_name: str = "") -> None:
        self._key = hmac.digest(key, b"cursor:" + list_name.encode(), "sha256")

    def encode(self, values: Sequence[Any]) -> str:
        """The cursor of a row's key, given as plain JSON values."""
        content = msgspec.json.encode(list(values))
        return base64.urlsafe_b64encode(self._sign(content) + content).rstrip(b"=").decode()

    def decode(self, cursor: str, types: Any = list) -> Any:
        """The key of a cursor. `types` of its values, such as `tuple[str, UUID]`. Raises BAD_CURSOR (400)."""
        try:
            if not cursor.isascii() or len(cursor) > LONGEST:
                raise ValueError("not a cursor")
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            signature, content = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
            if not hmac.compare_digest(signature, self._sign(content)):
                raise ValueError("not ours")
            return msgspec.json.decode(content, type=types)
        except (ValueError, msgspec.DecodeError):
            raise BadRequest("BAD_CURSOR", field="after") from None

    def _sign(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")[:SIGNATURE_BYTES]
