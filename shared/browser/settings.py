"""The settings of a service with pages for browsers."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from shared.process.settings import Names, ServiceSettings

URL = re.compile(r"https?://(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?/?")
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104


def _public_url(value: str | None, told: ValidationInfo) -> str | None:
    if value is None:
        if told.data.get("host") in EVERY_ADDRESS:
            raise ValueError("is needed where the service listens on every address")
        return None
    found = URL.fullmatch(value)
    if found is None:
        raise ValueError("must be written https://host or https://host:port")
    return value.rstrip("/")


def _without_slash(value: str | None) -> str | None:
    return value.rstrip("/") if value else None


class BrowserSettings(ServiceSettings):
    """Environment variables with the prefix `PARKUNION_`."""

    public_url: Annotated[str | None, AfterValidator(_public_url), Field(validate_default=True)] = None
    """URL under which browsers reach the pages: `https://host[:port]`. Needed where the service listens on every address; by default
    `http://` with `host` and `port`. Addresses for logins are built from it, never from a request; with https, cookies are Secure."""
    data_label_zh: str = ""
    data_label_en: str = ""
    """Label in the pages' titles for synthetic or foreign data; empty for the deployment's own data."""
    session_hours: float = Field(8, gt=0, le=8)
    """Longest lifetime of a browser's session in hours; it ends with its token if that is sooner."""
    sign_in_issuer: Annotated[str | None, AfterValidator(_without_slash)] = None
    """The OpenID provider at which officers sign in, as its description calls itself; none: only one-time codes let browsers in."""
    sign_in_client_id: str
    """This service's name at the provider. Its redirect URI there: `<public_url>/sign-in/callback`."""
    sign_in_client_secret: SecretStr | None = None
    """For a confidential client; a public one is protected by PKCE alone."""
    sign_in_scope: str
    """The scopes that are asked for, `openid` among them."""
    sign_in_algorithms: Names = Field(default_factory=lambda: ["RS256", "ES256"])
    """Accepted signature algorithms of ID tokens."""
    sign_in_client_claim: str = ""
    """The claim of the ID token that names the client for which a person acts. Empty, or a token without the claim: the person's own `sub`."""

    @property
    def base_url(self) -> str:
        """The URL under which browsers reach the pages, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def https(self) -> bool:
        """Whether browsers use https, so that cookies are Secure."""
        return self.base_url.startswith("https:")
