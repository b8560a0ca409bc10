"""Databases, a team server and a faulty way to it, for the tests of sending."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.journal.serving import Team
from tests.store.conftest import postgres, postgres_url, sqlite_url, url

__all__ = ["postgres", "postgres_url", "sqlite_url", "url"]


@pytest.fixture
def serve() -> Iterator[Callable[[str], Team]]:
    """Starts team servers that end with the test."""
    teams: list[Team] = []

    def start(database: str) -> Team:
        teams.append(Team(database))
        return teams[-1]

    yield start
    for team in teams:
        team.close()


@pytest.fixture
def team(serve: Callable[[str], Team], sqlite_url: str) -> Team:
    """A team server on an empty SQLite file."""
    return serve(sqlite_url)
