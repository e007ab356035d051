"""A manifest as it is answered and kept in a file: its head, signed as a JWS, beside the entries that the head's chain fixes. Pure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from shared.manifests.chain import STATES, WITHHELD, Entry

VERSION = 1
ALGORITHM: Final = "EdDSA"
TYPE: Final = "parkunion-manifest+json"
"""`typ` in the header of the JWS: a signature over anything else is none over a manifest."""
_EVENT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HASH = re.compile(r"[0-9a-f]{64}")
_NUMBERS = re.compile(r"[1-9][0-9]*(,[1-9][0-9]*)*")
_FIELDS = {"number", "event_id", "hash", "state", "corrects", "again"}


class NotAManifest(ValueError):
    """The file holds no manifest of this version. The text says what is wrong with it, in Chinese and in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh, self.en = zh, en


class KeyUnknown(Exception):
    """The key set has no key under the `kid` that the signature names."""


class SignatureWrong(Exception):
    """The signature is not one over this manifest by the key that it names."""


class Previous(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last day before that has numbers: its last number, and the last link of its chain as it was when this manifest was made."""

    day: date
    last: int
    chain: str


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed. `first`, `last`: numbers, None on a day without any. `made_at`: RFC 3339. `chain`, `again`: over the entries (chain.py). `complete`: the day is over and none of its
    numbers is queued, so that the manifest changes only if something is asked for again."""

    version: int
    subscription: str
    client: str
    day: date
    made_at: str
    count: int
    first: int | None
    last: int | None
    chain: str
    again: str
    previous: Previous | None
    complete: bool

    def body(self) -> dict[str, Any]:
        """As plain JSON values."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was read: `plain` = the fields beside the signature, `jws` in compact form."""

    plain: Head
    entries: list[Entry]
    jws: str


def signed(head: Head, key: OKPKey, kid: str) -> str:
    """The head as a JWS in compact form."""
    with warnings.catch_warnings():
        # RFC 9864 names the algorithm anew; the key set says EdDSA, which every library knows.
        warnings.simplefilter("ignore")
        return jws.serialize_compact(
            {"alg": ALGORITHM, "kid": kid, "typ": TYPE}, msgspec.json.encode(head.body()), key, algorithms=[ALGORITHM]
        )


def answer_of(head: Head, entries: list[Entry], token: str) -> dict[str, Any]:
    """The manifest as it is answered."""
    return {**head.body(), "entries": [one.body() for one in entries], "jws": token}


def read(answer: Any) -> Manifest:
    """Read what `answer_of` made. Raises NotAManifest."""
    if not isinstance(answer, Mapping):
        raise NotAManifest("文件不是 JSON 对象", "the file is no JSON object")
    if answer.get("version") != VERSION:
        raise NotAManifest(f"清单版本不是 {VERSION}", f"the version of the manifest is not {VERSION}")
    fields = {name: value for name, value in answer.items() if name not in ("entries", "jws")}
    token, listed = answer.get("jws"), answer.get("entries")
    if not isinstance(token, str) or not isinstance(listed, list):
        raise NotAManifest("缺少 jws 或 entries", "`jws` or `entries` is missing")
    try:
        head = msgspec.convert(fields, Head)
    except msgspec.ValidationError as error:
        raise NotAManifest(f"清单格式不对:{error}", f"this is not the form of a manifest: {error}") from error
    return Manifest(head, [_entry(one) for one in listed], token)


def _entry(one: Any) -> Entry:
    """One entry; strict, so that no two lists of entries give the chain the same lines."""
    if not isinstance(one, Mapping) or set(one) != _FIELDS:
        raise NotAManifest("entries 中有一项格式不对", "one of the entries has not the form of an entry")
    number, event_id, digest, state, corrects, again = (one[name] for name in ("number", "event_id", "hash", "state", "corrects", "again"))
    if (
        not isinstance(number, int)
        or isinstance(number, bool)
        or not (event_id is None or (isinstance(event_id, str) and _EVENT_ID.fullmatch(event_id)))
        or not (digest is None or (isinstance(digest, str) and _HASH.fullmatch(digest)))
        or state not in STATES
        or not (corrects is None or (isinstance(corrects, str) and _NUMBERS.fullmatch(corrects)))
        or not (again is None or again == WITHHELD or (isinstance(again, str) and _HASH.fullmatch(again)))
    ):
        raise NotAManifest(f"编号 {number!r} 一项的内容不对", f"the entry of number {number!r} does not hold what it should")
    return Entry(number, event_id, digest, state, corrects, again)


def signed_head(token: str, jwks: Mapping[str, Any]) -> Head:
    """The head that a JWS signs. Raises KeyUnknown or SignatureWrong."""
    try:
        unverified = jws.extract_compact(token.encode())
        kid = unverified.protected.get("kid")
        if unverified.protected.get("alg") != ALGORITHM or unverified.protected.get("typ") != TYPE:
            raise SignatureWrong
        usable = [one for one in jwks.get("keys", []) if isinstance(one, Mapping) and one.get("kid") == kid]
        if not isinstance(kid, str) or not usable:
            raise KeyUnknown
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keys = KeySet([OKPKey.import_key(dict(one)) for one in usable])
            found = jws.deserialize_compact(token.encode(), keys, algorithms=[ALGORITHM])
        return msgspec.convert(msgspec.json.decode(found.payload), Head)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise SignatureWrong from error
