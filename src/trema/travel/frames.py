"""The representations of a run, epoch after epoch, as the visualizers read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError

#: Largest magnitude that has a place: squares of differences, (2e16)², summed over up to 850,000
#: features stay below the largest float32, 3.4e38.
LARGEST = 1e16

#: Rows read at once where a whole frame in float32 would be wasteful.
_ROWS = 8192


@dataclass(frozen=True)
class Excluded:
    """A representation that is not finite and so has no place on the canvas.

    It holds NaN, infinity, or a number beyond ``LARGEST`` (1e16).
    """

    epoch: int
    sample: int


class Frames:
    """Representations of the same samples at every epoch.

    Parameters
    ----------
    representations : array of shape (epoch, sample, D), or a sequence of arrays (sample, D)
        Any real dtype; memory maps stay maps and are read a frame at a time.

    Raises
    ------
    UsageError
        When frames differ in shape, or hold fewer than two samples.
    """

    def __init__(self, representations: ArrayLike | Sequence[ArrayLike]) -> None:
        arrays = [_frame(array, at) for at, array in enumerate(_listed(representations))]
        self._arrays = _alike(arrays)
        self.samples, self.width = self._arrays[0].shape
        if self.samples < 2 or self.width < 1:
            raise UsageError(
                "expected at least two samples and one feature "
                f"but got shape {self._arrays[0].shape}"
            )
        self._finite = np.stack([finite_rows(array) for array in self._arrays])
        self._order: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which representations are finite, none beyond ``LARGEST``, of shape (epoch, sample)."""
        return self._finite

    def large(self, epoch: int) -> bool:
        """Whether a number beyond ``LARGEST`` takes a sample its place, and no NaN or infinity."""
        lost = np.flatnonzero(~self._finite[epoch])
        rows = self._arrays[epoch][lost if self._order is None else self._order[lost]]
        return bool(np.isfinite(rows).all(axis=1).any())

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """What is not finite, by epoch and sample."""
        return tuple(Excluded(int(e), int(s)) for e, s in np.argwhere(~self._finite))

    def read(self, epoch: int) -> NDArray[np.float32]:
        """The frame of an epoch in float32, of shape (sample, D); rows not finite are zeros."""
        if self._order is not None:
            return self.rows(epoch, np.arange(self.samples))
        frame = _single(self._arrays[epoch])
        bad = ~self._finite[epoch]
        if bad.any():
            frame = frame.copy()
            frame[bad] = 0.0
        return frame

    def part(self, epoch: int, start: int, stop: int) -> NDArray[np.float32]:
        """Rows that stand beside each other, as ``read`` gives them."""
        return self.rows(epoch, np.arange(start, min(stop, self.samples)))

    def rows(self, epoch: int, which: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some rows of a frame in float32, as ``read`` gives them."""
        places = which if self._order is None else self._order[which]
        frame = self._arrays[epoch]
        if (
            isinstance(frame, np.memmap)
            and self._order is not None
            and 2 * len(places) > len(frame)
        ):
            frame = np.array(frame)  # one read from front to end, not one a row all over the file
        rows = _single(frame[places])
        rows[~self._finite[epoch][which]] = 0.0
        return rows

    def appended(self, representation: ArrayLike) -> Frames:
        """These frames and one more epoch after them; the others are not read again."""
        if self._order is not None:
            raise ValueError("append to the frames as given, then order them")
        frame = _frame(representation, len(self))
        result = copy(self)
        result._arrays = _alike([*self._arrays, frame])
        result._finite = np.concatenate([self._finite, finite_rows(frame)[None]])
        return result

    def ordered(self, order: NDArray[np.int64]) -> Frames:
        """The same frames with sample ``order[i]`` as sample i; nothing is copied."""
        result = copy(self)
        result._order = order if self._order is None else self._order[order]
        result._finite = self._finite[:, order]
        return result

    def only(self, epoch: int) -> Frames:
        """One epoch by itself, so that no more than it is sent to another process."""
        result = copy(self)
        result._arrays = [self._arrays[epoch]]
        result._finite = self._finite[[epoch]]
        return result


def plain(array: Any) -> Any:
    """A tensor as an array: without its gradient, on the CPU. Anything else as it is."""
    if hasattr(array, "detach"):
        array = array.detach()
        array = array.float() if str(array.dtype) == "torch.bfloat16" else array
        return array.cpu().numpy()
    return array


def _alike(arrays: list[NDArray[np.floating]]) -> list[NDArray[np.floating]]:
    """The arrays, when there are some and all are of one shape."""
    if not arrays:
        raise UsageError("expected the representations of at least one epoch but got none")
    if len({array.shape for array in arrays}) > 1:
        raise UsageError(
            "every epoch must hold the same samples and features, but the shapes are "
            + ", ".join(str(array.shape) for array in arrays)
        )
    return arrays


def _listed(representations: ArrayLike | Sequence[ArrayLike]) -> list[ArrayLike]:
    representations = plain(representations)
    if isinstance(representations, np.ndarray):
        if representations.ndim != 3:
            raise UsageError(
                "expected representations of shape (epoch, sample, D) "
                f"but got {representations.shape}"
            )
        return list(representations)
    if not isinstance(representations, Iterable):
        raise UsageError(
            "expected representations of shape (epoch, sample, D), or a sequence of arrays "
            f"(sample, D), but got {type(representations).__name__}"
        )
    return list(representations)


def _frame(array: ArrayLike, epoch: int) -> NDArray[np.floating]:
    try:
        frame: NDArray[Any] = np.asanyarray(plain(array))  # a memory map stays one
    except ValueError:  # lists of unequal lengths
        raise UsageError(
            f"epoch {epoch}: expected numbers of shape (sample, D) but got rows of unequal lengths"
        ) from None
    if frame.ndim != 2 or frame.dtype.kind not in "fiub":
        raise UsageError(
            f"epoch {epoch}: expected numbers of shape (sample, D) "
            f"but got {frame.dtype} of shape {frame.shape}"
        )
    return frame


def _single(array: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is beyond float32 is beyond ``LARGEST``, and left out
        return np.asarray(array, dtype=np.float32)


def finite_rows(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows (n,) of an array (n, D) hold neither NaN nor infinity nor what is too large."""
    starts = range(0, len(array), _ROWS)
    parts = [_finite(array[at : at + _ROWS]) for at in starts]
    return np.concatenate([np.empty(0, dtype=bool), *parts])


def _finite(rows: NDArray[Any]) -> NDArray[np.bool_]:
    if rows.dtype == np.float16:
        return np.asarray(np.isfinite(rows).all(axis=1))
    if rows.dtype.kind != "f" and rows.dtype.itemsize < 8:
        return np.ones(len(rows), dtype=bool)
    within = (rows.min(axis=1) >= -LARGEST) & (rows.max(axis=1) <= LARGEST)  # NaN is neither
    return np.asarray(within)
