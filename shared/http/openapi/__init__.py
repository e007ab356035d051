"""The OpenAPI document of a service: what FastAPI makes of its routes, and what all routes have in common."""

from __future__ import annotations

from shared.http.openapi.document import COMMON, describe
from shared.http.openapi.headers import TAGGED
from shared.http.openapi.problems import adding, of_batches, of_commands, warnings_of

__all__ = ["COMMON", "TAGGED", "adding", "describe", "of_batches", "of_commands", "warnings_of"]
