"""The routes of a writing service: `from shared.writing.routes import writing_router`."""

from shared.writing.routes.batch import line_fingerprint
from shared.writing.routes.events import After, EventsRoute, Limit
from shared.writing.routes.one_command import one, ordinary_commands
from shared.writing.routes.router import writing_router

__all__ = ["After", "EventsRoute", "Limit", "line_fingerprint", "one", "ordinary_commands", "writing_router"]
