"""What the pages say is true, escaped, and in both languages."""

from __future__ import annotations

import html
import re
from datetime import timedelta

from tests.integration.subscriptions.portal.server import GRANT, PortalServer
from tests.integration.subscriptions.rows import CLOCK, FOUNDED, REGISTERED

RAW = re.compile(r"\b[A-Z]{2,}\d*(?:_[A-Z0-9]+)+\b")
EVIL = "<script>alert(1)</script>"
SETTLE = "UPDATE deliveries SET state = $3, pending = false, error = $4 WHERE subscription = $1 AND number = ANY($2::bigint[])"
ATTEMPT = (
    "INSERT INTO attempts (subscription, number, at, duration_ms, status, error, answer) VALUES ($1, $2, parkunion_now(), 87, $3, $4, $5)"
)


def visible(page: str) -> str:
    """What a reader sees of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_numbers_filters_reasons_and_what_left_the_house(portal: PortalServer) -> None:
    rows = portal.rows
    grant = await rows.grant(purpose="inspection")
    hook = await rows.subscription(grant, "webhook")
    now = await rows.pool.fetchval("SELECT parkunion_now()")
    yesterday = now - timedelta(days=1)
    await rows.deliver(hook, *[await rows.content(subject=f"union/{n}") for n in range(4)], at=yesterday)
    await rows.deliver(hook, *[await rows.content(type_name=REGISTERED, subject="enterprise/e", data={"park": "P1"}) for _ in range(2)])
    await rows.pool.execute(SETTLE, hook, [1, 2], "delivered", None)
    await rows.pool.execute(SETTLE, hook, [3], "parked", "TIMED_OUT")
    await rows.pool.execute(SETTLE, hook, [4], "withheld", None)
    await rows.pool.execute(ATTEMPT, hook, 3, None, "TIMED_OUT", "")
    page = f"/subscriptions/{hook}"

    def numbers(text: str) -> list[int]:
        return [int(number) for number in re.findall(r'data-row="(\d+)"', text)]

    async with portal.browser() as http:
        whole = (await http.get(page)).text
        assert numbers(whole) == [6, 5, 4, 3, 2, 1]
        assert "6 numbers in 14 days: 2 delivered, 2 waiting, 1 parked, 1 withheld" in whole
        assert "4 / 6" in visible(whole)
        for params, expected in (
            ({"state": "parked"}, [3]),
            ({"state": "queued"}, [6, 5]),
            ({"day": str(CLOCK.day_of(yesterday))}, [4, 3, 2, 1]),
            ({"subject": "union/1"}, [2]),
            ({"subject": "enterprise/e", "state": "queued", "day": ""}, [6, 5]),
            ({"subject": "union/1", "state": "parked"}, []),
        ):
            assert numbers((await http.get(page, params=params)).text) == expected, params
        parked = visible((await http.get(f"{page}/deliveries/3")).text)
        assert "No answer within 10 seconds." in parked
        assert "What to do : Accept first and work afterwards" in parked
        behind = visible((await http.get(f"{page}/deliveries/6")).text)
        assert "after the number before it of the same subject: 5" in behind
        assert (await http.get(page, params={"state": "nonsense"})).status_code == 422
        assert (await http.get(page, params={"after": "forged"})).status_code == 400
        for number in ("0", "7", "x", "-1"):
            assert (await http.get(f"{page}/deliveries/{number}")).status_code == 404, number
    async with portal.browser("federation", scope=GRANT) as http:
        sent = visible((await http.get("/sent", params={"client": "bureau"})).text)
        assert "bureau Webhook" in sent
        assert "inspection Art. 1 2 2 1 1" in sent, "delivered, waiting, parked, withheld"
        assert "Union founded inspection Art. 1 2 4" in sent
        assert "Enterprise registered inspection Art. 1 0 2" in sent
        before = visible((await http.get("/sent", params={"last": "2020-01-31"})).text)
        assert "Nothing was assigned on these days." in before
        assert (await http.get("/sent", params={"first": "2020-01-01"})).status_code == 422


async def test_everything_that_others_wrote_is_escaped_in_both_languages(portal: PortalServer) -> None:
    rows = portal.rows
    grant = await rows.grant(purpose=EVIL, types=[FOUNDED])
    hook = await rows.subscription(grant, "webhook", url=f"https://bureau.example/{EVIL}")
    await rows.events(hook, subject=f"union/{EVIL}")
    await rows.pool.execute(SETTLE, hook, [1], "parked", "STATUS_500")
    await rows.pool.execute(ATTEMPT, hook, 1, 500, "STATUS_500", EVIL)
    bureau = ("/subscriptions", f"/subscriptions/{hook}", f"/subscriptions/{hook}?subject={EVIL}", f"/subscriptions/{hook}/deliveries/1")
    everywhere = (
        *bureau,
        "/grants",
        f"/grants/{grant}",
        "/sent?client=bureau",
        f"/sent?client={EVIL}",
        "/notices",
        "/accesses",
        f"/accesses?client={EVIL}",
    )
    for client, scope, pages in (("bureau", "subscriptions:use", bureau), ("federation", GRANT, everywhere)):
        async with portal.browser(client, scope=scope) as http:
            for page in pages:
                for language in ("zh", "en"):
                    answer = await http.get(f"{page}{'&' if '?' in page else '?'}lang={language}")
                    assert answer.status_code == 200, page
                    assert EVIL not in answer.text, page
                    assert "script-src 'self'" in answer.headers["content-security-policy"]
                    assert not RAW.search(visible(answer.text).replace("P1", "")), page
            answers = (await http.get(f"/subscriptions/{hook}/deliveries/1")).text
            assert (html.escape(EVIL, quote=False) in answers.split("attempts-title")[-1]) == (client == "bureau"), (
                "what an endpoint answered is its bureau's"
            )
