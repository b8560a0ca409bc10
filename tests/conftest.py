"""Shared fixtures."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # tests run in the background ignore Ctrl-C, and so would every program that they start and end
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs are kept in a folder of the test, and no session outlives its test."""
    monkeypatch.setenv("TREMA_DIR", str(tmp_path / ".trema"))
    monkeypatch.delenv("TREMA_RUN", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    yield
    from trema.engine import active

    active.finish()
