"""Tokens, callers and areas."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from shared.http import tokens
from shared.http.auth import Areas, Caller
from shared.http.tokens import Verifier
from shared.problems.errors import Forbidden, Problem, Unauthorised, Unavailable
from shared.process.clock import utc_now
from tests.patience import PATIENCE
from tests.unit.shared.http.web_service import Issuer, settings


async def refusal(verifier: Verifier, token: str) -> str:
    with pytest.raises(Problem) as refused:
        await verifier.verify(token)
    return refused.value.code


def verifier_of(issuer: Issuer, **changes: Any) -> Verifier:
    return Verifier(settings(**changes), issuer.jwks)


async def test_a_token_becomes_its_caller() -> None:
    issuer = Issuer()
    caller = await verifier_of(issuer).verify(issuer.token(scope="registry:read operator", areas=["US-OH"], sub="abc"))
    assert (caller.client, caller.scopes, caller.areas) == ("abc", frozenset({"registry:read", "operator"}), Areas.of(["US-OH"]))


def from_now(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims, their numbers as seconds from now."""
    return {name: int(time.time()) + value if isinstance(value, int) else value for name, value in claims.items()}


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://other.example"}, "TOKEN_INVALID"),
        ({"iss": None}, "TOKEN_INVALID"),
        ({"aud": "another"}, "TOKEN_INVALID"),
        ({"aud": None}, "TOKEN_INVALID"),
        ({"sub": None}, "TOKEN_INVALID"),
        ({"sub": ""}, "TOKEN_INVALID"),
        ({"exp": None}, "TOKEN_INVALID"),
        ({"exp": "soon"}, "TOKEN_INVALID"),
        ({"exp": -31}, "TOKEN_EXPIRED"),
        ({"nbf": 90}, "TOKEN_INVALID"),
        ({"scope": ["registry:read"]}, "TOKEN_INVALID"),
        ({"areas": "*"}, "TOKEN_INVALID"),
        ({"areas": [1]}, "TOKEN_INVALID"),
    ],
)
async def test_a_claim_that_does_not_fit_is_refused(claims: dict[str, Any], code: str) -> None:
    issuer = Issuer()
    assert await refusal(verifier_of(issuer), issuer.token(**from_now(claims))) == code


@pytest.mark.parametrize("claims", [{"exp": -10}, {"nbf": 15}, {"aud": ["x", "parkunion"]}])
async def test_clocks_may_differ_by_thirty_seconds(claims: dict[str, Any]) -> None:
    issuer = Issuer()
    assert await verifier_of(issuer).verify(issuer.token(**from_now(claims)))


async def test_a_token_without_scope_and_areas_grants_nothing() -> None:
    issuer = Issuer()
    caller = await verifier_of(issuer).verify(issuer.token(scope=None, areas=None))
    assert not caller.scopes
    assert not caller.areas.inside(["US"])
    assert caller.areas.setting() == ""


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "." * 10, "x" * 20_000, "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_token_is_refused(token: str) -> None:
    assert await refusal(verifier_of(Issuer()), token) == "TOKEN_INVALID"


@given(st.text(alphabet="abcXYZ019-_.=", max_size=60))
def test_nothing_made_up_is_let_through_or_crashes(token: str) -> None:
    assert asyncio.run(refusal(verifier_of(Issuer()), token)) == "TOKEN_INVALID"


async def test_a_forged_signature_is_refused() -> None:
    issuer, forger = Issuer(), ECKey.generate_key("P-256", auto_kid=True)
    claimed: dict[str, Any] = {**forger.as_dict(private=True), "kid": issuer.keys[0].kid}
    stolen = ECKey.import_key(claimed)
    assert await refusal(verifier_of(issuer), issuer.token(key=stolen)) == "TOKEN_INVALID"


async def test_the_public_key_is_no_shared_secret() -> None:
    issuer = Issuer()
    header, content, _ = issuer.token().split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": issuer.keys[0].kid}).encode()).rstrip(b"=").decode()
    signature = hmac.digest(issuer.keys[0].as_pem(private=False), f"{header}.{content}".encode(), "sha256")
    forged = f"{header}.{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert await refusal(verifier_of(issuer), forged) == "TOKEN_INVALID"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("RS256", RSAKey.generate_key(2048, auto_kid=True)),
        ("PS256", RSAKey.generate_key(2048, auto_kid=True)),
        ("ES384", ECKey.generate_key("P-384", auto_kid=True)),
        ("EdDSA", OKPKey.generate_key("Ed25519", auto_kid=True)),
    ],
)
async def test_other_providers_sign_otherwise_by_settings(alg: str, key: Any) -> None:
    issuer = Issuer()
    issuer.keys.append(key)
    token = issuer.token(alg=alg)
    assert (await verifier_of(issuer, token_algorithms=f"ES256,{alg}").verify(token)).client == "client-1"
    assert await refusal(verifier_of(issuer), token) == "TOKEN_INVALID"


