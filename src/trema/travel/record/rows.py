"""Rows of one frame, gathered batch by batch in float16 where it can hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import UsageError

#: Beyond these float16 gives infinity, or less than its three digits (its subnormal numbers).
_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = float(np.finfo(np.float16).tiny)


class Rows:
    """An array of shape (count, width), filled from the front.

    Values are kept in float16. A batch whose largest finite value is above 65,504, or so small
    that float16 would lose its digits, turns the whole frame to float32, so that nothing finite
    ever becomes infinity or nothing. NaN and infinity stay what they are.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._filled = 0
        self._array: NDArray[Any] | None = None

    def add(self, batch: NDArray[Any]) -> None:
        """Append a batch of shape (n, width).

        Raises
        ------
        UsageError
            When the width changes, or there are more rows than were told.
        """
        if batch.ndim != 2:
            raise UsageError(f"expected rows of shape (n, width) but got {batch.shape}")
        if self._array is None:
            self._array = np.empty((self._count, batch.shape[1]), dtype=np.float16)
        array, until = self._array, self._filled + len(batch)
        if batch.shape[1] != array.shape[1] or until > self._count:
            raise UsageError(
                f"expected {self._count} rows of {array.shape[1]} numbers but got "
                f"{until} of {batch.shape[1]}"
            )
        if array.dtype == np.float16 and not fits(batch):
            self._array = array = array.astype(np.float32)
        array[self._filled : until] = batch
        self._filled = until

    @property
    def array(self) -> NDArray[Any]:
        """The whole frame, float16 or float32.

        Raises
        ------
        UsageError
            When rows are missing.
        """
        if self._array is None or self._filled < self._count:
            raise UsageError(f"expected {self._count} samples but the data gave {self._filled}")
        return self._array

    @property
    def nonfinite(self) -> NDArray[np.int64]:
        """Places of the rows that hold NaN or infinity."""
        return np.flatnonzero(~np.isfinite(self.array).all(axis=1))


def fits(batch: NDArray[Any]) -> bool:
    """Whether float16 holds these numbers with its own precision."""
    if batch.dtype == np.float16:
        return True
    sizes = np.abs(batch[np.isfinite(batch)])
    largest = float(sizes.max()) if sizes.size else 0.0
    return largest == 0.0 or _SMALLEST < largest <= _LARGEST
