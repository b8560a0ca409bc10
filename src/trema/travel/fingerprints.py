"""What a movie was made from, in a few letters an epoch, so that other arrays are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import UsageError
from trema.travel.frames import Frames
from trema.travel.heads import Heads, LinearHeads

#: Rows of a frame that are read: 256 of 50,000 are reached in milliseconds from a memory map.
_ROWS = 256


@dataclass(frozen=True)
class Fingerprints:
    """Of the representations and of a linear head, one an epoch; None where it is not known.

    They are of the numbers in float32, so that a memory map in float16 is told to be the same as
    an array in float64 that it was written from without loss. A change in none of the rows that
    are read (256, evenly spaced) and in no set of finite samples is not seen.
    """

    rows: tuple[str | None, ...]
    heads: tuple[str | None, ...]

    @classmethod
    def of(cls, frames: Frames, heads: Heads | None, since: int = 0) -> Fingerprints:
        """Those of the epochs from ``since`` on."""
        epochs = range(since, len(frames))
        return cls(
            tuple(_of_rows(frames, epoch) for epoch in epochs),
            tuple(_of_head(heads, epoch) for epoch in epochs),
        )

    @classmethod
    def read(cls, kept: Any, epochs: int) -> Fingerprints:
        """Those of a saved movie; movies of earlier versions have none."""
        rows, heads = (kept["rows"], kept["heads"]) if kept else ([None] * epochs, [None] * epochs)
        if not len(rows) == len(heads) == epochs:
            raise KeyError("made_from")  # as where a part of the document is missing
        return cls(tuple(rows), tuple(heads))

    def __add__(self, more: Fingerprints) -> Fingerprints:
        return Fingerprints(self.rows + more.rows, self.heads + more.heads)

    def plain(self) -> dict[str, list[str | None]]:
        """What ``read`` takes."""
        return {"rows": list(self.rows), "heads": list(self.heads)}

    def check(self, frames: Frames | None, heads: Heads | None, epochs: Sequence[int]) -> None:
        """Refuse what differs from what the movie was made from; unknown ones fit anything."""
        for at, number in enumerate(epochs):
            if frames is not None and _differ(self.rows[at], _of_rows(frames, at)):
                raise UsageError(
                    f"the movie was made from other representations than these at epoch {number}: "
                    "give those, samples and epochs in the same order, or build it anew"
                )
            if _differ(self.heads[at], _of_head(heads, at)):
                raise UsageError(
                    f"the movie was made with other heads than these at epoch {number}: "
                    "give those, epochs in the same order, or build it anew"
                )


def _differ(known: str | None, now: str | None) -> bool:
    return None not in (known, now) and known != now


def _of_rows(frames: Frames, epoch: int) -> str:
    some = np.linspace(0, frames.samples - 1, min(frames.samples, _ROWS)).astype(np.int64)
    return _digest(frames.rows(epoch, some), np.packbits(frames.finite[epoch]))


def _of_head(heads: Heads | None, epoch: int) -> str | None:
    if not isinstance(heads, LinearHeads):
        return None
    return _digest(heads.weights[epoch], heads.biases[epoch])


def _digest(numbers: NDArray[Any], others: NDArray[Any]) -> str:
    total = hashlib.blake2b(digest_size=12)
    for part in (numbers, others):
        total.update(repr(part.shape).encode())
        part = part + part.dtype.type(0)  # one zero of the two that are equal but of different bits
        total.update(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()
