"""A real browser on a real server over real runs, one of them in training."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.web.training import FIXED, start, train
from trema import api

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PAGE = Path(api.__file__).parents[1] / "static" / "index.html"


@dataclass
class Site:
    """A served project."""

    folder: Path
    address: str  # with its token in the fragment
    runs: dict[str, str] = field(default_factory=dict)  # name -> id

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def token(self) -> str:
        found = re.search(r"token=([\w-]+)", self.address)
        assert found
        return found[1]

    def url(self, route: str) -> str:
        """The address of a page, with the token."""
        return f"{self.origin}/#{route}{'&' if '?' in route else '?'}token={self.token}"

    def learn(self) -> None:
        """Read the names of runs."""
        import json

        for path in sorted((self.folder / ".trema" / "runs").glob("*/run.json")):
            data = json.loads(path.read_text())
            self.runs[data["name"]] = data["id"]


def require_browser() -> None:
    if not Path(CHROMIUM).exists():
        pytest.skip("needs Chromium")
    if not PAGE.exists():
        pytest.skip("needs the built page: make web")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A project with a buggy run, a fixed one and a killed one, served by ``trema ui``."""
    require_browser()
    folder = tmp_path_factory.mktemp("project")
    train(folder, name="buggy", epochs=6)
    train(folder, name="fixed", epochs=6, text=FIXED)
    killed = start(folder, name="killed", epochs=1000, pause=0.01)
    wait_for(lambda: any_finding(folder, "killed"), 120)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with serve(folder) as found:
        found.learn()
        yield found


def any_finding(folder: Path, name: str) -> bool:
    """Whether the journal of the run holds a finding and an epoch."""
    for path in (folder / ".trema" / "runs").glob("*/run.json"):
        if f'"{name}"' in path.read_text():
            journal = path.parent / "rank-0.jsonl"
            text = journal.read_text() if journal.exists() else ""
            return '"kind":"finding"' in text and '"kind":"epoch"' in text
    return False


class serve:
    """``trema ui`` on a folder, as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options

    def __enter__(self) -> Site:
        command = [sys.executable, "-m", "trema", "ui", str(self._folder), "--no-browser"]
        self._process = subprocess.Popen(
            [*command, *self._options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "XDG_CACHE_HOME": str(self._folder / "cache"),
                "PYTHONUNBUFFERED": "1",
            },
        )
        assert self._process.stdout
        said = ""
        for line in self._process.stdout:
            said += line
            if found := re.search(r"http://\S+token=[\w-]+", line):
                return Site(self._folder, found[0])
        raise RuntimeError(f"trema ui ended: {said}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            if self._process.stdout:
                self._process.stdout.close()


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.2)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    require_browser()
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)  # machines that test are busy
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, site: Site) -> Iterator[Any]:
    """A page that may log no error and ask no other origin."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(20_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if unexpected(said) else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: foreign(asked.url, site.origin, wrong))
    yield page
    context.close()
    assert wrong == []


def unexpected(said: Any) -> bool:
    """Whether the console says what it should not; browsers report each 404 there."""
    return said.type == "error" and "/no-such-run" not in said.location.get("url", "")


def foreign(url: str, origin: str, wrong: list[str]) -> None:
    if not url.startswith((origin + "/", "blob:" + origin, "data:")):
        wrong.append(f"a request to {url}")
