"""Every page in both themes and widths: no serious finding of axe-core, no sideways scroll."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.web.conftest import Site

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_are_accessible(page: Any, site: Site, theme: str, width: int) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    buggy, fixed = site.runs["buggy"], site.runs["fixed"]
    for route, shown in (
        ("/", "[role=row].line"),
        (f"/run/{buggy}", "article.card"),
        (f"/run/{fixed}", "header.run h1"),
        (f"/run/{buggy}/layers", "section.network"),
        (f"/compare?run={buggy}&run={fixed}", "section.verdict"),
        ("/compare", "h1"),
        ("/run/no-such-run", "main h2"),
    ):
        page.goto("about:blank")
        page.goto(site.url(route))
        expect(page.locator(shown).first).to_be_visible()
        if shown == "article.card":
            page.locator("article.card button.head").first.click()
            expect(page.get_by_role("heading", name="Measured")).to_be_visible()
        page.wait_for_timeout(300)
        report = Axe().run(page).response
        serious = [
            (broken["id"], node["html"][:200], node.get("failureSummary", "")[:300])
            for broken in report["violations"]
            if broken["impact"] in ("serious", "critical")
            for node in broken["nodes"]
        ]
        assert serious == [], f"{route} {theme} {width}"
        sideways = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert sideways <= 0, f"{route} scrolls sideways by {sideways} px"
