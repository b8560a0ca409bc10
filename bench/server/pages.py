"""How soon pages are there, in a real browser."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
_PAINT = """() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"""
#: Resolves once the main thread is idle: a click is then answered at once.
_IDLE = """() => new Promise(done => requestIdleCallback(() => done(performance.now())))"""


def measure(url: str, ready: Callable[[Page], None], times: int = 7) -> dict[str, float]:
    """First contentful paint and time to interactive in ms: median and worst of fresh visits.

    Interactive: what the page is for is shown (``ready`` returns) and the main thread is idle.
    """
    paints, interactive = [], []
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(times):
            paint, usable = _visit(browser, url, ready)
            paints.append(paint)
            interactive.append(usable)
        browser.close()
    return {
        "paint_median_ms": statistics.median(paints),
        "paint_worst_ms": max(paints),
        "interactive_median_ms": statistics.median(interactive),
        "interactive_worst_ms": max(interactive),
    }


def _visit(browser: Browser, url: str, ready: Callable[[Page], None]) -> tuple[float, float]:
    context: Any = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(url, wait_until="commit")
    ready(page)
    usable = page.evaluate(_IDLE)
    paint = page.evaluate(_PAINT)
    context.close()
    return float(paint or usable), float(usable)
