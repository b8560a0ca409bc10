"""An order of samples that comes from what they are and not from where they stand.

Parts that are picked by it (references, held samples) are the same after the samples are
permuted, and copies stand beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.travel.frames import Frames

#: Constants of the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ROWS = 4096


def content_keys(frames: Sequence[NDArray[Any]], most: int = 8) -> NDArray[np.uint64]:
    """A key (N,) of each row of arrays (N, C), from at most ``most`` of the arrays.

    Equal rows have equal keys; different rows almost surely have different ones.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, most).round().astype(int))
    keys = np.zeros(len(frames[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for at in chosen:
            # Adding 0.0 makes one zero of the two that are equal but of different bits.
            rows = np.asarray(frames[at], dtype=np.float32) + np.float32(0)
            for column in np.ascontiguousarray(rows).view(np.uint32).T:
                keys = _mixed(keys + column + _GAMMA)
    return keys


def sample_keys(frames: Frames, most: int = 32) -> NDArray[np.uint64]:
    """A key (sample,) of what is known of each sample: its representations at ``most`` epochs at
    most, evenly spaced, and at which epochs they are finite.

    Each frame adds the sum of its numbers times odd random ones (multilinear hashing), which a
    50,000 x 512 frame is through with in a tenth of a second.
    """
    draw = np.random.default_rng(0)
    factors = draw.integers(0, 2**63, size=frames.width, dtype=np.uint64) * np.uint64(2)
    factors += np.uint64(1)
    keys = np.zeros(frames.samples, dtype=np.uint64)
    chosen = np.unique(np.linspace(0, len(frames) - 1, most).round().astype(int))
    with np.errstate(over="ignore"):
        for finite in frames.finite:
            keys = _mixed(keys + finite.astype(np.uint64) + _GAMMA)
        for epoch in chosen.tolist():
            for at in range(0, frames.samples, _ROWS):
                part = slice(at, at + _ROWS)
                rows = frames.part(epoch, at, at + _ROWS) + np.float32(0)
                bits = np.ascontiguousarray(rows).view(np.uint32).astype(np.uint64)
                keys[part] = _mixed(keys[part] + bits @ factors + _GAMMA)
    return keys


def content_order(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The rows by key; copies keep the order they came in."""
    return np.argsort(keys, kind="stable")


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    keys = (keys ^ (keys >> np.uint64(30))) * _FIRST
    keys = (keys ^ (keys >> np.uint64(27))) * _SECOND
    return keys ^ (keys >> np.uint64(31))
