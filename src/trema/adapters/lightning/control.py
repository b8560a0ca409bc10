"""Callbacks and schedules of a Trainer: what they monitor, and in which direction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from trema.adapters.torch import locate
from trema.core.facts import Fact, Observation
from trema.source.matching import match_call
from trema.source.syntax import argument

if TYPE_CHECKING:
    from trema.adapters.lightning.observer import ModuleObserver

_WATCHERS = ("EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau")


def tell_monitors(observer: ModuleObserver, trainer: Any) -> None:
    """Tell what is monitored, with the line that gave the direction."""
    files = locate.user_files()
    for number, (watcher, monitor, mode) in enumerate(_monitors(trainer)):
        role = f"monitor:{number}"
        place = match_call(files, watcher, {})
        if place is not None:
            observer.known_places[role] = argument(place, "mode") or place
            observer._relocate()
        observer.segment.observe(
            Observation(
                fact=Fact.CONTROL,
                step=None,
                epoch=None,
                data={
                    "kind": "monitor",
                    "role": role,
                    "watcher": watcher,
                    "monitor": monitor,
                    "mode": mode,
                },
                segment=observer.segment.number,
            )
        )


def _monitors(trainer: Any) -> Iterator[tuple[str, str, str]]:
    """The watcher, what it monitors, and its mode."""
    for callback in trainer.callbacks:
        kind = next((k.__name__ for k in type(callback).__mro__ if k.__name__ in _WATCHERS), None)
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", None)
        if kind is not None and monitor and mode in ("min", "max"):
            yield kind, str(monitor), str(mode)
    for config in getattr(trainer, "lr_scheduler_configs", ()):
        mode = getattr(config.scheduler, "mode", None)
        if getattr(config, "monitor", None) and mode in ("min", "max"):
            yield "ReduceLROnPlateau", str(config.monitor), str(mode)
