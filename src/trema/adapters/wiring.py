"""Joins the engine with what is told about a run; the engine itself knows no sink."""

from __future__ import annotations

import os

from trema.core.config import Config
from trema.engine import active
from trema.engine.session import Sink


def wire() -> None:
    """Register the console once; every adapter calls this before it starts a session."""
    if console not in active.sink_factories:
        active.sink_factories.append(console)
    if os.environ.get("TREMA_SERVER") and sending not in active.sink_factories:
        active.sink_factories.append(sending)


def console(config: Config) -> Sink:
    """The console sink of a run."""
    from trema.sinks.console import ConsoleSink

    return ConsoleSink(config)


def sending(config: Config) -> Sink:
    """The sink that sends a run to a team server."""
    from trema.journal.sync import SyncSink

    return SyncSink(config)
