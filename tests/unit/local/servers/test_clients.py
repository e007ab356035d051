"""Clients of the local issuer: who is kept, with which key, and what the issuer gives each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from deploy.local.errors import UserError
from deploy.local.folder import Folder
from deploy.local.servers.clients import OWN, Clients, UnknownClientError, own_key
from deploy.local.servers.issuer import ASSERTION_TYPE, Issuer, TokenError, client_assertion
from deploy.local.servers.people import Person
from shared.contracts.services import SCOPES
from shared.http.auth import Areas
from shared.http.tokens import caller_of

USE = ["subscriptions:use"]
RESIDENT_ID = "11010519491231002X"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "stack")
    found.prepare()
    return found


@pytest.fixture
def clients(folder: Folder) -> Clients:
    return Clients(folder)


@pytest.fixture
def issuer(folder: Folder) -> Iterator[Issuer]:
    """It does not serve; its answers are asked for directly."""
    found = Issuer(folder, 0, [Person("wang", "secret", "王芳", ("3302",))])
    yield found
    found.stop()


def claims_of(issuer: Issuer, assertion: str, **form: str) -> dict[str, Any]:
    """The claims of the token that the assertion is answered with. Raises TokenError."""
    given = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **form}
    text = issuer.token(given)["access_token"]
    return jwt.decode(text, KeySet.import_key_set(issuer.jwks()), algorithms=["ES256"]).claims  # type: ignore[arg-type]


def assertion_of(issuer: Issuer, clients: Clients, name: str) -> str:
    return client_assertion(clients.key(name), issuer.url, time.time(), name)


def test_a_client_is_kept_with_a_key_that_is_its_own(folder: Folder, clients: Clients) -> None:
    file = clients.add("bureau-3302", USE, [])
    assert file == folder.keys / "clients" / "bureau-3302.json"
    clients.add("fed.1_x", ["subscriptions:grant"], ["3302", "3303", "3302"])
    again = Clients(Folder(folder.path)).all()
    assert {name: (one.scopes, one.areas) for name, one in again.items()} == {
        "bureau-3302": (("subscriptions:use",), ()),
        "fed.1_x": (("subscriptions:grant",), ("3302", "3303")),
    }
    private = [json.loads((folder.keys / "clients" / f"{name}.json").read_text()) for name in again]
    assert private[0]["d"] != private[1]["d"]
    assert '"d"' not in folder.clients.read_text()
    for name in (folder.clients, file, folder.keys / "clients", folder.path / "clients.lock"):
        assert name.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["a", "3302", "a" * 64, "Bureau.of-3302_x", "..a"])
def test_a_name_has_letters_digits_dots_hyphens_and_underscores(clients: Clients, name: str) -> None:
    clients.add(name, USE, [])
    assert list(clients.all()) == [name]


@pytest.mark.parametrize(
    "name", ["", "a" * 65, "a/b", "..", ".", "-", "a b", "a\n", "区", "a:b", RESIDENT_ID, OWN, "parkunion-dashboard", "wang"]
)
def test_other_names_reserved_ones_and_those_of_people_are_refused(folder: Folder, clients: Clients, name: str) -> None:
    folder.people.write_text(json.dumps({"wang": {"password": "x", "areas": ["3302"]}}))
    with pytest.raises(UserError) as refused:
        clients.add(name, USE, [])
    assert refused.value.code == 2
    assert " / " in refused.value.line()
    assert clients.all() == {}
    assert not (folder.keys / "clients").exists()


def test_a_name_is_given_once(folder: Folder, clients: Clients) -> None:
    key = clients.add("one", USE, []).read_text()
    with pytest.raises(UserError, match="there already") as refused:
        clients.add("one", ["subscriptions:grant"], ["*"])
    assert refused.value.code == 2
    assert clients.get("one").scopes == ("subscriptions:use",)
    assert (folder.keys / "clients" / "one.json").read_text() == key


def test_commands_at_the_same_time_lose_nothing(folder: Folder) -> None:
    names = [f"bureau-{number:02}" for number in range(40)]
    Clients(folder).add("gone", USE, [])
    with ThreadPoolExecutor(8) as threads:
        done: list[Future[object]] = [threads.submit(Clients(folder).add, name, USE, []) for name in names]
        done.insert(0, threads.submit(Clients(folder).remove, "gone"))
        for one in done:
            one.result()
    assert list(Clients(folder).all()) == names


def test_who_was_removed_has_no_key_and_the_others_stay(folder: Folder, clients: Clients) -> None:
    clients.add("one", USE, [])
    clients.add("two", USE, [])
    clients.remove("one")
    assert list(clients.all()) == ["two"]
    assert [file.name for file in (folder.keys / "clients").iterdir()] == ["two.json"]
    for again in (clients.remove, clients.get, clients.key):
        with pytest.raises(UnknownClientError, match="there are two") as refused:
            again("one")
        assert refused.value.code == 2


@pytest.mark.parametrize("content", ["{", "[]x", '{"one": {"scopes": []}}', '{"one": 1}'])
def test_a_file_that_cannot_be_read_is_never_written_over(folder: Folder, clients: Clients, content: str) -> None:
    folder.clients.write_text(content)
    for change in (lambda: clients.add("two", USE, []), lambda: clients.remove("one"), clients.all):
        with pytest.raises(UserError, match=r"clients\.json"):
            change()
    assert folder.clients.read_text() == content


@pytest.mark.invariant("I6")
def test_a_clients_token_says_what_it_was_given_at_most(issuer: Issuer, clients: Clients) -> None:
    clients.add("bureau", ["subscriptions:use", "metrics:read"], ["3302", "3303"])

    def said(**form: str) -> tuple[str, str, str, list[str]]:
        claims = claims_of(issuer, assertion_of(issuer, clients, "bureau"), **form)
        return claims["sub"], claims["client_id"], claims["scope"], claims["areas"]

    assert said() == ("bureau", "bureau", "subscriptions:use metrics:read", ["3302", "3303"])
    assert said(scope="metrics:read", areas="3303") == ("bureau", "bureau", "metrics:read", ["3303"])
    for more in (
        {"scope": "subscriptions:grant"},
        {"scope": "metrics:read operator"},
        {"areas": "3304"},
        {"areas": "*"},
        {"areas": "3302 33"},
    ):
        with pytest.raises(TokenError) as refused:
            said(**more)
        assert refused.value.body["error"] == "invalid_scope"
    with pytest.raises(TokenError):
        said(areas=" ")


@pytest.mark.invariant("I6")
def test_a_client_without_areas_has_a_token_that_grants_none(issuer: Issuer, clients: Clients) -> None:
    clients.add("bureau", USE, [])
    claims = claims_of(issuer, assertion_of(issuer, clients, "bureau"))
    caller = caller_of(claims)
    assert (claims["areas"], caller.client, caller.areas) == ([], "bureau", Areas())
    assert not caller.areas.inside(["3302", "33"])


def test_the_stacks_own_client_has_everything(issuer: Issuer, folder: Folder) -> None:
    claims = claims_of(issuer, client_assertion(own_key(folder), issuer.url, time.time()))
    assert (claims["sub"], claims["client_id"], claims["scope"], claims["areas"]) == (OWN, OWN, " ".join(SCOPES), ["*"])


@pytest.mark.invariant("I6")
def test_a_key_proves_its_own_client_alone(issuer: Issuer, clients: Clients, folder: Folder) -> None:
    clients.add("bureau", USE, [])
    clients.add("fed", ["subscriptions:grant"], ["*"])
    now = time.time()
    mixed = {"iss": "bureau", "sub": "fed", "aud": issuer.url, "jti": "x", "iat": int(now), "exp": int(now) + 60}
    forged = [
        client_assertion(clients.key("bureau"), issuer.url, now, "fed"),
        client_assertion(clients.key("bureau"), issuer.url, now, OWN),
        client_assertion(own_key(folder), issuer.url, now, "bureau"),
        client_assertion(clients.key("bureau"), issuer.url, now, "nobody"),
        client_assertion(ECKey.generate_key("P-256", auto_kid=True), issuer.url, now, "bureau"),
        jwt.encode({"alg": "ES256"}, mixed, clients.key("bureau")),
        jwt.encode({"alg": "ES256"}, {"iss": ["bureau"]}, clients.key("bureau")),
        jwt.encode({"alg": "ES256"}, {"sub": "bureau"}, clients.key("bureau")),
        "a.b.c",
        "",
    ]
    for assertion in forged:
        with pytest.raises(TokenError) as refused:
            claims_of(issuer, assertion)
        assert refused.value.body["error"] == "invalid_client"
    assert claims_of(issuer, assertion_of(issuer, clients, "bureau"))["sub"] == "bureau"


def test_an_assertion_is_used_once_whoever_else_uses_its_id(issuer: Issuer, clients: Clients) -> None:
    now = int(time.time())

    def assertion(name: str) -> str:
        claims = {"iss": name, "sub": name, "aud": issuer.url, "jti": "the same", "iat": now, "exp": now + 60}
        return jwt.encode({"alg": "ES256"}, claims, clients.key(name))

    for name in ("one", "two"):
        clients.add(name, USE, [])
        assert claims_of(issuer, assertion(name))["sub"] == name
    with pytest.raises(TokenError, match="used before"):
        claims_of(issuer, assertion("one"))


def test_a_running_issuer_knows_at_once_who_came_and_who_went(issuer: Issuer, clients: Clients) -> None:
    assert issuer.clients() == [OWN, "wang"]
    clients.add("bureau", USE, [])
    assert issuer.clients() == ["bureau", OWN, "wang"]
    last = assertion_of(issuer, clients, "bureau")
    clients.remove("bureau")
    assert issuer.clients() == [OWN, "wang"]
    with pytest.raises(TokenError):
        claims_of(issuer, last)


def test_a_file_that_cannot_be_read_leaves_the_stack_its_own_client(issuer: Issuer, folder: Folder) -> None:
    folder.clients.write_text("{")
    with pytest.raises(UserError):
        issuer.clients()
    assert claims_of(issuer, client_assertion(own_key(folder), issuer.url, time.time()))["sub"] == OWN
