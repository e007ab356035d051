"""`client` and `token --client` beside a running stack: what is added or removed is so at once, and after a restart."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local import stack as stacks
from tests.e2e.platform import Platform, run_in_process
from tests.patience import PATIENCE


@pytest.fixture
def running(platform: Platform) -> Path:
    """The folder of the stack."""
    return platform.data


def client(running: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_in_process("client", *words, "--data", running)


def claims(text: str) -> dict[str, Any]:
    body = text.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def known(running: Path) -> list[str]:
    """Whom the issuer knows, as the service subscriptions asks it."""
    address = stacks.load(running).content["issuer"] + "/clients"
    found: list[str] = httpx.get(address, timeout=PATIENCE, trust_env=False).raise_for_status().json()["clients"]
    return found


def test_a_client_that_is_added_has_tokens_at_once(platform: Platform, running: Path) -> None:
    added = client(running, "add", "bureau-C")
    assert (added.returncode, added.stdout.strip()) == (0, str(running / "keys" / "clients" / "bureau-C.json"))
    assert client(running, "add", "fed", "--scope", "subscriptions:grant", "--scope", "subscriptions:read").returncode == 0
    assert known(running) == ["bureau-C", "fed", "parkunion-local"]
    listed = json.loads(client(running, "list", "--json").stdout)
    assert listed == {
        "items": [
            {"name": "bureau-C", "scopes": ["subscriptions:use"], "areas": []},
            {"name": "fed", "scopes": ["subscriptions:grant", "subscriptions:read"], "areas": ["*"]},
        ]
    }
    shown = client(running, "list").stdout
    assert all(word in shown for word in ("bureau-C", "subscriptions:use", "fed", "subscriptions:grant", "*"))

    bureau = run_in_process("token", "--client", "bureau-C", "--ttl", "60", "--data", running).stdout.strip()
    said = claims(bureau)
    assert (said["sub"], said["client_id"], said["scope"], said["areas"]) == ("bureau-C", "bureau-C", "subscriptions:use", [])
    assert said["exp"] - said["iat"] == 60
    # The services take it: it is refused for the scope that it has not.
    refused = platform.get("subscriptions", "/v1/parked", bureau)
    assert (refused.status_code, refused.json()["code"]) == (403, "SCOPE_MISSING")
    fed = run_in_process("token", "--client", "fed", "--data", running).stdout.strip()
    assert platform.get("subscriptions", "/v1/parked", fed).status_code == 200
    narrow = run_in_process(
        "token", "--client", "fed", "--scope", "subscriptions:read", "--area", "C-P001", "--data", running
    ).stdout.strip()
    assert (claims(narrow)["scope"], claims(narrow)["areas"]) == ("subscriptions:read", ["C-P001"])


@pytest.mark.parametrize(
    ("words", "zh", "en"),
    [
        (["token", "--client", "nobody"], "没有客户端 nobody", "no client nobody"),
        (
            ["token", "--client", "bureau-C", "--scope", "subscriptions:grant"],
            "未被授予:subscriptions:grant",
            "not given: subscriptions:grant",
        ),
        (["token", "--client", "bureau-C", "--area", "C"], "未被授予:C", "not given: C"),
        (["token", "--client", "bureau-C", "--area", "*"], "未被授予:*", "not given: *"),
        (["client", "add", "bureau-C"], "已存在", "there already"),
        (["client", "add", "parkunion-local"], "保留", "reserved"),
        (["client", "add", "a b"], "无效", "no name"),
        (["client", "add", "new", "--scope", "subscriptions:everything"], "没有权限", "no such scope"),
        (["client", "add", "new", "--scope", ""], "--scope 为空", "--scope is empty"),
        (["client", "add", "new", "--area", "b/c"], "不是区域代码", "no code of an area"),
        (["client", "remove", "nobody"], "没有客户端 nobody", "no client nobody"),
        (["client", "remove", "parkunion-local"], "没有客户端", "no client"),
    ],
)
def test_what_a_client_cannot_have_is_refused_and_changes_nothing(running: Path, words: list[str], zh: str, en: str) -> None:
    before = (running / "clients.json").read_text()
    refused = run_in_process(*words, "--data", running)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert zh in refused.stderr
    assert en in refused.stderr
    assert (running / "clients.json").read_text() == before


def test_who_is_removed_gets_no_more_tokens(platform: Platform, running: Path) -> None:
    issued = run_in_process("token", "--client", "fed", "--data", running).stdout.strip()
    removed = client(running, "remove", "fed")
    assert (removed.returncode, removed.stdout) == (0, "")
    assert "until they expire" in removed.stderr
    assert run_in_process("token", "--client", "fed", "--data", running).returncode == 2
    assert known(running) == ["bureau-C", "parkunion-local"]
    assert platform.get("subscriptions", "/v1/parked", issued).status_code == 200


def test_the_file_is_private(running: Path) -> None:
    assert {(running / "clients.json").stat().st_mode & 0o777, (running / "keys/clients/bureau-C.json").stat().st_mode & 0o777} == {0o600}
