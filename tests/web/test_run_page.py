"""The page of a run: every finding, curve, epoch and line points at the others."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Site

pytestmark = pytest.mark.slow

#: What the large plot shows, as one string.
DRAWN = "document.querySelector('section.curves .plot canvas').toDataURL()"
#: Whether it shows what it showed when this was asked before.
STILL = f"() => {{ const old = window.drawn; return old === (window.drawn = {DRAWN}) }}"


def open_run(page: Any, site: Site, name: str = "buggy", query: str = "") -> None:
    page.goto(site.url(f"/run/{site.runs[name]}{query}"))
    expect(page.locator("article.card").first).to_be_visible()
    expect(page.locator("section.curves canvas").first).to_be_visible()
    expect(page.locator("[data-line='1']")).to_be_visible()
    page.wait_for_function(STILL, polling=300)


def card(page: Any, title: str) -> Any:
    return page.locator("article.card").filter(has_text=title)


def test_a_card_points_at_epochs_and_line(page: Any, site: Site) -> None:
    open_run(page, site)
    before = page.evaluate(DRAWN)
    card(page, "inputs are not scaled").locator("button.head").click()
    assert "finding=" in page.url
    opened = card(page, "inputs are not scaled")
    expect(opened.get_by_role("heading", name="Measured")).to_be_visible()
    expect(page.locator(".line.target")).to_have_count(1)
    expect(page.locator(".line.target")).to_contain_text("model(images)")
    row = page.locator("section.timeline button.row[aria-pressed='true']")
    expect(row).to_contain_text("inputs are not scaled")
    page.wait_for_function(f"old => {DRAWN} !== old", arg=before)
    page.keyboard.press("Escape")
    assert "finding=" not in page.url
    page.wait_for_function(f"old => {DRAWN} === old", arg=before)


def test_what_to_fix_first_is_open(page: Any, site: Site) -> None:
    open_run(page, site)
    lead = page.locator("article.card.leads")
    expect(lead).to_have_count(1)
    expect(lead.get_by_role("heading", name="What may help")).to_be_visible()
    assert "finding=" not in page.url  # nothing is selected
    page.keyboard.press("j")
    expect(lead).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("article.card.open")).to_have_count(0)


def test_a_card_teaches(page: Any, site: Site) -> None:
    open_run(page, site)
    card(page, "gets logits").locator("button.head").click()
    body = card(page, "gets logits").locator(".body")
    expect(body).to_contain_text("nll_loss")
    for heading in ("What may help", "Measured", "Why it matters", "How sure is this"):
        expect(body.get_by_role("heading", name=heading)).to_be_visible()
    expect(body).to_contain_text("nn.CrossEntropyLoss")  # the snippet is in the run's framework
    expect(body).not_to_contain_text("keras.losses")
    expect(body.get_by_role("button", name="Copy").first).to_be_visible()
    assert "pytorch" in (
        body.get_by_role("link", name="Stack Overflow").get_attribute("href") or ""
    )
    editor = body.get_by_role("link", name="Open in editor").get_attribute("href") or ""
    assert editor.startswith("vscode://file")
    assert "train.py:" in editor


def test_the_timeline_points_at_cards(page: Any, site: Site) -> None:
    open_run(page, site)
    area = page.locator("section.timeline .area")
    box = area.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 8)
    tip = page.locator("section.timeline .tip")
    expect(tip).to_contain_text("epoch")
    expect(tip).to_contain_text("inputs are not scaled")
    assert any(part.strip() for part in tip.locator(".value").all_text_contents())
    page.locator("section.timeline .ruler").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_url("**epoch=5*")
    expect(page.locator("section.cards .banner")).to_contain_text("Epoch 5")
    page.get_by_role("button", name="All epochs").click()
    assert "epoch=" not in page.url
    page.locator("section.timeline button.row").first.click()
    expect(page.locator("article.card.open")).to_have_count(1)


def test_a_point_of_a_curve_points_at_cards(page: Any, site: Site) -> None:
    open_run(page, site)
    plot = page.locator("section.curves .plot .u-over").first
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    tip = page.locator("section.timeline .tip")
    expect(tip).to_contain_text("inputs are not scaled")
    expect(tip).to_contain_text("input std")
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.wait_for_url("**epoch=*")
    expect(page.locator("section.cards .banner")).to_contain_text("Epoch")
    assert page.locator("article.card").count() >= 1


def test_a_marked_line_points_at_its_card(page: Any, site: Site) -> None:
    open_run(page, site)
    mark = page.locator(".line.at button.mark").first
    mark.scroll_into_view_if_needed()
    mark.click()
    several = page.locator(".several button").first
    if several.is_visible():
        several.click()
    expect(page.locator("article.card.open")).to_have_count(1)
    assert "finding=" in page.url


def test_an_address_brings_everything_back(page: Any, site: Site) -> None:
    open_run(page, site)
    page.get_by_role("button", name="log", exact=True).click()
    card(page, "inputs are not scaled").locator("button.head").click()
    address = page.url
    page.reload()
    expect(page.locator("article.card.open")).to_contain_text("inputs are not scaled")
    expect(page.get_by_role("button", name="log", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    assert page.url == address


def test_keys(page: Any, site: Site) -> None:
    open_run(page, site)
    page.keyboard.press("j")
    first = page.url
    assert "finding=" in first
    page.keyboard.press("j")
    assert page.url != first
    page.keyboard.press("k")
    assert page.url == first
    page.keyboard.press("/")
    page.keyboard.type("logits")
    expect(page.locator("article.card")).to_have_count(1)
    page.keyboard.press("Escape")


def test_mute_and_unmute(page: Any, site: Site) -> None:
    open_run(page, site)
    found = card(page, "inputs are not scaled")
    found.locator("button.head").click()
    found.get_by_role("button", name="Mute").click()
    found.get_by_placeholder("known, harmless").fill("on purpose <b>here</b>")
    found.get_by_role("button", name="Mute", exact=True).click()
    fold = page.locator("details.muted")
    expect(fold.locator("summary")).to_contain_text("muted (1)")
    written = "".join(path.read_text() for path in (site.folder / ".trema/user").glob("*.jsonl"))
    assert "on purpose <b>here</b>" in written
    page.reload()
    expect(fold.locator("summary")).to_contain_text("muted (1)")
    if not fold.get_by_role("button", name="Unmute").is_visible():
        fold.locator("summary").click()
    expect(fold).to_contain_text("on purpose <b>here</b>")
    fold.get_by_role("button", name="Unmute").click()
    expect(fold).to_have_count(0)
    expect(card(page, "inputs are not scaled")).to_be_visible()


def test_smoothing_and_zoom_stay_in_the_address(page: Any, site: Site) -> None:
    open_run(page, site)
    plot = page.locator("section.curves .plot .u-over").first
    box = plot.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=6)
    page.mouse.up()
    page.wait_for_url("**zoom=*")
    page.get_by_role("button", name="Whole run").click()
    assert "zoom=" not in page.url


def test_reports_are_saved(page: Any, site: Site) -> None:
    open_run(page, site)
    for label, ending, part in (
        ("Report as HTML", ".html", "<!doctype html"),
        ("Export JSON", ".json", '"findings"'),
        ("Export CSV", ".csv", "fact,name"),
    ):
        page.locator("details.menu summary").click()
        with page.expect_download() as coming:
            page.get_by_role("button", name=label).click()
        saved = coming.value
        assert saved.suggested_filename.endswith(ending)
        assert part.lower() in saved.path().read_text(encoding="utf-8").lower()
