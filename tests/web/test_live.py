"""A run in training: the page follows without a reload, and a selection stays where it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Site, any_finding, wait_for
from tests.web.training import start

pytestmark = pytest.mark.slow

GROWN = """least => {
  const said = document.querySelector('header.run').innerText;
  return Number(/epochs\\s*(\\d+)/.exec(said)?.[1] ?? 0) >= least;
}"""


def test_the_page_follows_a_run(page: Any, site: Site) -> None:
    page.goto(site.url("/"))
    expect(page.get_by_role("link", name="buggy", exact=True)).to_be_visible()
    page.evaluate("window.stayed = true")
    with start(site.folder, name="live", epochs=40, pause=0.02) as process:
        try:
            row = page.locator("[role=row].line").filter(has=page.get_by_role("link", name="live"))
            expect(row).to_contain_text("running", timeout=60_000)
            wait_for(lambda: any_finding(site.folder, "live"), 60)
            row.get_by_role("link").click()
            chosen = page.locator("article.card").filter(has_text="inputs are not scaled")
            chosen.locator("button.head").click(timeout=30_000)
            selected = page.url
            first = epochs(page)
            page.wait_for_function(GROWN, arg=first + 3, timeout=60_000)
            assert page.url == selected
            expect(chosen.get_by_role("heading", name="Measured")).to_be_visible()
            expect(chosen.locator("button.head")).to_have_attribute("aria-expanded", "true")
        finally:
            process.wait(240)
    expect(page.locator("header.run")).to_contain_text("finished", timeout=30_000)
    assert page.evaluate("window.stayed") is True  # never reloaded


def epochs(page: Any) -> int:
    expect(page.locator("header.run")).to_contain_text(re.compile(r"epochs\s*\d"), timeout=60_000)
    found = re.search(r"epochs\s*(\d+)", page.locator("header.run").inner_text())
    assert found
    return int(found[1])
