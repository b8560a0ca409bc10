"""Schedules that watch a number: what ``ReduceLROnPlateau.step`` was given, epoch by epoch."""

from __future__ import annotations

import functools
import sys
import weakref
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import ReduceLROnPlateau

from trema.core.facts import Fact, Observation
from trema.source.frames import CallSite, call_site
from trema.source.syntax import argument, expression

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: Calls that are kept, and after which of them they are told.
KEPT, TELL_AT = 256, frozenset({3, 6, 12, 24, 48, 96})

watching: list[Plateaus] = []
_installed = False


def install() -> None:
    """See from now on what such schedules are given; a second call does nothing."""
    global _installed
    if _installed:
        return
    _installed = True
    original = ReduceLROnPlateau.step

    @functools.wraps(original)
    def step(self: Any, *args: Any, **options: Any) -> Any:
        if watching:
            try:
                value = args[0] if args else options.get("metrics")
                _seen(self, float(value), call_site(sys._getframe(1)))  # type: ignore[arg-type]  # a number or not
            except Exception:  # the original says what is wrong with the call
                pass
        return original(self, *args, **options)

    ReduceLROnPlateau.step = step  # type: ignore[method-assign]  # passed on unchanged


def _seen(scheduler: Any, value: float, site: CallSite | None) -> None:
    optimizer = getattr(scheduler, "optimizer", None)
    for watcher in tuple(watching):
        if optimizer is not None and watcher.optimizer() is optimizer:
            watcher.stepped(scheduler, value, site)


class Plateaus:
    """The values that the schedule of one optimizer watches."""

    def __init__(self, observer: Observer, optimizer: Any) -> None:
        self._observer = observer
        self.optimizer = weakref.ref(optimizer)
        self._mode = ""
        self._site: CallSite | None = None
        self._values: list[float] = []
        self._epochs: list[int] = []
        install()
        watching.append(self)

    def stepped(self, scheduler: Any, value: float, site: CallSite | None) -> None:
        """The schedule was given a value."""
        if len(self._values) >= KEPT:
            return
        self._mode, self._site = str(scheduler.mode), self._site or site
        self._values.append(value)
        self._epochs.append(self._observer.epochs.epoch)
        if len(self._values) in TELL_AT:
            self._observer.guard(self._tell)

    def _tell(self) -> None:
        observer, site = self._observer, self._site
        place = site.resolve() if site is not None else None
        given = argument(place, "metrics", 0) if place is not None else None
        if site is not None and "monitor" not in observer._places:
            observer._places["monitor"] = site
            observer._relocate()
        observer.segment.observe(
            Observation(
                fact=Fact.CONTROL,
                step=observer.step,
                epoch=observer.epochs.epoch,
                data={
                    "kind": "monitor",
                    "role": "monitor",
                    "watcher": "ReduceLROnPlateau",
                    "monitor": (expression(given) or "") if given is not None else "",
                    "mode": self._mode,
                    "values": list(self._values),
                    "epochs": list(self._epochs),
                },
                segment=observer.segment.number,
            )
        )

    def close(self) -> None:
        """The run is over."""
        if self in watching:
            watching.remove(self)
        if self._values and len(self._values) not in TELL_AT:
            self._tell()
