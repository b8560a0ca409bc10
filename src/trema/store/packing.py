"""Packing of series into blocks of float64: exact for every number, NaN and ±inf included."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trema.store.thinning import sketch

#: Points of numbers in a full block.
BLOCK_POINTS = 1024
#: Values in a full block of arrays: 512 KiB, because the last block is written again as it grows.
BLOCK_VALUES = 65_536

Value = float | NDArray[np.float64]
Point = tuple[int, Value]


@dataclass
class PackedBlock:
    """A block in memory.

    steps : of each point
    values : of each point, all of one shape
    """

    number: int = 0
    start: int = 0  # points of the series before this block
    shape: tuple[int, ...] = ()
    steps: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether no further point belongs in it."""
        width = max(1, math.prod(self.shape))
        return len(self.steps) >= max(1, min(BLOCK_POINTS, BLOCK_VALUES // width))

    def row(self, series: int) -> dict[str, object]:
        """The block as a row of the table."""
        steps, values = np.asarray(self.steps, dtype="<i8"), np.asarray(self.values, dtype="<f8")
        finite = values[np.isfinite(values)]
        return {
            "series": series,
            "number": self.number,
            "start": self.start,
            "count": len(self.steps),
            "shape": ",".join(map(str, self.shape)),
            # a run that was resumed may go back
            "first_step": int(steps.min()),
            "last_step": int(steps.max()),
            "minimum": float(finite.min()) if finite.size else None,
            "maximum": float(finite.max()) if finite.size else None,
            "nonfinite": int(values.size - finite.size),
            "sketch": None if self.shape else sketch(steps, values),
            "steps": steps.tobytes(),
            "values": values.tobytes(),
        }


def extend(tail: PackedBlock | None, points: Iterable[Point]) -> Iterator[PackedBlock]:
    """The last block of a series, if it changes, and the blocks that follow it."""
    block, changed = tail, False
    for step, value in points:
        shape = np.shape(value)
        if block is None:
            block = PackedBlock(shape=shape)
        elif block.full or block.shape != shape:
            if changed:
                yield block
            block = PackedBlock(block.number + 1, block.start + len(block.steps), shape)
        block.steps.append(step)
        block.values.append(value)
        changed = True
    if block is not None and changed:
        yield block


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
    sizes, indices, numbers = unpack(shape, steps, values)
    kept: Sequence[Value] = list(numbers) if sizes else numbers.tolist()
    return PackedBlock(number, start, sizes, indices.tolist(), list(kept))
