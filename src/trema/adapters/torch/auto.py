"""Attach to every optimizer that an unmodified script makes (``trema run``)."""

from __future__ import annotations

import functools
import os
import weakref
from typing import Any

import torch
from torch import nn

from trema.adapters.torch import locate, patches, spawned, weights
from trema.adapters.torch.attach import observe
from trema.adapters.torch.describe import watched_part
from trema.adapters.wiring import wire
from trema.core.config import disabled
from trema.engine import active

#: By identity: a module may define a hash of its own, which fails while it is made.
_modules: dict[int, weakref.ref[nn.Module]] = {}
_attached = False
_pid = os.getpid()
paused = 0  # above zero while an adapter above makes an optimizer that it watches itself


def auto_attach() -> None:
    """Watch every optimizer from now on; a second call does nothing."""
    global _attached
    if _attached or disabled():
        return
    _attached = True
    locate.record_construction()
    patches.install()
    weights.install()
    spawned.install()
    _remember_modules()
    original = torch.optim.Optimizer.__init__

    @functools.wraps(original)
    def __init__(self: torch.optim.Optimizer, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        if os.getpid() == _pid and not paused:
            _attach(self)

    torch.optim.Optimizer.__init__ = __init__  # type: ignore[method-assign]


def adopt() -> None:
    """Watch in this process too, which was forked from a watched one."""
    global _pid
    _pid = os.getpid()


def _remember_modules() -> None:
    original = nn.Module.__init__

    @functools.wraps(original)
    def __init__(self: nn.Module, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        try:
            key = id(self)
            _modules[key] = weakref.ref(self, lambda _: _modules.pop(key, None))
        except TypeError:  # a module that cannot be referred to weakly is not found again
            pass

    nn.Module.__init__ = __init__  # type: ignore[method-assign]


def _attach(optimizer: torch.optim.Optimizer) -> None:
    session = active.current()
    try:
        model = owner_of(optimizer)
        if model is None or _inside_keras(model):
            return
        if _is_lightning(watched_part(model)):
            _attach_later(optimizer, watched_part(model))
        else:
            _observe(optimizer, model)
    except Exception as error:
        if session is not None:
            session.failed("torch adapter", error)


def _observe(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    wire()
    session = active.current() or active.start(framework="torch")
    session.framework = "torch"
    observe(session, model, optimizer, index=0)


def _attach_later(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    """Leave the optimizer of a LightningModule to its Trainer, unless it steps without one."""
    waiting: list[weakref.ref[nn.Module]] = [weakref.ref(model)]

    def first_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if not waiting:  # a hook cannot be removed while hooks run
            return
        module = waiting.pop()()
        if module is None or getattr(module, "_trainer", None) is not None:
            return
        try:
            _observe(optimizer, module)
        except Exception as error:
            session = active.current()
            if session is not None:
                session.failed("torch adapter", error)

    optimizer.register_step_pre_hook(first_step)


def owner_of(optimizer: torch.optim.Optimizer) -> nn.Module | None:
    """The outermost module that owns the optimizer's parameters; of equals the smallest."""
    wanted = {id(p) for group in optimizer.param_groups for p in group["params"]}
    best: tuple[int, int] | None = None
    found: nn.Module | None = None
    candidates = [m for reference in list(_modules.values()) if (m := reference()) is not None]
    inner = {id(child) for m in candidates for child in m.modules() if child is not m}
    for module in candidates:
        if id(module) in inner or isinstance(module, nn.modules.loss._Loss):
            continue
        own = {id(p) for p in module.parameters()}
        score = (len(own & wanted), -len(own))
        if score[0] and (best is None or score > best):
            best, found = score, module
    return found


def _is_lightning(model: nn.Module) -> bool:
    return any(
        kind.__name__ == "LightningModule"
        and kind.__module__.startswith(("lightning.", "pytorch_lightning."))
        for kind in type(model).__mro__
    )


def _inside_keras(model: nn.Module) -> bool:
    return any(kind.__module__.startswith("keras.") for kind in type(model).__mro__)
