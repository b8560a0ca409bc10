"""Draws from distributions whose parameters need gradients, seen until the first loss is read.

``sample`` cuts the graph, ``rsample`` keeps it. What was scored with ``log_prob`` is a gradient
estimate of its own and never told. The methods are replaced only while somebody listens.
"""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from trema.source.frames import CallSite, call_site

#: Draws that are remembered at a time.
_MOST = 32


@dataclass
class Draw:
    """One draw that has no gradient while its parameters need one."""

    value: weakref.ref[Tensor]
    kind: str
    site: CallSite | None
    source: weakref.ref[Any]
    scored: bool = False  # its probability was asked for


_listeners = 0
_draws: list[Draw] = []
_replaced: list[tuple[type, str, Any]] = []
_depth = 0
#: Whether a hook was put on a tensor inside a graph: another pass through it would run it.
hooked = False


def listen() -> None:
    """Remember draws from now on."""
    global _listeners
    _listeners += 1
    if _listeners == 1:
        for kind in _kinds():
            for name, wrap in (("sample", _sample), ("log_prob", _log_prob)):
                if name in vars(kind):
                    _replace(kind, name, wrap(vars(kind)[name]))
        _replace(Tensor, "register_hook", _hook(Tensor.register_hook))
        _replace(Tensor, "retain_grad", _hook(Tensor.retain_grad))


def leave() -> None:
    """The last one who leaves puts everything back."""
    global _listeners
    _listeners -= 1
    if _listeners == 0:
        while _replaced:
            kind, name, before = _replaced.pop()
            if before is None:
                delattr(kind, name)
            else:
                setattr(kind, name, before)
        _draws.clear()


def drawn_in(given: Tensor) -> Draw | None:
    """The draw whose values a layer was given: alone, or beside others on the last axis."""
    for draw in reversed(_draws):
        value = draw.value()
        if value is None or not value.ndim or value.numel() < 2:
            continue
        if given is value or given.data_ptr() == value.data_ptr():
            return draw
        width = value.shape[-1]
        if given.is_cuda or given.shape[:-1] != value.shape[:-1] or given.shape[-1] < width:
            continue
        plain = value.to(given.dtype)
        if torch.equal(given[..., :width], plain) or torch.equal(given[..., -width:], plain):
            return draw
    return None


def _kinds() -> list[type]:
    found: list[type] = [Distribution]
    for kind in vars(torch.distributions).values():
        if isinstance(kind, type) and issubclass(kind, Distribution) and kind not in found:
            found.append(kind)
    return found


def _replace(kind: type, name: str, new: Any) -> None:
    _replaced.append((kind, name, vars(kind).get(name)))
    setattr(kind, name, new)


def _sample(original: Any) -> Any:
    @functools.wraps(original)
    def sample(self: Any, *args: Any, **options: Any) -> Any:
        global _depth
        _depth += 1
        try:
            value = original(self, *args, **options)
        finally:
            _depth -= 1
        if _depth == 0 and torch.is_grad_enabled():
            _note(self, value)
        return value

    return sample


def _note(source: Any, value: Any) -> None:
    if torch.compiler.is_compiling() or not isinstance(value, Tensor) or value.requires_grad:
        return
    if not getattr(source, "has_rsample", False) or not _needs_gradient(source):
        return
    _draws.append(Draw(weakref.ref(value), type(source).__name__, call_site(), weakref.ref(source)))
    del _draws[:-_MOST]


def _needs_gradient(source: Any) -> bool:
    parts = [*vars(source).values()]
    inner = (p for p in parts if isinstance(p, Distribution))
    return any(isinstance(p, Tensor) and p.requires_grad for p in parts) or any(
        map(_needs_gradient, inner)
    )


def _log_prob(original: Any) -> Any:
    @functools.wraps(original)
    def log_prob(self: Any, value: Any, *args: Any, **options: Any) -> Any:
        for draw in _draws:
            draw.scored = draw.scored or draw.source() is self or _is(draw.value(), value)
        return original(self, value, *args, **options)

    return log_prob


def _is(drawn: Tensor | None, value: Any) -> bool:
    if drawn is None or not isinstance(value, Tensor) or drawn.numel() != value.numel():
        return False
    return drawn is value or drawn.data_ptr() == value.data_ptr()


def _hook(original: Any) -> Any:
    @functools.wraps(original)
    def put(self: Tensor, *args: Any, **options: Any) -> Any:
        global hooked
        hooked = hooked or self.grad_fn is not None
        return original(self, *args, **options)

    return put
