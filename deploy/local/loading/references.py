"""Ids by what rows name: an id, a credit code or registration number of an enterprise, or the key of an earlier row.

Keys are looked up where the earlier row went: in this run, or by `POST /v1/keys` of the service, which knows what keys answered for 30 days.
So an import goes on with the keys of another one, on another day and another machine.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from deploy.local.loading.api import Apis
from deploy.local.loading.kinds import EVENT, Kind, Mention, kinds, made_by
from deploy.local.loading.rows import ParsedRow, key_of
from shared.contracts.ids import FORM
from shared.problems.errors import FieldError
from shared.problems.texts import code_form

MOST_KEYS = 500
MOST_REMEMBERED = 200_000
AT_ONCE = 4
"""Look-ups of codes in flight."""
CODES = {"credit_code": re.compile(r"[0-9A-Z]{18}", re.ASCII), "registration_number": re.compile(r"\d{15}", re.ASCII)}
"""{field of an enterprise: form of its code}"""
MANY_DIGITS = re.compile(r"\d{6}")


class Made(NamedTuple):
    """What a row made: the id answered, and the ids of its events. `service` recorded it."""

    service: str
    id: str
    events: tuple[str, ...]


class References:
    """What names stand for. `made` remembers the rows of this run; `lost` are the keys of rows that were refused in this run."""

    def __init__(self, apis: Apis, origin: str = "") -> None:
        self._apis = apis
        self._origin = origin
        self._codes: dict[str, str | None] = {}
        self._made: dict[str, Made] = {}
        self._lost: set[str] = set()
        self._ids: dict[str, Made] = {}
        """Names that are ids: the rows of an enterprise all name it."""

    def made(self, key: str, made: Made | None) -> None:
        """Remember what the row with this idempotency key made; None: it was refused."""
        if made is None:
            self._lost.add(key)
            return
        self._made[key] = made

    def keys_of(self, mention: Mention, name: str) -> Iterator[tuple[str, str]]:
        """(service, idempotency key) of the rows that may have made what `name` names; none if it is an id."""
        if is_id(name):
            return
        own, _, _ = name.partition("#")
        if mention.noun == EVENT:
            kind, _, rest = own.partition("/")
            if (found := kinds().get(kind)) is not None and rest:
                yield from ((service, key_of(kind, rest, self._origin)) for service in found.services)
            return
        for kind_made in made_by(mention.noun):
            yield from ((service, key_of(kind_made.name, name, self._origin)) for service in kind_made.services)

    async def learn(self, kind: Kind, rows: Sequence[ParsedRow]) -> None:
        """Look up all that these rows name."""
        for remembered in (self._codes, self._made, self._ids):
            if len(remembered) > MOST_REMEMBERED:
                remembered.clear()
        codes: set[str] = set()
        keys: dict[str, set[str]] = {}
        for mention, name in named_by(kind, rows):
            if mention.noun == "enterprise" and (code := code_of(name)) and self._codes.get(code) is None:
                codes.add(code)
            for service, key in self.keys_of(mention, name):
                if key not in self._made and key not in self._lost:
                    keys.setdefault(service, set()).add(key)
        slots = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._find_code(code, slots) for code in sorted(codes)))
        for service, wanted in keys.items():
            for start in range(0, len(wanted), MOST_KEYS):
                answer = await self._apis.post(service, "/v1/keys", {"keys": sorted(wanted)[start : start + MOST_KEYS]})
                for found in answer["items"]:
                    self.made(found["key"], Made(service, found["id"], tuple(found["event_ids"])))

    async def _find_code(self, code: str, slots: asyncio.Semaphore) -> None:
        async with slots:
            found = await self._apis.get("registry", "/v1/enterprises", {"q": code, "limit": 10})
        ids = [str(item["id"]) for item in found["items"] if code in (item.get(field) for field in CODES)]
        self._codes[code] = ids[0] if ids else None

    def resolve(self, kind: Kind, row: ParsedRow) -> list[FieldError]:
        """Put ids in the place of names, after `learn`; what is wrong with the names that stand for nothing."""
        errors: list[FieldError] = []
        for mention in kind.mentions:
            given = row.body.get(mention.field)
            if given is None:
                continue
            names = given if mention.many else [given]
            ids: list[str] = []
            for n, name in enumerate(names):
                found = self._id_of(mention, name)
                if isinstance(found, FieldError):
                    field = f"{mention.field}.{n}" if mention.many else mention.field
                    errors.append(FieldError(found.code, field, row.number, found.params))
                    continue
                ids.append(found.id if mention.noun != EVENT else found.events[0])
                if mention.noun == EVENT and found.service:
                    row.service = found.service
            row.body[mention.field] = ids if mention.many else (ids[0] if ids else given)
        return errors

    def _id_of(self, mention: Mention, given: str) -> Made | FieldError:
        if (known := self._ids.get(given)) is not None:
            return known
        name = code_form(given)
        if is_id(name):
            own = self._ids[given] = Made("", name.lower(), (name.lower(),))
            return own
        if mention.noun == "enterprise" and (code := code_of(name)) and (found := self._codes.get(code)):
            return Made("", found, ())
        keys = [key for _, key in self.keys_of(mention, name)]
        made = next((self._made[key] for key in keys if key in self._made), None)
        if made is None:
            lost = any(key in self._lost for key in keys)
            return FieldError("NOT_LOADED_BEFORE_IT" if lost else "UNKNOWN_REFERENCE", params={"what": shown(name), "value": shown(name)})
        if mention.noun != EVENT:
            return made
        _, _, place = name.partition("#")
        if not (place or "0").isdecimal() or int(place or "0") >= len(made.events):
            return FieldError("UNKNOWN_REFERENCE", params={"value": shown(name)})
        return made._replace(events=(made.events[int(place or "0")],))


def mentioned(kind: Kind, row: ParsedRow) -> Iterator[tuple[Mention, str]]:
    """(field, name) of all that a row names."""
    for mention in kind.mentions:
        given: Any = row.body.get(mention.field)
        for name in given or [] if mention.many else [given]:
            if isinstance(name, str):
                yield mention, code_form(name)


def named_by(kind: Kind, rows: Sequence[ParsedRow]) -> Iterator[tuple[Mention, str]]:
    """(field, name) of all that these rows name, each once."""
    for mention in kind.mentions:
        given = [row.body.get(mention.field) for row in rows]
        names = {name for value in given for name in value or []} if mention.many else set(given)
        yield from ((mention, name) for name in {code_form(name) for name in names if isinstance(name, str)})


def code_of(name: str) -> str | None:
    """The code that a name is, in its normal form; None if it has not the form of one."""
    code = "".join(name.split()).upper()
    return code if any(form.fullmatch(code) for form in CODES.values()) else None


def is_id(name: str) -> bool:
    """Whether it is a UUID in full."""
    if FORM.fullmatch(name):
        return True
    try:
        UUID(name)
    except ValueError:
        return False
    return len(name) == 36


def shown(name: str) -> str:
    """A name as messages show it: of one with many digits, which may be a person's number, only the beginning."""
    return f"{name[:6]}…" if MANY_DIGITS.search(name) else name
