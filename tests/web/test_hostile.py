"""What a training script may write is shown as text, whatever it holds."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.conftest import serve
from trema.journal.folder import create_run
from trema.journal.writer import Journal

pytestmark = pytest.mark.slow

OWN = "document.body.dataset.owned='1'"
SCRIPT = f'<img src=x onerror="{OWN}"><script>{OWN}</script>'
BIDI = "safe\u202e txt.exe \u2066hidden\u2069"
LONG = "A" * 1_000_000


def finding(number: int, text: str) -> dict[str, Any]:
    short = text[:20_000]  # the record as a whole stays below the journal's limit
    return {
        "id": f"{number:012x}",
        "check": "input-scale",
        "cause": "data",
        "severity": "error",
        "state": "active",
        "segment": 0,
        "ranks": [0],
        "title": text,
        "message": f"`{text}` {short}",
        "confidence": "measured",
        "confirmation": None,
        "explained_by": [],
        "where": {"layer": short, "parameter": short},
        "location": {"file": f"../../{text[:100]}.py", "line": 1, "column": 1},
        "first": {"step": 0, "epoch": 0},
        "last": {"step": 9, "epoch": 0},
        "count": 1,
        "evidence": [
            {"fact": short, "name": short, "value": "nan", "limit": 1.0, "unit": short, "step": 0}
        ],
        "fixes": [{"text": short, "caution": short, "diff": f"--- a\n+++ b\n+{short}"}],
        "links": {
            "documentation": f"javascript:{OWN}",
            "search": "data:text/html,x",
            "editor": f"javascript:{OWN}",
        },
    }


def layer(text: str) -> dict[str, Any]:
    return {
        "name": text[:3000],
        "kind": "linear",
        "class_name": text[:3000],
        "config": {text[:50]: text[:500]},
        "parameters": [],
        "output_shape": None,
        "functional": False,
        "location": None,
    }


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("hostile")
    run = create_run(folder / ".trema", SCRIPT)
    run.save_sources({"train.py": f"# {SCRIPT}\n# {BIDI}\nx = '{SCRIPT}'\n"})
    journal = Journal(run.journal(0))
    journal.write("run", step=None, id=run.id, name=SCRIPT, trema="0")
    layers = [layer(text) for text in (SCRIPT, BIDI, LONG)]
    info = {"framework": SCRIPT, "layers": layers, "edges": [], "parameters": []}
    journal.write("info", step=None, info=info)
    for epoch in range(3):
        values = {SCRIPT: 1.0 + epoch, BIDI: float("nan"), "loss": 1.0}
        journal.write("metrics", step=epoch, epoch=epoch, phase="train", values=values)
        journal.write("epoch", step=epoch, epoch=epoch)
    for number, text in enumerate((SCRIPT, BIDI, LONG)):
        journal.write("finding", step=0, finding=finding(number, text))
    with serve(folder) as site:
        site.runs["hostile"] = run.id
        yield site


def test_hostile_text_is_inert(chromium: Any, hostile: Any) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    said: list[str] = []
    asked: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    run = hostile.runs["hostile"]
    for route, shown in (
        ("/", "[role=row].line"),
        (f"/run/{run}", "article.card"),
        (f"/run/{run}/layers", "section.network"),
        (f"/compare?run={run}&run={run}", "h1"),
    ):
        page.goto("about:blank")
        page.goto(hostile.url(route))
        expect(page.locator(shown).first).to_be_visible()
        if shown == "article.card":
            cards = page.locator("article.card")
            expect(cards).to_have_count(3)
            for number in range(3):
                cards.nth(number).locator("button.head").click()
                expect(page.locator("article.card.open")).to_have_count(1)
            expect(page.locator("body")).to_contain_text("<img src=x onerror=")
            expect(page.locator("body")).to_contain_text("\\u202e")
        assert page.evaluate("document.body.dataset.owned") is None
        assert "\u202e" not in page.locator("body").inner_text()
        assert page.locator("img").count() == 0
        assert page.locator("a[href^=javascript], a[href^=data]").count() == 0
        begun = time.perf_counter()
        page.evaluate("1")
        assert time.perf_counter() - begun < 5  # a text of a megabyte does not hang the page
    assert said == []
    assert all(url.startswith((hostile.origin, "about:", "data:")) for url in asked)
    context.close()
