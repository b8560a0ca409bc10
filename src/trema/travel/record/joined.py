"""Several splits of a recording as one: their frames below each other, kept as files.

Samples of a pool are compared with labelled ones only where both lie in one array. Memory maps
cannot be put side by side without copying, so a copy is made once and mapped from then on; it
takes as much disk as the splits themselves and can be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.travel.record import files


def joined_frame(
    folder: Path, names: Sequence[str], number: int, part: int, maps: Sequence[NDArray[Any]]
) -> NDArray[Any]:
    """A memory map of the frames ``maps`` of these splits, one below the other.

    ``part`` is 0 for representations and 1 for logits, as in ``files.frame_files``.
    """
    target = files.frame_files(folder / files.JOINED, "+".join(names), number)[part]
    shape = (sum(map(len, maps)), maps[0].shape[1])
    written = max(files.frame_files(folder, n, number)[part].stat().st_mtime_ns for n in names)
    if not (target.is_file() and target.stat().st_mtime_ns >= written):
        files.write_array(target, np.concatenate(maps))
    try:
        found: NDArray[Any] = np.load(target, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        found = np.zeros((0, 0))
    if found.shape != shape:  # of another recording that lay here, or damaged
        files.write_array(target, np.concatenate(maps))
        found = np.load(target, mmap_mode="r", allow_pickle=False)
    return found


def joined_labels(
    labels: Sequence[NDArray[np.int64] | None], sizes: Sequence[int]
) -> NDArray[np.int64] | None:
    """Labels of several splits, −1 where a split has none; None where no split has any."""
    first = next((own for own in labels if own is not None), None)
    if first is None:
        return None
    return np.concatenate(
        [
            np.full((size, *first.shape[1:]), -1, dtype=np.int64) if own is None else own
            for own, size in zip(labels, sizes, strict=True)
        ]
    )
