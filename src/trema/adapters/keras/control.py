"""Callbacks that steer a fit: what they monitor, and in which direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from trema.adapters.keras import locate
from trema.adapters.keras.data import FitCall
from trema.core.facts import Fact, Place
from trema.source.matching import match_call
from trema.source.syntax import argument

if TYPE_CHECKING:
    from trema.adapters.keras.observer import Observer

_WATCHERS = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.ModelCheckpoint,
)


def tell_monitors(observer: Observer, call: FitCall) -> None:
    """Tell each callback that was given a direction, with the line that gave it."""
    files: list[str] | None = None
    for number, callback in enumerate(call.callbacks):
        mode, monitor = getattr(callback, "mode", None), getattr(callback, "monitor", None)
        if not isinstance(callback, _WATCHERS) or mode not in ("min", "max"):
            continue
        if not getattr(callback, "save_best_only", True):
            continue  # a checkpoint of every epoch compares nothing
        kind = type(callback).__name__
        place = locate.made.location(callback)
        if place is None:
            files = locate.user_files(call.site) if files is None else files
            place = match_call(files, kind, {"mode": mode})
        role = f"monitor:{number}"
        if place is not None:
            where = argument(place, "mode") or place
            places = (*observer.segment.info.places, Place(role=role, location=where))
            observer.segment.update(places=places)
        data: dict[str, Any] = {"watcher": kind, "monitor": str(monitor), "mode": mode}
        observer._observe(Fact.CONTROL, {"kind": "monitor", "role": role, **data}, None)
