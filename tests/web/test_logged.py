"""A loop that logs its numbers itself: its curves grow on the page while it goes on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Site, foreign, serve
from tests.web.test_run_page import DRAWN

pytestmark = pytest.mark.slow

#: Trains until it is told to validate, then for three epochs.
LOOP = """\
import os
import sys
import time

import numpy as np

import trema

draw = np.random.default_rng(0)
x = draw.normal(size=(256, 8))
y = x @ draw.normal(size=8)
w = np.zeros(8)

run = trema.start("loop", console=False)
step = 0
while not os.path.exists("validate") and step < 10_000:
    error = x[:200] @ w - y[:200]
    w -= 1e-3 * x[:200].T @ error / 200
    run.log(step=step, loss=float(np.mean(error**2)), lr=1e-3)
    step += 1
    time.sleep(0.02)
for epoch in range(3):
    held = x[200:] @ w - y[200:]
    run.log(step=step, loss=float(np.mean(error**2)), val_loss=float(np.mean(held**2)), lr=1e-3)
    step += 1
    time.sleep(0.5)
run.finish()
"""


@pytest.fixture
def loop(tmp_path: Path, chromium: Any) -> Iterator[Site]:
    """A page over a folder in which the loop runs."""
    (tmp_path / "loop.py").write_text(LOOP)
    environment = {**os.environ, "TREMA_DIR": str(tmp_path / ".trema"), "OMP_NUM_THREADS": "1"}
    with (tmp_path / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "loop.py"], cwd=tmp_path, env=environment, stdout=said, stderr=said
        )
    try:
        with serve(tmp_path) as site:
            yield site
        assert process.wait(60) == 0, (tmp_path / "said.txt").read_text()
    finally:
        process.kill()
        process.wait()


def test_its_curves_grow(loop: Site, chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: foreign(asked.url, loop.origin, wrong))
    page.goto(loop.url("/"))
    row = page.locator("[role=row].line").filter(has=page.get_by_role("link", name="loop"))
    expect(row).to_contain_text("running", timeout=60_000)
    expect(row).to_contain_text(re.compile(r"[1-9]\d* steps"))
    expect(row.locator(".curve")).to_contain_text("train loss")
    row.get_by_role("link").click()
    page.evaluate("window.stayed = true")
    tiles = page.get_by_role("group", name="Metrics").get_by_role("button")
    expect(tiles).to_have_count(2)
    expect(page.locator("section.curves h2")).to_have_text("loss")
    expect(page.locator("section.curves .plot canvas").first).to_be_visible()
    first = steps(page)
    page.wait_for_function(f"least => ({STEPS}) > least", arg=first + 20)
    page.wait_for_function(f"old => {DRAWN} !== old", arg=page.evaluate(DRAWN))
    (loop.folder / "validate").touch()
    # the means of epochs join what is known by step
    expect(tiles.filter(has_text="loss by step")).to_have_count(1, timeout=30_000)
    expect(tiles).to_have_count(4)
    expect(page.locator("header.run")).to_contain_text("finished", timeout=30_000)
    assert page.evaluate("window.stayed") is True  # never reloaded
    context.close()
    assert wrong == []


STEPS = (
    "Number(/steps\\s*([\\d,. ]+)/.exec(document.querySelector('header.run').innerText)"
    "?.[1].replace(/\\D/g, '') ?? 0)"
)


def steps(page: Any) -> int:
    page.wait_for_function(f"() => ({STEPS}) > 0")
    return int(page.evaluate(STEPS))
