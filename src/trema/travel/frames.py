"""The representations of a run, epoch after epoch, as the visualizers read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError

#: Rows read at once where a whole frame in float32 would be wasteful.
_ROWS = 8192


@dataclass(frozen=True)
class Excluded:
    """A representation that holds NaN or infinity and so has no place on the canvas."""

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
        self._arrays = [_frame(array, at) for at, array in enumerate(_listed(representations))]
        if not self._arrays:
            raise UsageError("expected the representations of at least one epoch but got none")
        shapes = {array.shape for array in self._arrays}
        if len(shapes) > 1:
            raise UsageError(
                "every epoch must hold the same samples and features, but the shapes are "
                + ", ".join(str(array.shape) for array in self._arrays)
            )
        self.samples, self.width = self._arrays[0].shape
        if self.samples < 2 or self.width < 1:
            raise UsageError(
                "expected at least two samples and one feature "
                f"but got shape {self._arrays[0].shape}"
            )
        self._finite = np.stack([_finite(array) for array in self._arrays])

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which representations are finite, of shape (epoch, sample)."""
        return self._finite

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """What is not finite, by epoch and sample."""
        return tuple(Excluded(int(e), int(s)) for e, s in np.argwhere(~self._finite))

    def read(self, epoch: int) -> NDArray[np.float32]:
        """The frame of an epoch in float32, of shape (sample, D); rows not finite are zeros."""
        frame = np.asarray(self._arrays[epoch], dtype=np.float32)
        bad = ~self._finite[epoch]
        if bad.any():
            frame = frame.copy()
            frame[bad] = 0.0
        return frame

    def rows(self, epoch: int, which: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some rows of a frame in float32, as ``read`` gives them."""
        rows = np.asarray(self._arrays[epoch][which], dtype=np.float32)
        rows[~self._finite[epoch][which]] = 0.0
        return rows

    def appended(self, representation: ArrayLike) -> Frames:
        """These frames and one more epoch after them."""
        return Frames([*self._arrays, representation])


def _listed(representations: ArrayLike | Sequence[ArrayLike]) -> list[ArrayLike]:
    if isinstance(representations, np.ndarray):
        if representations.ndim != 3:
            raise UsageError(
                "expected representations of shape (epoch, sample, D) "
                f"but got {representations.shape}"
            )
        return list(representations)
    return list(representations)  # type: ignore[arg-type]  # a sequence of arrays


def _frame(array: ArrayLike, epoch: int) -> NDArray[np.floating]:
    frame = array if isinstance(array, np.ndarray) else np.asarray(array)
    if frame.ndim != 2 or frame.dtype.kind not in "fiub":
        raise UsageError(
            f"epoch {epoch}: expected numbers of shape (sample, D) "
            f"but got {frame.dtype} of shape {frame.shape}"
        )
    return frame


def _finite(array: NDArray[np.floating]) -> NDArray[np.bool_]:
    if array.dtype.kind != "f":
        return np.ones(len(array), dtype=bool)
    starts = range(0, len(array), _ROWS)
    return np.concatenate([np.isfinite(array[at : at + _ROWS]).all(axis=1) for at in starts])
