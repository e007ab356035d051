"""The one place where membership is put together: its API and its background roles."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from services.membership import events_in
from services.membership.members.numbering import keep_numbering
from services.membership.needs import Context
from services.membership.settings import Settings
from shared.persons.sealing import PersonKeys
from shared.process.pause import beside
from shared.process.serve import Role
from shared.service.roles import background_roles

if TYPE_CHECKING:
    from fastapi import FastAPI


def context_of(settings: Settings) -> Context:
    """What commands need."""
    keys = PersonKeys(settings.encryption_keys, settings.hash_keys)
    return Context(settings.clock, keys, settings.fingerprint_key, settings.registry_topic, settings.partitions)


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from services.membership.facts import TABLE
    from services.membership.routes import ROUTERS
    from shared.service.api import writing_api
    from shared.writing.routes import ordinary_commands

    return writing_api(settings, ROUTERS, context_of(settings), ordinary=ordinary_commands(TABLE))


def roles(settings: Settings) -> dict[str, Role]:
    """The background roles by name. Beside the consumer, rows of earlier releases are brought under their numbers."""
    found = background_roles(settings, events_in.apply)
    return {**found, "consumer": partial(_consume, found["consumer"], settings)}


async def _consume(consume: Role, settings: Settings, stop: asyncio.Event) -> None:
    """The reader, with the numbering of persons beside it."""
    keys = PersonKeys(settings.encryption_keys, settings.hash_keys)
    async with beside(keep_numbering(settings.dsn, keys, stop)):
        await consume(stop)
