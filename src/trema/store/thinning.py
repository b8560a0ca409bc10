"""Thinning of a series to what a screen can show, so that spikes survive.

A *stretch* is what is known of consecutive points. Each block of numbers is stored with its
*sketch*, the stretches of about 64 points that it consists of: a long series is thinned from the
sketches, without its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trema.store.base import Window

#: Points of a stretch of a sketch.
SKETCH_POINTS = 64
#: Stretches: first and last step; the last value, or the last that is not finite; extremes of the
#: finite values, NaN where there is none.
STRETCH = np.dtype(
    [("first", "<i8"), ("last", "<i8"), ("value", "<f8"), ("low", "<f8"), ("high", "<f8")]
)

Stretches = NDArray[np.void]


def of_points(steps: NDArray[np.int64], values: NDArray[np.float64]) -> Stretches:
    """Each point as a stretch."""
    made = np.empty(len(steps), STRETCH)
    made["first"] = made["last"] = steps
    made["value"] = values
    made["low"] = made["high"] = np.where(np.isfinite(values), values, np.nan)
    return made


def sketch(steps: NDArray[np.int64], values: NDArray[np.float64]) -> bytes:
    """The sketch of a block; its first point is a stretch of its own."""
    return _merged(of_points(steps, values), _sketch_starts(len(steps))).tobytes()


@lru_cache(2048)
def _sketch_starts(count: int) -> NDArray[np.int64]:
    return np.unique([0, min(1, count - 1), *range(0, count, SKETCH_POINTS)])


def read_sketch(data: bytes) -> Stretches:
    """The stretches of a sketch, or of several one after the other."""
    return np.frombuffer(data, STRETCH)


def _merged(parts: Stretches, starts: NDArray[np.int64]) -> Stretches:
    """Stretches joined from each start up to the next."""
    made = np.empty(len(starts), STRETCH)
    made["first"] = np.minimum.reduceat(parts["first"], starts)
    made["last"] = np.maximum.reduceat(parts["last"], starts)
    made["low"] = np.fmin.reduceat(parts["low"], starts)
    made["high"] = np.fmax.reduceat(parts["high"], starts)
    made["value"] = _shown(parts["value"], starts)
    return made


def _shown(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    last = np.append(starts[1:], len(values)) - 1
    finite = np.isfinite(values)
    if not finite.all():
        odd = np.maximum.reduceat(np.where(finite, -1, np.arange(len(values))), starts)
        last = np.where(odd >= 0, odd, last)
    return np.asarray(values[last])


def in_order(parts: Stretches) -> bool:
    """Whether no stretch begins before the one before it ends."""
    return bool((parts["first"][1:] >= parts["last"][:-1]).all())


def too_wide(parts: Stretches, low: int, high: int, width: int) -> NDArray[np.bool_]:
    """Which stretches are wider than one of ``width`` equal parts of the steps low to high."""
    # as float64: the difference of two steps may not fit into 64 bits
    spans = parts["last"].astype(np.float64) - parts["first"]
    return np.asarray(spans > (float(high) - float(low)) / (width - 1))


def thin(parts: Stretches, width: int, position: int) -> Window:
    """A window of at most ``width`` stretches from stretches that are in order."""
    if len(parts) > width:
        parts = _merged(parts, _starts(parts, width))
    copy = {name: np.ascontiguousarray(parts[name]) for name in ("last", "value", "low", "high")}
    return Window(copy["last"], copy["value"], copy["low"], copy["high"], True, position)


def _starts(parts: Stretches, width: int) -> NDArray[np.int64]:
    """Where the first stretch ends, and each equal part of the steps behind it."""
    last = parts["last"][1:].astype(np.float64)
    low, high = last[0], last[-1]
    share = (last - low) / (high - low) if high > low else np.zeros_like(last)
    column = np.minimum((share * (width - 1)).astype(np.int64), width - 2)
    return np.concatenate([[0, 1], np.flatnonzero(np.diff(column)) + 2])


def whole(
    steps: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All points in the order of their steps; those of one step as they came."""
    if not steps:
        return np.empty(0, np.int64), np.empty(0)
    all_steps, all_values = np.concatenate(steps), np.concatenate(values)
    if (np.diff(all_steps) < 0).any():
        order = np.argsort(all_steps, kind="stable")
        return all_steps[order], all_values[order]
    return all_steps, all_values
