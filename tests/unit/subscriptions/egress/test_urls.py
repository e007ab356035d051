"""The form of an endpoint's URL: one host however it is written, and a code for everything that is wrong."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from services.subscriptions.egress.urls import check_url, parsed, refusal

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://bureau.example/hook?a=b", None),
        ("https://BUREAU.example.:8443/hook", None),
        ("https://人社.example/接收", None),
        ("https://8.8.8.8/", None),
        ("https://[2606:4700::1111]/", None),
        ("http://bureau.example/", "URL_NOT_HTTPS"),
        ("ftp://bureau.example/", "URL_NOT_HTTPS"),
        ("javascript://bureau.example/", "URL_NOT_HTTPS"),
        ("https://user@bureau.example/", "URL_WITH_USER_INFO"),
        ("https://user:secret@bureau.example/", "URL_WITH_USER_INFO"),
        ("https://@bureau.example/", "URL_WITH_USER_INFO"),
        ("https://bureau.example/#part", "URL_WITH_FRAGMENT"),
        ("https://bureau.example#", "URL_WITH_FRAGMENT"),
        ("https://bureau.example/" + "a" * 1978, "URL_TOO_LONG"),
        ("https://bureau.example/" + "a" * 1977, None),
        ("", "INVALID_URL"),
        ("bureau.example", "INVALID_URL"),
        ("https:bureau.example", "INVALID_URL"),
        ("https:///hook", "INVALID_URL"),
        ("https://bureau.example:0/", "INVALID_URL"),
        ("https://bureau.example:65536/", "INVALID_URL"),
        ("https://bureau.example:/", "INVALID_URL"),
        ("https://bureau.example:٣/", "INVALID_URL"),
        ("https://bu reau.example/", "INVALID_URL"),
        ("https://bureau.example/\n", "INVALID_URL"),
        ("https://bureau.example\\@127.0.0.1/", "INVALID_URL"),
        ("https://a..example/", "INVALID_URL"),
        ("https://bu%72eau.example/", "INVALID_URL"),
        ("https://" + "a" * 64 + ".example/", "INVALID_URL"),
        ("https://1.2.3.4.5/", "INVALID_URL"),
        ("https://256.1.1.1/", "INVALID_URL"),
        ("https://bureau.0x7f/", "INVALID_URL"),
        ("https://[::1/", "INVALID_URL"),
        ("https://[fe80::1%25eth0]/", "INVALID_URL"),
        ("https://[::1]x/", "INVALID_URL"),
        ("https://127.0.0.1/", "ADDRESS_NOT_ALLOWED"),
        ("https://2130706433/", "ADDRESS_NOT_ALLOWED"),
        ("https://017700000001/", "ADDRESS_NOT_ALLOWED"),
        ("https://0x7f000001/", "ADDRESS_NOT_ALLOWED"),
        ("https://0177.0.0.1/", "ADDRESS_NOT_ALLOWED"),
        ("https://127.1/", "ADDRESS_NOT_ALLOWED"),
        ("https://127.0.0.1./", "ADDRESS_NOT_ALLOWED"),
        ("https://127。0。0。1/", "ADDRESS_NOT_ALLOWED"),
        ("https://１２７.0.0.1/", "ADDRESS_NOT_ALLOWED"),
        ("https://0/", "ADDRESS_NOT_ALLOWED"),
        ("https://169.254.169.254/latest/meta-data", "ADDRESS_NOT_ALLOWED"),
        ("https://[::1]/", "ADDRESS_NOT_ALLOWED"),
        ("https://[::ffff:8.8.8.8]/", "ADDRESS_NOT_ALLOWED"),
        ("https://[64:ff9b::808:808]/", "ADDRESS_NOT_ALLOWED"),
    ],
)
def test_what_is_wrong_with_a_url(url: str, code: str | None) -> None:
    assert check_url(url) == code


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://2130706433/", "http://localhost/", "https://[::ffff:127.0.0.1]/"])
def test_http_is_for_networks_that_are_allowed(url: str) -> None:
    assert check_url(url, LOOPBACK) is None


def test_http_to_a_public_address_is_refused_also_if_a_network_is_allowed() -> None:
    assert check_url("http://8.8.8.8/", LOOPBACK) == "URL_NOT_HTTPS"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://BUREAU.Example./a", "bureau.example"),
        ("https://例子.中国/", "xn--fsqu00a.xn--fiqs8s"),
        ("https://0x7f.1:99/", "127.0.0.1"),
        ("https://[0:0::1]/", "::1"),
    ],
)
def test_a_host_has_one_form(url: str, host: str) -> None:
    assert parsed(url).host == host


def test_one_address_that_is_not_permitted_refuses_all() -> None:
    target, plain = parsed("https://bureau.example/"), parsed("http://bureau.example/")
    assert refusal(target, ["8.8.8.8", "1.1.1.1"], ()) is None
    assert refusal(target, ["8.8.8.8", "10.0.0.1"], ()) == "ADDRESS_NOT_ALLOWED"
    assert refusal(target, [], ()) == "UNRESOLVABLE_HOST"
    assert refusal(plain, ["127.0.0.1"], LOOPBACK) is None
    assert refusal(plain, ["127.0.0.1", "8.8.8.8"], LOOPBACK) == "URL_NOT_HTTPS"
