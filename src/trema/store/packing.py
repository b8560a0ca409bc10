"""Packing of series into blocks of float64: exact for every number, NaN and ±inf included."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from trema.store.thinning import sketch

#: Points of numbers in a full block.
BLOCK_POINTS = 1024
#: Values in a full block of arrays: 512 KiB, because the last block is written again as it grows.
BLOCK_VALUES = 65_536

Value = float | NDArray[np.float64]
#: Steps and values of points of one series.
Column = tuple[list[int], list[Value]]


def block_size(shape: tuple[int, ...]) -> int:
    """Points in a full block of values of this shape."""
    return max(1, min(BLOCK_POINTS, BLOCK_VALUES // max(1, math.prod(shape))))


@dataclass(frozen=True)
class PackedBlock:
    """A block in memory.

    steps : ndarray of shape (n,), int64
    values : ndarray of shape (n, *shape), float64
    """

    number: int
    start: int  # points of the series before this block
    shape: tuple[int, ...]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def end(self) -> int:
        """Points of the series up to the end of this block."""
        return self.start + len(self.steps)

    @property
    def room(self) -> int:
        """How many further points belong in it."""
        return block_size(self.shape) - len(self.steps)

    def row(self, series: int) -> dict[str, object]:
        """The block as a row of the table."""
        finite = np.isfinite(self.values)
        number = int(np.count_nonzero(finite))
        some = self.values if number == self.values.size else self.values[finite]
        return {
            "series": series,
            "number": self.number,
            "start": self.start,
            "count": len(self.steps),
            "shape": ",".join(map(str, self.shape)),
            # a run that was resumed may go back
            "first_step": int(self.steps.min()),
            "last_step": int(self.steps.max()),
            "minimum": float(some.min()) if number else None,
            "maximum": float(some.max()) if number else None,
            "nonfinite": self.values.size - number,
            "sketch": None if self.shape else sketch(self.steps, self.values),
            "steps": self.steps.astype("<i8", copy=False).tobytes(),
            "values": self.values.astype("<f8", copy=False).tobytes(),
        }


def extend(tail: PackedBlock | None, points: Column) -> Iterator[PackedBlock]:
    """The last block of a series, if it changes, and the blocks that follow it."""
    block = tail
    for shape, steps, values in _of_one_shape(points):
        if block is not None and block.shape == shape and (room := block.room) > 0:
            block = replace(
                block,
                steps=np.concatenate([block.steps, steps[:room]]),
                values=np.concatenate([block.values, values[:room]]),
            )
            steps, values = steps[room:], values[room:]
            yield block
        while len(steps):
            size = block_size(shape)
            number, before = (block.number + 1, block.end) if block else (0, 0)
            block = PackedBlock(number, before, shape, steps[:size], values[:size])
            steps, values = steps[size:], values[size:]
            yield block


def _of_one_shape(
    points: Column,
) -> Iterator[tuple[tuple[int, ...], NDArray[np.int64], NDArray[np.float64]]]:
    steps, values = points
    if set(map(type, values)) == {float}:  # nearly always
        yield (), np.array(steps, np.int64), np.array(values, np.float64)
        return
    start = 0
    for shape, group in groupby(values, key=_shape):
        some = list(group)
        end = start + len(some)
        yield shape, np.asarray(steps[start:end], np.int64), np.asarray(some, np.float64)
        start = end


def _shape(value: Value) -> tuple[int, ...]:
    return () if isinstance(value, float) else value.shape


def unpack(
    shape: str, steps: bytes, values: bytes
) -> tuple[tuple[int, ...], NDArray[np.int64], NDArray[np.float64]]:
    """Shape of a value, steps (n,) and values (n, …) of a stored block."""
    sizes = tuple(int(size) for size in shape.split(",")) if shape else ()
    indices = np.frombuffer(steps, dtype="<i8").astype(np.int64)
    numbers = np.frombuffer(values, dtype="<f8").astype(np.float64)
    return sizes, indices, numbers.reshape(len(indices), *sizes)


def unpacked_block(number: int, start: int, shape: str, steps: bytes, values: bytes) -> PackedBlock:
    """A stored block, ready to be extended."""
    return PackedBlock(number, start, *unpack(shape, steps, values))
