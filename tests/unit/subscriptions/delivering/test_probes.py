"""What an endpoint may answer to a challenge."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.subscriptions.delivering.probes import WRONG_ANSWER, Probe, fault_of
from services.subscriptions.egress.sending import KEPT_BYTES, Answer

PROBE = Probe(UUID(int=1), UUID(int=2), "verification", "c", datetime(2026, 7, 1, tzinfo=UTC), "verifying", "https://bureau.example/", [])


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (200, b'{"challenge":"c"}', None), (200, b'{"challenge":"c","more":1}', None),
        (200, b'{"challenge":"d"}', WRONG_ANSWER), (200, b"c", WRONG_ANSWER), (200, b"", WRONG_ANSWER), (200, b'["c"]', WRONG_ANSWER),
        (200, b'{"challenge":["c"]}', WRONG_ANSWER), (200, b"\xff", WRONG_ANSWER), (200, b"[" * KEPT_BYTES, WRONG_ANSWER),
        (200, b'{"challenge":' + b"[" * KEPT_BYTES, WRONG_ANSWER), (201, b'{"challenge":"c"}', "STATUS_201"), (302, b"", "STATUS_302"),
    ],
)  # fmt: skip
def test_only_the_challenge_itself_verifies_and_every_answer_settles_the_probe(status: int, body: bytes, fault: str | None) -> None:
    assert fault_of(PROBE, Answer(status, None, body, 0.1)) == fault
