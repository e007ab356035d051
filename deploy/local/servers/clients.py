"""Clients of the local issuer besides its own: who may fetch tokens, for what, and where.

DIR/clients.json (0600) holds `{name: {"scopes": […], "areas": […], "key": public JWK}}`; each client's private key is in
DIR/keys/clients/<name>.json (0600) alone. The issuer reads the file at each use, so a change is in force at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from deploy.local.errors import UserError
from deploy.local.folder import Folder, read_json, write_private
from deploy.local.servers import people
from shared.contracts.services import SCOPES
from shared.problems.personal import holds_resident_number

OWN = "parkunion-local"
"""The client of the stack's own commands, with every scope and area."""
RESERVED = (OWN, *people.CLIENTS)
NAME = re.compile(r"(?=[._-]*[A-Za-z0-9])[A-Za-z0-9._-]{1,64}")


class UnknownClientError(UserError):
    """The folder has no client of this name."""

    code = 2

    def __init__(self, name: str, known: Sequence[str]) -> None:
        has = " ".join(known)
        super().__init__(
            f"没有客户端 {name};" + (f"现有:{has}" if known else "请先执行 client add"),
            f"there is no client {name}; " + (f"there are {has}" if known else "add it by client add"),
        )


@dataclass(frozen=True, slots=True)
class Client:
    """A client and the most that its tokens may say. `areas`: codes, `*` is every area, empty none. `key`: its public key."""

    name: str
    scopes: tuple[str, ...]
    areas: tuple[str, ...]
    key: Mapping[str, Any]

    def beyond(self, scopes: Sequence[str], areas: Sequence[str]) -> list[str]:
        """The scopes and the areas that it was not given. Areas are compared by their codes: the issuer does not know the tree."""
        more = [] if "*" in self.areas else [code for code in areas if code not in self.areas]
        return [*(scope for scope in scopes if scope not in self.scopes), *more]


def make_key() -> str:
    """A new private ES256 key as JSON, with its thumbprint as `kid`."""
    return json.dumps(ECKey.generate_key("P-256", auto_kid=True).as_dict(private=True))


def own_key(folder: Folder) -> ECKey:
    """The private key of OWN, created at first use."""
    return ECKey.import_key(json.loads(folder.key("client.json", make_key)))


def own_client(folder: Folder) -> Client:
    return Client(OWN, tuple(SCOPES), ("*",), own_key(folder).as_dict(private=False))


class Clients:
    """The clients of a folder. Errors are raised as UserError."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._keys = folder.keys / "clients"

    def all(self) -> dict[str, Client]:
        """{name: client}, by name."""
        file = self._folder.clients
        try:
            content = json.loads(file.read_text())
            return {name: _client(name, content[name]) for name in sorted(content)}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} 无法读取:{error}", f"{file} cannot be read: {error}") from error

    def get(self, name: str) -> Client:
        """Raises UnknownClientError."""
        known = self.all()
        if name not in known:
            raise UnknownClientError(name, list(known))
        return known[name]

    def add(self, name: str, scopes: Sequence[str], areas: Sequence[str]) -> Path:
        """Add a client with a new key; returns the file of the private key."""
        self._require_name(name)
        with self._locked():
            known = self.all()
            if name in known:
                raise UserError(f"客户端 {name} 已存在", f"the client {name} is there already", 2)
            self._keys.mkdir(mode=0o700, exist_ok=True)
            private = make_key()
            public = ECKey.import_key(json.loads(private)).as_dict(private=False)
            # The key first: cut off here, it is of nobody, and the next attempt writes another.
            write_private(self._file(name), private)
            self._write({**known, name: Client(name, tuple(dict.fromkeys(scopes)), tuple(dict.fromkeys(areas)), public)})
        return self._file(name)

    def remove(self, name: str) -> None:
        """Remove a client and its key."""
        with self._locked():
            known = self.all()
            if name not in known:
                raise UnknownClientError(name, list(known))
            self._write({other: client for other, client in known.items() if other != name})
            self._file(name).unlink(missing_ok=True)

    def key(self, name: str) -> ECKey:
        """The private key of a client. Raises UserError, UnknownClientError."""
        self.get(name)
        file = self._file(name)
        try:
            return ECKey.import_key(json.loads(file.read_text()))
        except (OSError, ValueError, JoseError) as error:
            raise UserError(f"{file} 无法读取:{error}", f"{file} cannot be read: {error}") from error

    def _require_name(self, name: str) -> None:
        if not NAME.fullmatch(name) or holds_resident_number(name):
            raise UserError(
                f"客户端名称 {name!r} 无效:字母、数字、.、-、_,至多 64 个字符,且不含身份证号",
                f"{name!r} is no name of a client: letters, digits, '.', '-', '_', 64 at most, and no resident number",
                2,
            )
        if name in RESERVED:
            raise UserError(f"名称 {name} 由平台保留", f"the name {name} is reserved for the stack", 2)
        if name in read_json(self._folder.people):
            raise UserError(f"{name} 是可登录人员的用户名", f"{name} is the user name of a person who can sign in", 2)

    def _file(self, name: str) -> Path:
        return self._keys / f"{name}.json"

    def _write(self, clients: Mapping[str, Client]) -> None:
        content = {
            client.name: {"scopes": client.scopes, "areas": client.areas, "key": client.key}
            for client in sorted(clients.values(), key=lambda client: client.name)
        }
        write_private(self._folder.clients, json.dumps(content, indent=1))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among the commands that change the file."""
        handle = os.open(self._folder.path / "clients.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _client(name: str, entry: Mapping[str, Any]) -> Client:
    return Client(name, tuple(map(str, entry["scopes"])), tuple(map(str, entry["areas"])), dict(entry["key"]))
