"""Dropout that works while a model is judged: calls of the functional form without ``training``."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trema.adapters.torch.hooks import Hook
from trema.core.diagnosis import Location
from trema.core.facts import Fact, Observation
from trema.source.frames import call_site, is_user_file
from trema.source.syntax import argument, expression

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: Passes of a model in eval mode that are looked into.
PASSES = 3
#: What the functions of ``torch.nn.functional`` call, which nothing else replaces.
_VF: Any = sys.modules["torch._VF"]
_NAMES = tuple(
    f"{kind}dropout{place}"
    for kind in ("", "feature_", "alpha_", "feature_alpha_")
    for place in ("", "_")
)


class EvalDropout:
    """Looks into the first passes of one model in eval mode."""

    def __init__(self, observer: Observer) -> None:
        self._observer = weakref.ref(observer)
        self._left = PASSES
        self._seen: dict[str, tuple[Location, float]] = {}  # module -> the call, and its rate
        self._open = False
        self._handles: list[Any] = []
        if not observer._compiled:
            model = observer.model
            self._handles = [
                model.register_forward_pre_hook(Hook(self._begins)),
                model.register_forward_hook(Hook(self._ends), always_call=True),
            ]

    def _begins(self, module: nn.Module, *_: Any) -> None:
        if module.training or not self._left or self._open or torch.compiler.is_compiling():
            return
        self._left -= 1
        self._open = True
        for name in _NAMES:
            setattr(_VF, name, self._watched(getattr(_VF, name)))

    def _ends(self, module: nn.Module, *_: Any) -> None:
        if not self._open:
            return
        self._open = False
        for name in _NAMES:
            vars(_VF).pop(name, None)
        observer = self._observer()
        if self._seen and observer is not None:
            self._left = 0
            observer.guard(lambda: self._tell(observer))

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def drop(*args: Any) -> Any:
            try:
                if args[2] and args[1] > 0:
                    self._note(float(args[1]), sys._getframe(1))
            except Exception:  # never between the user and the result
                pass
            return original(*args)

        return drop

    def _note(self, rate: float, frame: FrameType) -> None:
        """A call that drops; it counts when the user's own line leaves ``training`` away."""
        caller = frame.f_back  # of the function in torch.nn.functional
        if caller is None or not is_user_file(caller.f_code.co_filename) or len(self._seen) >= 16:
            return
        owner = caller.f_locals.get("self")
        name = self._name(owner)
        if name in self._seen:
            return
        site = call_site(caller)
        place = site.resolve() if site is not None else None
        text = expression(place) if place is not None else None
        if place is None or text is None or "**" in text or "dropout" not in text:
            return
        if argument(place, "training", 2) is None:
            self._seen[name] = (place, rate)

    def _name(self, owner: object) -> str:
        observer = self._observer()
        modules = observer.inner.named_modules() if observer is not None else ()
        return next((name for name, module in modules if module is owner), "")

    def _tell(self, observer: Observer) -> None:
        names = sorted(self._seen)
        place, rate = self._seen[names[0]]
        observer.known_places["eval-dropout"] = place
        observer._relocate()
        data = {"kind": "eval-dropout", "rate": rate, "modules": names}
        observer.segment.observe(
            Observation(
                fact=Fact.CONTROL,
                step=observer.step,
                epoch=observer.epochs.epoch,
                data=data,
                segment=observer.segment.number,
            )
        )

    def close(self) -> None:
        """The run is over."""
        self._left = 0
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
