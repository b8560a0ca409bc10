"""The session of this process: one run a process, ended when the process ends."""

from __future__ import annotations

import atexit
import dataclasses
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from trema.core.config import Config
from trema.engine.session import Session, Sink, default_name
from trema.source.frames import user_frame
from trema.source.snapshot import kept_name, user_sources

#: What is told about every run; the package fills it, because the engine knows no sink.
sink_factories: list[Callable[[Config], Sink]] = []

_lock = threading.RLock()
_session: Session | None = None
_pid = 0
_hooked = False
_state: tuple[str, int | None] = ("finished", 0)
_script: str | None = None  # kept, because Python forgets it before its exit hooks run


def current() -> Session | None:
    """The running session of this process; None in a forked child."""
    if _session is None or _pid != os.getpid() or _session.state != "running":
        return None
    return _session


def start(
    name: str | None = None,
    *,
    config: Config | None = None,
    framework: str = "other",
    extra_sinks: tuple[Sink, ...] = (),
    **options: Any,
) -> Session:
    """The running session, or a new one that ends with the process.

    Raises
    ------
    UnknownOption
        For an option that does not exist.
    """
    global _session, _pid, _script
    # also tells unknown options to a running session
    settings = config.resolved() if config is not None else Config.of(**options)
    with _lock:
        running = current()
        if running is not None:
            if running.framework == "other":
                running.framework = framework
            given: dict[str, Any] = {
                key: options[key] for key in ("inputs", "outputs") if options.get(key)
            }
            running.config = dataclasses.replace(running.config, **given)
            return running
        sinks = [*(factory(settings) for factory in sink_factories), *extra_sinks]
        _script = main_script()
        _session = Session(
            name or default_name(_script), settings, framework=framework, sinks=sinks
        )
        _session.sources = own_sources
        _pid = os.getpid()
        _hook_exit()
        return _session


def finish(state: str = "finished", exit_code: int | None = None) -> dict[str, Any] | None:
    """End the running session; returns its findings document."""
    session = current()
    if session is None:
        return None
    session.keep_sources()  # once more, for modules that were imported since
    return session.guarded("finish", lambda: session.finish(state, exit_code))


def own_sources() -> dict[str, str]:
    """The user's own files by path relative to the working directory; those outside it by name."""
    kept: dict[str, str] = {}
    for path, text in user_sources(main_script() or _script).items():
        kept[kept_name(path)] = text
    return kept


def main_script() -> str | None:
    """The script that this process runs, as a path; None in a REPL."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if path:
        return str(path)
    try:
        frame = user_frame()
    except Exception:  # the name of a run is never worth an error
        return None
    return getattr(frame, "filename", None) if frame else None


def _hook_exit() -> None:
    global _hooked
    if _hooked:
        return
    _hooked = True
    atexit.register(_at_exit)
    previous = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        global _state
        interrupted = issubclass(kind, KeyboardInterrupt)
        _state = ("interrupted", 130) if interrupted else ("crashed", 1)
        previous(kind, error, trace)
        session = current()
        if session is not None and not interrupted:
            from trema.engine.crash import explain_crash

            session.guarded("crash", lambda: explain_crash(session, error, trace))

    sys.excepthook = excepthook


def _at_exit() -> None:
    if _pid == os.getpid():
        finish(*_state)
