"""What all queries share: the store, who asks, and what is kept between questions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from trema.api.queries.described import Described, DescribedRuns
from trema.api.queries.people import People
from trema.api.queries.plain import text
from trema.checks.base import Check, all_checks
from trema.diagnosis.relations import Relations, relations_of
from trema.journal.folder import alive
from trema.store.base import Run, Store

Mode = Literal["local", "server"]
SOURCE_PATH = 1000  # characters


@dataclass(frozen=True)
class Context:
    """The store and its surroundings; many threads use one.

    root : the folder that holds ``runs`` and ``user``; None on a team server
    writable : whether mutes, tags and deletes are taken
    """

    store: Store
    root: Path | None
    mode: Mode
    writable: bool

    @cached_property
    def people(self) -> People:
        """What people did."""
        return People(self.store)

    @cached_property
    def runs_described(self) -> DescribedRuns:
        """What events say of runs."""
        return DescribedRuns(self.store)

    @cached_property
    def checks(self) -> dict[str, type[Check]]:
        """The installed checks by id."""
        return all_checks()

    @cached_property
    def relations(self) -> Relations:
        """Which checks explain the findings of which."""
        return relations_of(self.checks)

    def described(self, run: Run) -> Described:
        """What the events of a run say."""
        return self.runs_described.of(run)

    def sources(self, run: str) -> tuple[str, ...]:
        """Paths of the files that the run kept; one that cannot be sent is left out."""
        return tuple(path for path in self.store.sources(run) if path == text(path, SOURCE_PATH))

    def state_of(self, run: Run) -> str:
        """The run's state; one whose process is gone was killed, whatever the index says."""
        if run.state == "running" and self.mode == "local" and not alive(dict(run.metadata)):
            return "killed"
        return text(run.state)
