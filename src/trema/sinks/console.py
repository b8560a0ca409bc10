"""The console sink: each new finding once, beside the training's own output; a summary at the end.

Everything goes to the standard error stream, so that what a script prints stays its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trema.core.config import Config
from trema.core.diagnosis import Diagnosis, Severity
from trema.sinks import render
from trema.sinks.text import harmless

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 100  # columns at most: long lines are hard to read


class Folder(Protocol):
    """Where a run is kept."""

    @property
    def path(self) -> Path: ...


class Watched(Protocol):
    """What the console needs to know of a session."""

    name: str
    rank: int

    @property
    def folder(self) -> Folder | None: ...


class Found(Protocol):
    """What the console needs to know of a finding."""

    diagnosis: Diagnosis

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> Severity: ...


class ConsoleSink:
    """Prints findings; one object serves one run.

    console : where to print; default the standard error stream
    """

    def __init__(self, config: Config, console: Console | None = None) -> None:
        self._config = config
        self._given = console
        self._weights: dict[str, int] = {}  # finding id -> greatest severity that was printed
        self._gone: set[str] = set()

    def started(self, session: Watched) -> None:
        """Nothing is worth a line yet."""

    def found(self, session: Watched, finding: Found) -> None:
        """Print a new finding, or one that got worse; repeats never print."""
        if self._silent(session) or finding.severity is Severity.INFO:
            return  # what is only worth knowing waits for the summary
        known = self._weights.get(finding.id)
        if known is not None and finding.severity.weight <= known:
            return
        self._weights[finding.id] = finding.severity.weight
        self._print(render.block(finding_fields(finding.diagnosis)))

    def gone(self, session: Watched, finding: Found) -> None:
        """Say once that a finding stopped occurring."""
        if self._silent(session) or finding.id in self._gone or finding.id not in self._weights:
            return
        self._gone.add(finding.id)
        self._print(render.gone_line(finding_fields(finding.diagnosis)))

    def finished(self, session: Watched, document: Mapping[str, Any]) -> None:
        """Print the summary."""
        if self._silent(session):
            return
        folder = session.folder
        kept = harmless(_shown(folder.path)) if folder is not None else None
        self._print(*render.summary(document, kept=kept, name=session.name))

    def _silent(self, session: Watched) -> bool:
        return not self._config.console or session.rank != 0

    def _print(self, *parts: Any) -> None:
        console = self._given or terminal()
        if console is None:
            return
        try:
            sys.stdout.flush()  # keeps the order where both streams go to one terminal
        except (OSError, ValueError, AttributeError):
            pass
        console.print()  # a progress bar leaves its line open
        for part in parts:
            console.print(part, highlight=False)


def terminal() -> Console | None:
    """The standard error stream; None where there is none."""
    from rich.console import Console

    if sys.stderr is None or sys.stderr.closed:
        return None
    console = Console(stderr=True, highlight=False)
    if console.width > WIDTH:
        console.width = WIDTH
    return console


def finding_fields(diagnosis: Diagnosis) -> dict[str, Any]:
    """A diagnosis as the renderer reads it, with the exact columns."""
    location = diagnosis.location
    fields: dict[str, Any] = {
        "check": diagnosis.check,
        "severity": str(diagnosis.severity),
        "title": diagnosis.title,
        "message": diagnosis.message,
        "fixes": [{"text": fix.text, "caution": fix.caution} for fix in diagnosis.fixes],
        "location": None,
    }
    if location is not None:
        fields["location"] = {**location.as_dict(), "end_column": location.end_column}
    return fields


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)
