"""Attach to every optimizer that an unmodified script makes (``trema run``)."""

from __future__ import annotations

import functools
import os
import weakref
from typing import Any

import torch
from torch import nn

from trema.adapters.torch import locate, patches
from trema.adapters.torch.attach import observe
from trema.adapters.wiring import wire
from trema.core.config import disabled
from trema.engine import active

_modules: weakref.WeakSet[nn.Module] = weakref.WeakSet()
_attached = False
_pid = os.getpid()


def auto_attach() -> None:
    """Watch every optimizer from now on; a second call does nothing."""
    global _attached
    if _attached or disabled():
        return
    _attached = True
    locate.record_construction()
    patches.install()
    _remember_modules()
    original = torch.optim.Optimizer.__init__

    @functools.wraps(original)
    def __init__(self: torch.optim.Optimizer, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        if os.getpid() == _pid:
            _attach(self)

    torch.optim.Optimizer.__init__ = __init__  # type: ignore[method-assign]


def _remember_modules() -> None:
    original = nn.Module.__init__

    @functools.wraps(original)
    def __init__(self: nn.Module, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        try:
            _modules.add(self)
        except TypeError:  # a module that cannot be referred to weakly is not found again
            pass

    nn.Module.__init__ = __init__  # type: ignore[method-assign]


def _attach(optimizer: torch.optim.Optimizer) -> None:
    session = active.current()
    try:
        model = owner_of(optimizer)
        if model is None or _inside_keras(model):
            return
        wire()
        session = session or active.start(framework="torch")
        session.framework = "torch"
        observe(session, model, optimizer, index=0)
    except Exception as error:
        if session is not None:
            session.failed("torch adapter", error)


def owner_of(optimizer: torch.optim.Optimizer) -> nn.Module | None:
    """The outermost module that owns the optimizer's parameters; of equals the smallest."""
    wanted = {id(p) for group in optimizer.param_groups for p in group["params"]}
    best: tuple[int, int] | None = None
    found: nn.Module | None = None
    candidates = list(_modules)
    inner = {id(child) for m in candidates for child in m.modules() if child is not m}
    for module in candidates:
        if id(module) in inner or isinstance(module, nn.modules.loss._Loss):
            continue
        own = {id(p) for p in module.parameters()}
        score = (len(own & wanted), -len(own))
        if score[0] and (best is None or score > best):
            best, found = score, module
    return found


def _inside_keras(model: nn.Module) -> bool:
    return any(kind.__module__.startswith("keras.") for kind in type(model).__mro__)
