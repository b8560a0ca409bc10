"""Calls of torch beside loss and ``backward`` that the order of a loop rests on.

Schedulers are remembered when they are made, clipping and the scaler's updates are told to the
loops that watch just now. Each patch passes the call on unchanged.
"""

from __future__ import annotations

import functools
import os
import weakref
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

#: Updates of a scaler that are looked at: reading a scale waits for an accelerator.
SCALER_UPDATES = 96
#: The scale begins high on purpose; so many updates at the start may all be skipped.
SCALER_SEARCH = 24


class Watcher(Protocol):
    """A loop that is being watched between two steps."""

    def before_backward(self, loss: Tensor) -> None: ...
    def after_backward(self) -> None: ...
    def clips(self, parameters: Any) -> None: ...
    def scaler_told(self, updates: int, skipped: int, late: int, running: int) -> None: ...


watching: list[Watcher] = []
_schedulers: weakref.WeakKeyDictionary[LRScheduler, int] = weakref.WeakKeyDictionary()
_scalers: weakref.WeakKeyDictionary[Any, list[int]] = weakref.WeakKeyDictionary()


def install() -> None:
    """Install every patch; called once, by :func:`trema.adapters.torch.patches.install`."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=watching.clear)
    _remember_schedulers()
    for name in ("clip_grad_norm_", "clip_grad_value_"):
        _patch_clip(name)
    _patch_update()


# schedulers -------------------------------------------------------------------------------


def _remember_schedulers() -> None:
    for kind in (LRScheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        if "__init__" not in vars(kind):
            continue
        original = kind.__init__

        def __init__(
            self: Any, optimizer: Any, *args: Any, _original: Any = original, **options: Any
        ) -> None:
            _original(self, optimizer, *args, **options)
            try:
                _schedulers[self] = int(self.last_epoch)
            except Exception:  # a scheduler of one's own may do without a counter
                pass

        kind.__init__ = functools.wraps(original)(__init__)  # type: ignore[method-assign]


def schedulers_of(optimizer: torch.optim.Optimizer) -> list[LRScheduler]:
    """The living schedulers of an optimizer that were made since Trema came."""
    return [s for s in list(_schedulers) if getattr(s, "optimizer", None) is optimizer]


def scheduled(scheduler: LRScheduler) -> int:
    """How often the scheduler was stepped since it was made."""
    return int(scheduler.last_epoch) - _schedulers.get(scheduler, 0)


# clipping and scaling ---------------------------------------------------------------------


def _patch_clip(name: str) -> None:
    original = getattr(torch.nn.utils, name)

    @functools.wraps(original)
    def clip(parameters: Any, *args: Any, **options: Any) -> Any:
        for watcher in tuple(watching):
            watcher.clips(parameters)
        return original(parameters, *args, **options)

    setattr(torch.nn.utils, name, clip)


def _patch_update() -> None:
    kind = torch.amp.GradScaler
    original = kind.update

    @functools.wraps(original)
    def update(self: Any, *args: Any, **options: Any) -> None:
        seen = _scalers.setdefault(self, [0, 0, 0, 0])
        if not watching or seen[0] >= SCALER_UPDATES or not self.is_enabled():
            return original(self, *args, **options)
        before = self.get_scale()
        original(self, *args, **options)
        skipped = self.get_scale() < before  # the scale falls only after a skipped step
        seen[0] += 1
        seen[1] += skipped
        seen[2] += skipped and seen[0] > SCALER_SEARCH
        seen[3] = seen[3] + 1 if skipped else 0
        for watcher in tuple(watching):
            watcher.scaler_told(*seen)
        return None

    kind.update = update  # type: ignore[method-assign]


def still_scaled(scaler: Any, optimizer: torch.optim.Optimizer) -> bool:
    """Whether gradients of the optimizer carry the loss scale: ``unscale_`` has not run."""
    states = getattr(scaler, "_per_optimizer_states", None)
    if states is None or not scaler.is_enabled():
        return False
    stage = states[id(optimizer)]["stage"] if id(optimizer) in states else None
    return stage is None or getattr(stage, "name", "") == "READY"
