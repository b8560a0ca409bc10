"""Shared fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs are kept in a folder of the test, and no session outlives its test."""
    monkeypatch.setenv("TREMA_DIR", str(tmp_path / ".trema"))
    monkeypatch.delenv("TREMA_RUN", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    yield
    from trema.engine import active

    active.finish()
