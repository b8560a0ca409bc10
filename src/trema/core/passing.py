"""The first rows of a data set that cannot be read whole, kept as its batches pass."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trema.core.sketching import Split

#: Rows kept, at most.
ROWS = 4096
#: Bytes kept, at most; less where ``Config.memory`` is small.
BYTES = 8 * 2**20


class Passing:
    """Copies of the first batches of one split, in the order in which they came.

    memory : bytes that Trema may hold in all; a sixteenth of it is used here at most
    """

    def __init__(self, memory: int = 256 * 2**20) -> None:
        self.full = False
        self._left = min(BYTES, memory // 16)
        self._rows = 0
        self._size = 0  # of the batch added last, until it has targets
        self._inputs: list[dict[str, np.ndarray]] = []
        self._targets: list[np.ndarray | None] = []

    def add(self, inputs: Mapping[str, np.ndarray], targets: np.ndarray | None) -> None:
        """Keep the rows of a batch, or as many as there is room for."""
        self._size = 0
        sizes = {len(array) for array in inputs.values() if array.ndim}
        forms = {name: _form(array) for name, array in inputs.items()}
        before = {n: _form(a) for n, a in self._inputs[0].items()} if self._inputs else forms
        if self.full or len(sizes) != 1 or forms != before:
            return  # what has another form cannot stand in one array
        size = sizes.pop()
        if targets is not None and (not targets.ndim or len(targets) != size):
            targets = None
        width = sum(array.nbytes for array in inputs.values()) / max(1, size)
        room = min(size, ROWS - self._rows, int(self._left / max(width, 1.0)))
        if room < size:
            self.full = True
        if room <= 0:
            return
        self._inputs.append({name: np.array(array[:room]) for name, array in inputs.items()})
        self._targets.append(None if targets is None else np.array(targets[:room]))
        self._size = size if targets is None else 0
        self._rows += room
        self._left -= int(width * room)

    def label(self, targets: np.ndarray) -> None:
        """The targets of the batch added last, where they were not known."""
        if self._size and targets.ndim and len(targets) == self._size:
            self._targets[-1] = np.array(targets[: len(next(iter(self._inputs[-1].values())))])
        self._size = 0

    def split(self, *, shuffled: bool | None = None, weighted: bool = False) -> Split | None:
        """The rows kept as one split; None when there are none."""
        if not self._inputs:
            return None
        joined = {n: _joined([part[n] for part in self._inputs]) for n in self._inputs[0]}
        shapes = {None if t is None else t.shape[1:] for t in self._targets}
        targets = None
        if len(shapes) == 1 and None not in shapes:
            targets = np.concatenate([t for t in self._targets if t is not None])
        return Split(
            inputs=joined,
            targets=targets,
            source="batches",
            shuffled=shuffled,
            weighted=weighted,
            batches=tuple(len(next(iter(part.values()))) for part in self._inputs),
        )


def _form(array: np.ndarray) -> tuple[int, ...]:
    """The shape of a row; rows of whole numbers may have any length, as token ids have."""
    if array.ndim == 2 and array.dtype.kind in "iu" and array.dtype.itemsize >= 4:
        return (-1,)
    return array.shape[1:]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """All rows, shorter ones of whole numbers filled up with zeros behind."""
    width = max(part.shape[1] if part.ndim == 2 else 0 for part in parts)
    same = all(part.ndim != 2 or part.shape[1] == width for part in parts)
    if not same:
        parts = [np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts]
    return np.concatenate(parts)
