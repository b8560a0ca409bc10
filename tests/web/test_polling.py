"""Where a proxy swallows the stream, the page polls; a server that is gone is said."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Site, serve
from tests.web.training import start

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", ["cut", "refused"])
def test_the_page_polls_where_streams_are_cut(page: Any, site: Site, way: str) -> None:
    def proxy(route: Any) -> None:
        if way == "cut":
            route.fulfill(status=200, content_type="text/event-stream", body="")
        else:
            route.fulfill(status=204, body="")  # a failure would be logged as an error

    page.route("**/api/stream*", proxy)
    page.goto(site.url("/"))
    expect(page.locator("header [role=status]")).to_contain_text("by polling")
    name = f"polled-{way}"
    with start(site.folder, name=name, epochs=2) as process:
        expect(page.get_by_role("link", name=name)).to_be_visible(timeout=60_000)
        process.wait(120)


def test_a_server_that_is_gone_is_said(chromium: Any, site: Site) -> None:
    context = chromium.new_context()
    page = context.new_page()
    with serve(site.folder) as other:
        page.goto(other.url("/"))
        expect(page.locator("header [role=status]")).to_contain_text("live")
        expect(page.get_by_role("link", name="buggy", exact=True)).to_be_visible()
    expect(page.locator("header [role=status]")).to_contain_text("no connection")
    expect(
        page.get_by_role("link", name="buggy", exact=True)
    ).to_be_visible()  # what is shown stays
    context.close()


def test_a_page_without_its_token_says_where_it_is(chromium: Any, site: Site) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{site.origin}/#/")
    expect(page.get_by_role("alert")).to_contain_text("trema ui")
    context.close()
