"""The body that the dashboard's own API answers."""

from __future__ import annotations

from pydantic import BaseModel


class LoginCode(BaseModel):
    """An address that opens the dashboard in a browser, within ten minutes and once."""

    url: str
