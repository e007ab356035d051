"""The URL of an endpoint: its form, and its host in the one form that is resolved, checked, connected to and named in TLS. Pure.

The rules for hosts are those of the WHATWG URL Standard: a host whose last label is a number is an IPv4 address, however it is written
(decimal, octal, hexadecimal, fewer than four parts), and no name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import idna
from yarl import URL

from services.subscriptions.egress.guard import Address, Network, is_allowed, permitted

MOST_CHARACTERS = 2000
PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(r"[\x21-\x7e\u00a1-\U0010ffff]+")
"""No blanks, no control characters."""
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


class UrlError(ValueError):
    """A URL that no request may go to; `code`: of docs/problems.md."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `host`: canonical; `address`: the host as an address, None: it is a name. `url`: with the canonical host."""

    url: URL
    host: str
    port: int
    address: Address | None

    @property
    def secure(self) -> bool:
        """Whether it is https."""
        return self.url.scheme == "https"


def check_url(url: str, allowed: Sequence[Network] = ()) -> str | None:
    """What is wrong with the form of an endpoint's URL, as a problem's code; None: nothing. Asks no resolver.

    Codes: URL_TOO_LONG, INVALID_URL, URL_NOT_HTTPS, URL_WITH_USER_INFO, URL_WITH_FRAGMENT, ADDRESS_NOT_ALLOWED. `http` passes here where
    networks are allowed at all and the host is a name: `resolving.check_endpoint` tells whether its addresses lie in them.
    """
    try:
        target = parsed(url)
    except UrlError as error:
        return error.code
    if not target.secure and not allowed:
        return "URL_NOT_HTTPS"
    if target.address is None:
        return None
    return refusal(target, [str(target.address)], allowed)


def refusal(target: Target, addresses: Sequence[str], allowed: Sequence[Network]) -> str | None:
    """Why a request may not go to a host with these addresses, as a problem's code; None: it may go to any of them.

    Codes: UNRESOLVABLE_HOST (no address), ADDRESS_NOT_ALLOWED, URL_NOT_HTTPS (http, and not all addresses lie in allowed networks).
    """
    if not addresses:
        return "UNRESOLVABLE_HOST"
    if not all(permitted(one, allowed) for one in addresses):
        return "ADDRESS_NOT_ALLOWED"
    if not target.secure and not all(is_allowed(one, allowed) for one in addresses):
        return "URL_NOT_HTTPS"
    return None


def parsed(url: str) -> Target:
    """The target of a URL. Raises UrlError (URL_TOO_LONG, INVALID_URL, URL_NOT_HTTPS for another scheme, URL_WITH_USER_INFO, URL_WITH_FRAGMENT)."""
    if len(url) > MOST_CHARACTERS:
        raise UrlError("URL_TOO_LONG")
    if not _PLAIN.fullmatch(url) or "\\" in url:
        raise UrlError("INVALID_URL")
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise UrlError("INVALID_URL")
    if scheme.lower() not in PORTS:
        raise UrlError("URL_NOT_HTTPS")
    if "#" in rest:
        raise UrlError("URL_WITH_FRAGMENT")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise UrlError("URL_WITH_USER_INFO")
    host, address = _host(authority)
    try:
        read = URL(url)
        target = read.with_host(str(address) if address is not None else host)
        port = target.port
    except (ValueError, TypeError):
        raise UrlError("INVALID_URL") from None
    if not port or read.user is not None:
        raise UrlError("INVALID_URL")
    return Target(target, host, port, address)


def _host(authority: str) -> tuple[str, Address | None]:
    """The canonical host of `host[:port]`, and as an address if it is one. Raises UrlError."""
    if authority.startswith("["):
        inner, closed, port = authority[1:].partition("]")
        if not closed or "%" in inner or not re.fullmatch(r"(:[0-9]{1,5})?", port):
            raise UrlError("INVALID_URL")
        try:
            address = IPv6Address(inner)
        except ValueError:
            raise UrlError("INVALID_URL") from None
        return str(address), address
    name, colon, port = authority.partition(":")
    if colon and not re.fullmatch(r"[0-9]{1,5}", port):
        raise UrlError("INVALID_URL")
    return canonical_host(name)


def canonical_host(name: str) -> tuple[str, Address | None]:
    """A host name in lower case, as IDNA, without a trailing dot; or the IPv4 address that it writes. Raises UrlError (INVALID_URL)."""
    try:
        ascii_name = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise UrlError("INVALID_URL") from None
    ascii_name = ascii_name.removesuffix(".")
    labels = ascii_name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        address = _ipv4(labels)
        return str(address), address
    if len(ascii_name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlError("INVALID_URL")
    return ascii_name, None


def _ipv4(parts: Sequence[str]) -> IPv4Address:
    """One to four numbers, decimal, octal (0…) or hexadecimal (0x…); the last one fills the bytes that are left. Raises UrlError."""
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise UrlError("INVALID_URL")
    try:
        *front, last = (_number(part) for part in parts)
    except ValueError:
        raise UrlError("INVALID_URL") from None
    if any(one > 255 for one in front) or last >= 256 ** (5 - len(parts)):
        raise UrlError("INVALID_URL")
    return IPv4Address(sum(one << 8 * (3 - at) for at, one in enumerate(front)) + last)


def _number(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if len(part) > 1 and part.startswith("0") else int(part)
