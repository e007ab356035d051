"""What a service adds to the frame of its pages. Its application holds it as `app.state.site`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fastapi import Request

from shared.browser.settings import BrowserSettings
from shared.browser.words import Words
from shared.http.auth import Caller

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FRAME = Path(__file__).parent
FRAME_FILES = ("frame.css", "icon.svg")


@dataclass(frozen=True, slots=True)
class Site:
    """A service's pages.

    - `folder`: holds its `templates/`, which extend the frame's `layout.html`, and its `static/`.
    - `words`: its texts. They have the keys `site` (its name), `refusal.login`, `refusal.forbidden`.
    - `cookies`: the beginning of its cookies' names; one host may serve several services, and cookies know no ports.
    - `scopes`: which a session keeps. Who has none of them cannot come in; the first is the one that a refusal names.
    - `styles`, `scripts`: its files of `static/`, in order.
    - `values(request, words)`: what its templates take on every page.
    - `standing(request, caller, words)`: what the caller may see, in words, for the head of the page.
    """

    folder: Path
    words: type[Words]
    cookies: str
    scopes: Sequence[str]
    styles: Sequence[str]
    scripts: Sequence[str]
    values: Callable[[Request, Any], Mapping[str, Any]]
    standing: Callable[[Request, Caller, Any], str]

    def require(self, caller: Caller) -> None:
        """Raises SCOPE_MISSING (403) for a caller who may not come in."""
        if caller.scopes.isdisjoint(self.scopes):
            caller.require(self.scopes[0])

    @property
    def session_cookie(self) -> str:
        """The name of the cookie that is a session."""
        return f"{self.cookies}_session"

    @property
    def attempt_cookie(self) -> str:
        """The name of the cookie that holds a sign-in that has begun."""
        return f"{self.cookies}_sign_in"

    @property
    def templates(self) -> tuple[Path, Path]:
        """Where templates are looked for."""
        return self.folder / "templates", FRAME / "templates"

    def file(self, name: str) -> Path | None:
        """A file of `static/`, of the service or of the frame; None: there is none of this name."""
        if name in FRAME_FILES:
            return FRAME / "static" / name
        return self.folder / "static" / name if name in (*self.styles, *self.scripts) else None


def site_of(request: Request) -> Site:
    """The pages of the request's service."""
    return cast(Site, request.app.state.site)


def settings_of(request: Request) -> BrowserSettings:
    """The settings of the request's service."""
    return cast(BrowserSettings, request.app.state.settings)