async def test_keys_are_fetched_once_for_many_requests() -> None:
    issuer = Issuer()
    verifier = verifier_of(issuer)
    await asyncio.gather(*(verifier.verify(issuer.token(sub=f"c{n}")) for n in range(20)))
    assert issuer.asked == 1


async def test_a_new_key_is_found_and_unknown_ones_do_not_flood_the_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer()
    verifier = verifier_of(issuer)
    await verifier.verify(issuer.token())
    stranger = Issuer()
    for _ in range(5):
        assert await refusal(verifier, stranger.token()) == "TOKEN_INVALID"
    assert issuer.asked == 1
    monkeypatch.setattr(tokens, "REFRESH_AT_LEAST_APART", 0.0)
    issuer.keys.append(ECKey.generate_key("P-256", auto_kid=True))
    assert (await verifier.verify(issuer.token(sub="new"))).client == "new"


async def test_known_keys_survive_an_outage_of_the_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REFRESH_AT_LEAST_APART", 0.0)
    monkeypatch.setattr(tokens, "RETRY_AT_LEAST_APART", 0.0)
    issuer = Issuer()
    verifier = verifier_of(issuer)
    await verifier.verify(issuer.token(sub="before"))
    issuer.away = True
    monkeypatch.setattr(tokens, "REFRESH_EVERY", 0.0)
    assert (await verifier.verify(issuer.token(sub="during"))).client == "during"
    with pytest.raises(Unavailable):
        await verifier.verify(Issuer().token())


async def test_without_any_key_the_answer_is_try_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "RETRY_AT_LEAST_APART", 0.0)
    issuer = Issuer()
    issuer.away = True
    verifier = verifier_of(issuer)
    with pytest.raises(Unavailable) as later:
        await verifier.verify(issuer.token())
    assert later.value.headers["Retry-After"]
    issuer.away = False
    assert await verifier.verify(issuer.token())


async def test_a_key_that_was_taken_back_ends_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer()
    verifier = verifier_of(issuer)
    token = issuer.token()
    assert await verifier.verify(token)
    issuer.keys = [ECKey.generate_key("P-256", auto_kid=True)]
    monkeypatch.setattr(tokens, "REFRESH_EVERY", 0.0)
    monkeypatch.setattr(tokens, "REFRESH_AT_LEAST_APART", 0.0)
    # The look at which the keys are due starts the fetch in the background; what it brings counts from then on.
    await verifier.verify(token)
    deadline = time.monotonic() + PATIENCE
    while verifier.known(token) and time.monotonic() < deadline:
        await asyncio.sleep(0)
    with pytest.raises(Unauthorised):
        await verifier.verify(token)


async def test_a_verified_token_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer()
    verifier = verifier_of(issuer)
    token = issuer.token(exp=int(time.time()) - 10)
    assert await verifier.verify(token)
    assert verifier.known(token)
    monkeypatch.setattr(tokens, "utc_now", lambda: utc_now() + timedelta(seconds=21))
    assert verifier.known(token) is None


async def test_the_memory_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_VERIFIED", 3)
    issuer = Issuer()
    verifier = verifier_of(issuer)
    given_ = [issuer.token(sub=f"c{n}") for n in range(6)]
    for token in given_:
        await verifier.verify(token)
    assert [verifier.known(token) is not None for token in given_] == [False, False, False, True, True, True]


@pytest.mark.invariant("I6")
def test_areas_grant_what_lies_in_them_and_nothing_else() -> None:
    ohio = Areas.of(["US-OH"])
    assert ohio.inside(["OH-AKRON", "US-OH", "US"])
    assert not ohio.inside(["US"])
    assert not ohio.inside(None)
    assert not Areas().inside(["US"])
    assert Areas.all().inside(None)
    assert Areas.of(["US-OH", "*"]) == Areas.all()
    assert (ohio.setting(), Areas.all().setting(), Areas().setting()) == ("US-OH", "*", "")


@pytest.mark.invariant("I6")
def test_a_caller_of_some_areas_must_name_one() -> None:
    caller = Caller("c", frozenset({"metrics:read"}), Areas.of(["US-OH"]))
    caller.require("metrics:read")
    caller.require_area("OH-AKRON", ["OH-AKRON", "US-OH", "US"])
    for code, path in ((None, None), ("US", ["US"]), ("XX", None), (None, ["US-OH"])):
        with pytest.raises(Forbidden) as refused:
            caller.require_area(code, path)
        assert refused.value.code == "AREA_NOT_GRANTED"
    with pytest.raises(Forbidden) as refused:
        caller.require("operator")
    assert 'error="insufficient_scope"' in refused.value.headers["WWW-Authenticate"]


@pytest.mark.invariant("I5")
@pytest.mark.parametrize("sub", ["11010519491231002X", "user-110105194912310011", "110105 19491231 002x", "110105491231002"])
async def test_a_token_whose_subject_is_a_resident_number_is_refused(sub: str) -> None:
    issuer = Issuer()
    assert await refusal(verifier_of(issuer), issuer.token(sub=sub)) == "TOKEN_NAMES_A_PERSON"
