"""The build hook: a wheel without the page is not made, an editable install never needs npm."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from hatch_build import PAGE, BuildHook


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(shutil, "which", lambda name: None)  # a machine without npm
    return BuildHook(str(tmp_path), {}, None, None, "", "wheel")  # type: ignore[arg-type]  # unused


def test_a_wheel_without_the_page_is_not_made(hook: Any) -> None:
    with pytest.raises(RuntimeError, match=r"index\.html but it is missing: install Node"):
        hook.initialize("standard", {})


def test_an_editable_install_needs_no_page(hook: Any) -> None:
    hook.initialize("editable", {})


def test_a_built_page_is_taken(hook: Any, tmp_path: Path) -> None:
    (tmp_path / PAGE).parent.mkdir(parents=True)
    (tmp_path / PAGE).write_text("<!doctype html>")
    hook.initialize("standard", {})
