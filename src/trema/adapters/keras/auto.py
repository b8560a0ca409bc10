"""Attach to every ``fit`` and ``train_on_batch`` of an unmodified script (``trema run``)."""

from __future__ import annotations

import functools
import inspect
import os
import weakref
from typing import Any

import keras

from trema.adapters.keras import locate
from trema.adapters.keras.data import FitCall
from trema.adapters.keras.observer import observer_of
from trema.adapters.keras.watch import Handle, Watch, start_observer
from trema.core.config import disabled
from trema.source.frames import call_site

_attached = False
_pid = os.getpid()
_handles: weakref.WeakKeyDictionary[Any, Handle] = weakref.WeakKeyDictionary()


def auto_attach() -> None:
    """Watch every training from now on; a second call does nothing."""
    global _attached
    if _attached or disabled():
        return
    _attached = True
    _record_construction()
    _patch_compile()
    _patch_fit()
    _patch_train_on_batch()


def _record_construction() -> None:
    from keras.src.losses.loss import Loss
    from keras.src.ops.operation import Operation
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    new = Operation.__new__

    @functools.wraps(new)
    def __new__(cls: Any, *args: Any, **kwargs: Any) -> Any:
        made = new(cls, *args, **kwargs)
        _note(locate.made, made)
        return made

    Operation.__new__ = __new__
    for kind in (BaseOptimizer, Loss, keras.callbacks.Callback):
        kind.__init__ = _noting(kind.__init__)


def _noting(original: Any) -> Any:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        _note(locate.made, self)
        original(self, *args, **kwargs)

    return __init__


def _note(sites: Any, thing: Any) -> None:
    try:
        sites.record(thing)
    except Exception:  # a line is never worth an error in the user's constructor
        pass


def _patch_compile() -> None:
    original = keras.Model.compile

    @functools.wraps(original)
    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            locate.compiled._records.pop(id(self), None)  # the last compile counts
            locate.compiled.record(self)
        except Exception:
            pass
        return original(self, *args, **kwargs)

    keras.Model.compile = compile


def _patch_fit() -> None:
    original = keras.Model.fit
    signature = inspect.signature(original)

    @functools.wraps(original)
    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        if os.getpid() != _pid:
            return original(self, *args, **kwargs)
        try:
            bound = signature.bind(self, *args, **kwargs)
            watched = _with_watch(bound)
        except Exception:  # the original says what is wrong with the call
            watched = False
        if not watched:
            return original(self, *args, **kwargs)
        try:
            return original(*bound.args, **bound.kwargs)
        except Exception:
            _tell_crash(self, bound)
            raise
        finally:
            observer = observer_of(self)
            if observer is not None and not observer.attached:
                observer.crashed()

    keras.Model.fit = fit


def _tell_crash(model: Any, bound: inspect.BoundArguments) -> None:
    """A fit that failed before its first step, as labels of a wrong shape do: tell its data."""
    try:
        watch = next(c for c in bound.arguments["callbacks"] if isinstance(c, Watch))
        x: Any = bound.arguments.get("x")
        y: Any = bound.arguments.get("y")
        if watch.started or not hasattr(x, "shape") or not hasattr(y, "shape"):
            return
        rows: int = bound.arguments.get("batch_size") or 32
        call = FitCall(x=x, y=y, batch_size=rows, site=call_site())
        observer = start_observer(model, call, None, {})
        if observer is not None:
            observer.crashed((x[:rows], y[:rows]))
            observer.close()
    except Exception:  # the user's error is the one to be seen
        pass


def _with_watch(bound: inspect.BoundArguments) -> bool:
    """Add a watch to the callbacks of a call; False when there is one."""
    given = bound.arguments.get("callbacks")
    if isinstance(given, keras.callbacks.CallbackList):
        if not any(isinstance(one, Watch) for one in given.callbacks):
            given.append(Watch())
        return True
    callbacks = list(given) if isinstance(given, list | tuple) else [given] if given else []
    if any(isinstance(one, Watch) for one in callbacks):
        return False
    bound.arguments["callbacks"] = [*callbacks, Watch()]
    return True


def _patch_train_on_batch() -> None:
    original = keras.Model.train_on_batch

    @functools.wraps(original)
    def train_on_batch(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self not in _handles and os.getpid() == _pid and observer_of(self) is None:
            try:
                _handles[self] = Watch.attach(self)
            except Exception:  # never between the user and the training
                pass
        return original(self, *args, **kwargs)

    keras.Model.train_on_batch = train_on_batch
