"""Sends the runs of this process to the team server in ``TREMA_SERVER``.

What is not sent when the process ends stays in the journal, is noted beside it, and is sent by
``trema sync``. A forked child sends nothing: its parent does.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from typing import Any, Protocol

from trema.core.config import Config
from trema.core.errors import UsageError
from trema.journal.background import Job, Process, say
from trema.journal.client import parse_server, read_token
from trema.journal.folder import RunFolder


def wanted() -> bool:
    """Whether runs are sent: ``TREMA_SERVER`` names a server."""
    return bool(os.environ.get("TREMA_SERVER", "").strip())


class Told(Protocol):
    """What is known of a session here."""

    rank: int

    @property
    def folder(self) -> RunFolder | None: ...


class SyncSink:
    """A sink that hands a run to the thread that sends."""

    def __init__(self, config: Config) -> None:
        self._talks = config.console
        self._job: Job | None = None

    def started(self, session: Told) -> None:
        """Send from now on."""
        if session.folder is None:
            return
        talks = self._talks and session.rank == 0
        try:
            self._job = Job(session.folder, session.rank, talks=talks)
            process().add(self._job)
        except UsageError as error:
            say(f"nothing is sent: {error}", talks)

    def found(self, session: Told, finding: object) -> None:
        """It is in the journal."""

    def gone(self, session: Told, finding: object) -> None:
        """It is in the journal."""

    def finished(self, session: Told, document: Mapping[str, Any]) -> None:
        """The journal is whole; what is left is sent while the process goes on, or as it ends."""
        if self._job is not None and _process is not None:
            self._job.ended = True
            _process.hurry()


def process() -> Process:
    """The sender of this process, made when it is first asked for.

    Raises
    ------
    UsageError
        When ``TREMA_SERVER`` names no server or ``TREMA_TOKEN`` is no token.
    """
    global _process
    if _process is None:
        server = parse_server(os.environ.get("TREMA_SERVER", ""), read_token())
        _process = Process(server, wait=_wait())
        atexit.register(_process.end)
    return _process


def _wait() -> float:
    """``TREMA_SYNC_WAIT`` in seconds, by default 5."""
    try:
        wait = float(os.environ.get("TREMA_SYNC_WAIT", "5"))
    except ValueError:
        return 5.0
    return min(max(wait, 0.0), 3600.0) if wait == wait else 5.0


def _forget() -> None:
    """A forked child sends nothing: its parent does."""
    global _process
    _process = None


_process: Process | None = None
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
