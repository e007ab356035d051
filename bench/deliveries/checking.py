"""Whether what endpoints got is right: every number once, each subject in order, signatures by the published keys."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bench.deliveries.receiver import Got, Sample


def disordered(got: Iterable[Got]) -> int:
    """How many came after a later number of their subscription and subject."""
    last: dict[tuple[str, str], int] = {}
    found = 0
    for one in got:
        subscription, _, number = one.webhook_id.partition(".")
        key = subscription, one.subject
        found += last.get(key, 0) > int(number)
        last[key] = int(number)
    return found


def differences(got: Sequence[Got], owed: Mapping[UUID, int], before: Mapping[UUID, int] | None = None) -> list[str]:
    """What is wrong; `owed` = {subscription: the last number that it was assigned}, `before`: the last that had come before."""
    counts: Counter[tuple[str, int]] = Counter()
    for one in got:
        subscription, _, number = one.webhook_id.partition(".")
        counts[subscription, int(number)] += 1
    wanted = {
        (str(subscription), number)
        for subscription, count in owed.items()
        for number in range((before or {}).get(subscription, 0) + 1, count + 1)
    }
    found = {
        "missing": len(wanted - counts.keys()),
        "unknown": len(counts.keys() - wanted),
        "more than once": sum(count > 1 for count in counts.values()),
        "out of order": disordered(got),
    }
    return [f"{count} {what}" for what, count in found.items() if count]


def published_keys(url: str) -> list[Ed25519PublicKey]:
    """The keys of a service's JWK set."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/.well-known/jwks.json", timeout=10) as answer:
        return keys_of(json.load(answer)["keys"])


def keys_of(keys: Iterable[Mapping[str, str]]) -> list[Ed25519PublicKey]:
    """JWKs as keys."""
    return [Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "==")) for key in keys]


def wrongly_signed(samples: Sequence[Sample], keys: Sequence[Ed25519PublicKey]) -> int:
    """How many of these requests no key has signed."""
    return sum(not any(_signed(one, key) for key in keys) for one in samples)


def _signed(one: Sample, key: Ed25519PublicKey) -> bool:
    content = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
    for signature in one.headers["webhook-signature"].split():
        version, _, text = signature.partition(",")
        try:
            if version == "v1a":
                key.verify(base64.b64decode(text), content)
                return True
        except InvalidSignature:
            continue
    return False
