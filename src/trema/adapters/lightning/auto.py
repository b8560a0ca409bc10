"""Give every Trainer that fits a callback of ours (``trema run``)."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

from trema.adapters.lightning.watch import FLAVOURS, Watch
from trema.core.config import disabled
from trema.engine import active

_pid = os.getpid()


def auto_attach() -> None:
    """Watch every ``fit`` from now on; a Trainer class that is patched already is left alone."""
    if disabled():
        return
    for name in FLAVOURS:
        trainer = getattr(sys.modules.get(name), "Trainer", None)
        if trainer is not None and not hasattr(trainer.fit, "__trema__"):
            _patch(trainer)


def _patch(trainer: Any) -> None:
    original = trainer.fit

    @functools.wraps(original)
    def fit(self: Any, *args: Any, **options: Any) -> Any:
        if os.getpid() == _pid:
            _ensure(self)
        return original(self, *args, **options)

    fit.__trema__ = True  # type: ignore[attr-defined]  # our own mark
    trainer.fit = fit


def _ensure(trainer: Any) -> None:
    """Put a Watch before the trainer's callbacks, unless there is one."""
    try:
        if not any(isinstance(callback, Watch) for callback in trainer.callbacks):
            trainer.callbacks.insert(0, Watch())
    except Exception as error:  # a training starts, with us or without
        session = active.current()
        if session is not None:
            try:
                session.failed("lightning adapter", error)
            except Exception:  # strict sessions raise; the fit goes on
                pass
