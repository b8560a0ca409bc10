"""``trema travel export``: positions and features as a table or as arrays."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.cli.export import write_whole
from trema.cli.travel import Opened, Wanted, open_movie
from trema.core.errors import UsageError
from trema.core.text import harmless


def export_movie(wanted: Wanted, output: Path) -> None:
    """Write a ``.csv`` of one row a sample, or an ``.npz`` of arrays.

    Raises
    ------
    UsageError
        For any other ending, or when the file cannot be written.
    """
    from trema.travel import features

    if output.suffix not in (".csv", ".npz"):
        raise UsageError(f"expected a file that ends in .csv or .npz but got {output}")
    opened = open_movie(wanted)
    found = features(opened.movie, opened.logits, opened.labels, kind=opened.recording.kind)
    arrays: dict[str, NDArray[Any]] = {
        "indices": opened.indices,
        "predicted": found.predicted,
        **{name: np.asarray(values) for name, values in found.scalars.items()},
    }
    if opened.splits is not None:
        arrays["split"] = opened.splits
    if opened.labels is not None:
        arrays["labels"] = opened.labels
    if output.suffix == ".npz":
        arrays |= {
            "positions": opened.movie.positions,
            "confidence": found.confidence,
            "epochs": np.asarray(opened.movie.epochs),
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy types allow_pickle only
        write_whole(output, [buffer.getbuffer()])  # type: ignore[list-item]  # bytes-like
    else:
        write_whole(output, _rows(opened, arrays))
    print(f"written to {harmless(output)}")


def _rows(opened: Opened, arrays: dict[str, NDArray[Any]]) -> Iterator[bytes]:
    """A header, and a row a sample: what it is, its features, x and y by epoch."""
    named = {name: array for name, array in arrays.items() if array.ndim == 1}
    for name, array in arrays.items():
        if array.ndim == 2:  # several labels
            named |= {f"{name}_{at}": array[:, at] for at in range(array.shape[1])}
    places = [f"{axis}_{epoch}" for epoch in opened.movie.epochs for axis in "xy"]
    yield _line([*named, *places])
    positions = opened.movie.positions
    flat = positions.transpose(1, 0, 2).reshape(positions.shape[1], -1)
    for place in range(len(flat)):
        own = [array[place].item() for array in named.values()]
        yield _line([*own, *flat[place].tolist()])


def _line(cells: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells]
    )
    return text.getvalue().encode()
