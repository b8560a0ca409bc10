"""Processes that a watched script starts by ``torch.multiprocessing.spawn`` are watched too."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trema.engine import active
from trema.engine.crash import explain_crash


class Watched:
    """The function of a child process, with Trema attached before it and ended after it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        from trema.adapters import autoattach
        from trema.adapters.torch import auto

        auto.adopt()
        autoattach.install()
        try:
            result = self._function(*args)
        except Exception as error:
            _explain(error)
            active.finish("crashed", 1)
            raise
        active.finish("finished", 0)
        return result


def _explain(error: Exception) -> None:
    session = active.current()
    if session is not None:
        session.guarded("crash", lambda: explain_crash(session, error, error.__traceback__))


def install() -> None:
    """Pass the watching on to processes that torch starts from now on."""
    import torch.multiprocessing

    module: Any = sys.modules["torch.multiprocessing.spawn"]
    original = module.start_processes

    @functools.wraps(original)
    def start_processes(fn: Any, *args: Any, **options: Any) -> Any:
        session = active.current()
        if session is None or session.folder is None or session.segments:
            return original(fn, *args, **options)  # this process trains itself
        with _joined(session.folder.id, session.config.console):
            return original(Watched(fn), *args, **options)

    module.start_processes = start_processes
    vars(torch.multiprocessing)["start_processes"] = start_processes


@contextmanager
def _joined(run: str, console: bool) -> Iterator[None]:
    """Let processes that are started inside join a run."""
    told = {"TREMA_RUN": run} | ({} if console else {"TREMA_CONSOLE": "0"})
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
