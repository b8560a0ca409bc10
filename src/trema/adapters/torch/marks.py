"""What a program does to its model before training: casts, first values, freezing, cut graphs.

Calls that say it are noted by the line of the user that makes them, as constructions are.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trema.core.diagnosis import Location
from trema.source.cuts import cuts_in
from trema.source.frames import CallSite, call_site, is_user_file
from trema.source.syntax import argument

#: Functions of ``nn.init`` that give all values alike.
_ALIKE = ("zeros_", "ones_", "constant_")
#: Those that draw them; the layers themselves call these too, which tells nothing.
_DRAWN = (
    "normal_", "uniform_", "trunc_normal_", "orthogonal_", "xavier_normal_", "xavier_uniform_",
    "kaiming_normal_", "kaiming_uniform_",
)  # fmt: skip
#: Parameters whose first values are told, at most.
_MOST = 64


class Marks:
    """The last line that did something to each object, as long as the object lives."""

    def __init__(self) -> None:
        self._sites: dict[int, tuple[weakref.ref[object], CallSite, int | None]] = {}

    def note(self, thing: object, position: int | None = None) -> None:
        """The user's call that runs now is about this; ``position``: of its argument meant."""
        try:
            site = call_site(sys._getframe(2))
            if site is not None:
                self._sites[id(thing)] = (weakref.ref(thing), site, position)
            if len(self._sites) > 4096:
                self._sites = {k: v for k, v in self._sites.items() if v[0]() is not None}
        except Exception:  # a line is never worth an error in the user's call
            pass

    def site(self, thing: object) -> CallSite | None:
        """The running line that was noted."""
        reference, site, _ = self._sites.get(id(thing), (None, None, None))
        return site if reference is not None and reference() is thing else None

    def location(self, thing: object, name: str = "") -> Location | None:
        """The line, or that of the argument meant."""
        reference, site, position = self._sites.get(id(thing), (None, None, None))
        if reference is None or site is None or reference() is not thing:
            return None
        place = site.resolve()
        given = argument(place, name, position) if place is not None and name else None
        return given or place


casts = Marks()
values = Marks()
evaluations = Marks()


def record() -> None:
    """Note from now on casts of modules, first values of parameters and calls of ``eval``."""
    for name in ("half", "bfloat16", "double"):
        _patch_cast(name, lambda args: 0)
    _patch_cast("to", _dtype_position)
    for name in (*_ALIKE, *_DRAWN):
        _patch_initial(name, by_user=name in _DRAWN)
    _patch_eval()


def _dtype_position(args: tuple[Any, ...]) -> int | None:
    return next((i for i, part in enumerate(args) if isinstance(part, torch.dtype)), None)


def _patch_cast(name: str, position: Callable[[tuple[Any, ...]], int | None]) -> None:
    original = getattr(nn.Module, name)

    @functools.wraps(original)
    def cast(self: Any, *args: Any, **options: Any) -> Any:
        at = position(args)
        if at is not None or isinstance(options.get("dtype"), torch.dtype):
            casts.note(self, at)
        return original(self, *args, **options)

    setattr(nn.Module, name, cast)


def _patch_initial(name: str, by_user: bool) -> None:
    original = getattr(nn.init, name)

    @functools.wraps(original)
    def initialize(tensor: Tensor, *args: Any, **options: Any) -> Any:
        told = not by_user or is_user_file(sys._getframe(1).f_code.co_filename)
        if told and isinstance(tensor, nn.Parameter) and tensor.ndim > 1:
            values.note(tensor)
        return original(tensor, *args, **options)

    setattr(nn.init, name, initialize)


def _patch_eval() -> None:
    original = nn.Module.eval

    @functools.wraps(original)
    def evaluate(self: Any) -> Any:
        evaluations.note(self)
        return original(self)

    nn.Module.eval = evaluate  # type: ignore[method-assign]


def marks_of(model: nn.Module) -> Iterator[tuple[str, Location]]:
    """Places by role: ``cast``, ``initial:parameter`` and ``cut:module``."""
    for module in (model, *model.children()):
        cast = casts.location(module, "dtype")
        if cast is not None:
            yield "cast", cast
            break
    told = 0
    for name, parameter in model.named_parameters():
        place = values.location(parameter) if told < _MOST else None
        if place is not None:
            told += 1
            yield f"initial:{name}", place
    seen: set[type] = set()
    for path, module in model.named_modules():
        kind = type(module)
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if kind in seen or not isinstance(file, str) or not is_user_file(file):
            continue
        seen.add(kind)  # of several modules of a class, the first stands for all
        for attribute, place in cuts_in(file, kind.__qualname__).items():
            yield f"cut:{path}.{attribute}".replace(":.", ":"), place
