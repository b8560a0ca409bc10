"""The list of runs, comparison and layers."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Site

pytestmark = pytest.mark.slow


def line(page: Any, name: str) -> Any:
    return page.locator("[role=row].line").filter(has=page.get_by_role("link", name=name))


def test_the_list_tells_states_and_findings(page: Any, site: Site) -> None:
    page.goto(site.url("/"))
    expect(line(page, "buggy")).to_contain_text("finished")
    expect(line(page, "killed")).to_contain_text("killed")
    expect(line(page, "buggy").locator(".findings")).to_contain_text("gets logits")
    expect(line(page, "fixed").locator(".findings")).not_to_contain_text("gets logits")
    expect(line(page, "buggy").locator(".curve svg")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("fix")
    expect(page.locator("[role=row].line")).to_have_count(1)
    assert "fix" in page.url
    line(page, "fixed").get_by_role("link").click()
    page.wait_for_url("**/run/**")


def test_runs_are_sorted_by_their_heads(page: Any, site: Site) -> None:
    page.goto(site.url("/"))
    expect(line(page, "buggy")).to_be_visible()
    page.get_by_role("columnheader", name="Findings").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="Findings")).to_have_attribute(
        "aria-sort", "descending"
    )
    # the head changes at once, the rows when the server has answered
    expect(page.locator("[role=row].line a[data-run]").last).to_have_text("fixed")


def test_did_my_fix_work(page: Any, site: Site) -> None:
    page.goto(site.url("/"))
    page.get_by_label("Pick buggy").check()
    page.get_by_label("Pick fixed").check()
    page.get_by_role("button", name="Compare 2 runs").click()
    page.wait_for_url("**/compare**")
    if page.url.index(site.runs["buggy"]) > page.url.index(site.runs["fixed"]):
        page.get_by_role("button", name="Swap").click()
    verdict = page.get_by_label("Did the fix work")
    expect(verdict).to_contain_text("gone")
    findings = page.locator("section", has=page.get_by_role("heading", name="Findings"))
    expect(findings.locator("li", has_text="gets logits")).to_contain_text("gone")
    expect(page.locator("section", has=page.get_by_role("heading", name="Source"))).to_contain_text(
        "nn.CrossEntropyLoss()"
    )
    expect(page.locator("body")).to_contain_text("1e-05")
    expect(page.locator("canvas").first).to_be_visible()


def test_layers_of_the_network(page: Any, site: Site) -> None:
    page.goto(site.url(f"/run/{site.runs['buggy']}/layers"))
    network = page.locator("section.network")
    expect(network).to_contain_text("Conv2d")
    expect(page.get_by_role("heading", name="Layers of")).to_be_visible()
    heat = page.locator("canvas").first
    expect(heat).to_be_visible()
    box = heat.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.3)
    page.wait_for_url("**layer=*")
    assert "step=" in page.url
    for heading in ("Activation", "Gradient", "Weights", "Measured"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="50 %")).not_to_have_count(0)  # a distribution
    address = page.url
    page.reload()
    expect(page.locator("section.network")).to_contain_text("Conv2d")
    assert page.url == address
