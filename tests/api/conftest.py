"""Databases and questions for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.asking import Asked, Fed
from tests.store.conftest import postgres, postgres_url, sqlite_url, url
from trema.store import open_store

__all__ = ["postgres", "postgres_url", "sqlite_url", "url"]


@pytest.fixture
def asked(tmp_path: Path, sqlite_url: str) -> Iterator[Asked]:
    """A folder of runs on SQLite."""
    asked = Asked(tmp_path / ".trema", sqlite_url)
    yield asked
    asked.close()


@pytest.fixture
def everywhere(tmp_path: Path, url: str) -> Iterator[Asked]:
    """A folder of runs on each database."""
    asked = Asked(tmp_path / ".trema", url)
    yield asked
    asked.close()


@pytest.fixture
def fed(sqlite_url: str) -> Iterator[Fed]:
    """A team server's store on SQLite."""
    store = open_store(sqlite_url)
    yield Fed(store)
    store.close()
