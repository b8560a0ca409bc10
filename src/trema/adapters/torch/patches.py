"""What is seen through torch itself: losses, ``backward``, loaders, and where things were made.

Each patch passes the call on unchanged and only tells the listeners. They are installed when
the first observer starts and stay harmless without one.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from trema.adapters.torch import calls
from trema.adapters.torch.describe import LOSSES


class Listener(Protocol):
    """Who wants to know."""

    def loss_computed(
        self, name: str, args: tuple[Any, ...], options: dict[str, Any], result: Tensor
    ) -> None: ...
    def loss_failed(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> None: ...
    def backward_begins(self, loss: Tensor) -> None: ...
    def loader_begins(self, loader: DataLoader[Any]) -> None: ...
    def loader_ends(self, loader: DataLoader[Any]) -> None: ...


listeners: list[Listener] = []
#: A forward pass of our own runs: hooks on layers tell nothing.
paused = False
#: The loss that was scaled last, beside what the scaler made of it: (scaled, original, scaler).
scaled: tuple[weakref.ref[Tensor], Tensor, weakref.ref[Any]] | None = None
#: Loaders that accelerate drives: they are exhausted before their last batch is used.
looking_ahead: weakref.WeakSet[DataLoader[Any]] = weakref.WeakSet()
_installed = False
_depth = 0


def install() -> None:
    """Install every patch once."""
    global _installed
    if _installed:
        return
    _installed = True
    if hasattr(os, "register_at_fork"):  # forked loader workers stay silent
        os.register_at_fork(after_in_child=listeners.clear)
    for name in LOSSES:
        _patch_loss(name)
    _patch_backward()
    _patch_loader()
    _patch_scaler()
    calls.install()


def _patch_loss(name: str) -> None:
    original: Callable[..., Tensor] = getattr(F, name)

    @functools.wraps(original)
    def observed(*args: Any, **options: Any) -> Tensor:
        global _depth
        if not listeners or torch.compiler.is_compiling():
            return original(*args, **options)
        _depth += 1
        try:
            result = original(*args, **options)
        except Exception:
            if _depth == 1:
                for listener in tuple(listeners):
                    listener.loss_failed(name, args, options)
            raise
        finally:
            _depth -= 1
        if _depth == 0:  # some losses are built from others
            for listener in tuple(listeners):
                listener.loss_computed(name, args, options, result)
        return result

    setattr(F, name, observed)


def _patch_backward() -> None:
    original = Tensor.backward

    @functools.wraps(original)
    def backward(self: Tensor, *args: Any, **options: Any) -> None:
        if watching := calls.watching:  # not in most steps
            for watcher in tuple(watching):
                watcher.before_backward(self)
        for listener in tuple(listeners):
            listener.backward_begins(self)
        original(self, *args, **options)
        if watching:
            for watcher in tuple(watching):
                watcher.after_backward()

    Tensor.backward = backward  # type: ignore[method-assign]  # the original is called unchanged


def _patch_scaler() -> None:
    kinds = {torch.amp.GradScaler, getattr(torch.cuda.amp, "GradScaler", torch.amp.GradScaler)}
    for kind in kinds:
        if "scale" not in vars(kind):
            continue
        original = kind.scale

        def scale(self: Any, outputs: Any, _original: Any = original) -> Any:
            global scaled
            result = _original(self, outputs)
            if listeners and isinstance(outputs, Tensor) and isinstance(result, Tensor):
                scaled = (weakref.ref(result), outputs.detach(), weakref.ref(self))
            return result

        kind.scale = functools.wraps(original)(scale)  # type: ignore[method-assign]


def _patch_loader() -> None:
    begin = DataLoader.__iter__
    following = _BaseDataLoaderIter.__next__

    @functools.wraps(begin)
    def __iter__(self: DataLoader[Any]) -> Iterator[Any]:
        iterator = begin(self)
        if listeners:
            if sys._getframe(1).f_globals.get("__name__") == "accelerate.data_loader":
                looking_ahead.add(self)
            for listener in tuple(listeners):
                listener.loader_begins(self)
        try:
            iterator._trema_loader = weakref.ref(self)  # type: ignore[attr-defined]  # our own mark
        except AttributeError:
            pass
        return iterator

    @functools.wraps(following)
    def __next__(self: Any) -> Any:
        try:
            return following(self)
        except StopIteration:
            reference = getattr(self, "_trema_loader", None)
            loader = reference() if reference is not None else None
            if loader is not None:
                for listener in tuple(listeners):
                    listener.loader_ends(loader)
            raise

    DataLoader.__iter__ = __iter__  # type: ignore[method-assign,assignment]
    _BaseDataLoaderIter.__next__ = __next__  # type: ignore[method-assign]
