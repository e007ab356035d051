"""What axe finds on a page that somebody could not read or use."""

from __future__ import annotations

import json

from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Page

SCRIPT = AXE_FILE_PATH.read_text("utf-8")
FIND = """
axe.run({resultTypes: ['violations'], selectors: false})
    .then(found => found.violations.map(one => [one.id, one.nodes.slice(0, 2).map(node => node.html.slice(0, 200))]))
"""
"""Every rule. What passed is neither described node by node nor sent here: on a page with a chart that is most of the time that axe takes."""


async def violations(page: Page) -> list[str]:
    """The rules that the page breaks, each with two places where it does."""
    await page.evaluate(SCRIPT)
    return [json.dumps(one, ensure_ascii=False) for one in await page.evaluate(FIND)]
