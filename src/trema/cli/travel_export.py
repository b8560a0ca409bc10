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


def export_movie(wanted: Wanted, output: Path, *, neighbours: bool) -> None:
    """Write a ``.csv`` of one row a sample, or an ``.npz`` of arrays.

    neighbours : also which share of a sample's neighbours is labelled otherwise, by epoch

    Raises
    ------
    UsageError
        For any other ending, or when the file cannot be written.
    """
    from trema.travel import features

    if output.suffix not in (".csv", ".npz"):
        raise UsageError(f"expected a file that ends in .csv or .npz but got {output}")
    opened = open_movie(wanted)
    found = features(
        opened.movie,
        opened.logits,
        opened.labels,
        kind=opened.recording.kind,
        neighbours_by_epoch=neighbours,
    )
    series = {"confidence": found.confidence, **found.series}
    arrays: dict[str, NDArray[Any]] = {
        "indices": opened.indices,
        "predicted": _predicted(opened),
        **{name: np.asarray(values) for name, values in found.scalars.items()},
    }
    if "learned" in arrays:
        arrays["learned"] = _numbered(arrays["learned"], opened.movie.epochs)
    if opened.splits is not None:
        arrays["split"] = opened.splits
    if opened.labels is not None:
        arrays["labels"] = opened.labels
    if output.suffix == ".npz":
        arrays |= {
            "positions": opened.movie.positions,
            "confidence": found.confidence,
            **{f"{name}_by_epoch": values for name, values in found.series.items()},
            "epochs": np.asarray(opened.movie.epochs),
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy types allow_pickle only
        write_whole(output, [buffer.getbuffer()])  # type: ignore[list-item]  # bytes-like
    else:
        write_whole(output, _rows(opened, arrays, series))
    print(f"written to {harmless(output)}")


def _predicted(opened: Opened) -> NDArray[np.int64]:
    """What was predicted last: the class (sample,), or 0 and 1 by label (sample, label) of several;
    −1 where a logit is not finite."""
    last = np.asarray(opened.logits[-1], dtype=np.float32)
    several = opened.recording.kind == "multilabel"
    found = (last > 0).astype(np.int64) if several else opened.predictions.copy()
    found[~np.isfinite(last).reshape(len(last), -1).all(axis=1)] = -1
    return found


def _numbered(learned: NDArray[Any], epochs: list[int]) -> NDArray[np.float32]:
    """The numbers of the epochs that samples were learned at; NaN for those that never were."""
    numbers = np.array([*epochs, np.nan], dtype=np.float32)  # one more: at none of them
    known = np.isfinite(learned)
    return np.where(known, numbers[np.where(known, learned, 0).astype(int)], np.float32(np.nan))


def _rows(
    opened: Opened, arrays: dict[str, NDArray[Any]], series: dict[str, NDArray[Any]]
) -> Iterator[bytes]:
    """A header, and a row a sample: what it is, its features, series, and x and y by epoch."""
    named = {name: array for name, array in arrays.items() if array.ndim == 1}
    for name, array in arrays.items():
        if array.ndim == 2:  # several labels
            named |= {f"{name}_{at}": array[:, at] for at in range(array.shape[1])}
    epochs = opened.movie.epochs
    courses = [f"{name}_{epoch}" for name in series for epoch in epochs]
    yield _line([*named, *courses, *(f"{axis}_{epoch}" for epoch in epochs for axis in "xy")])
    positions = opened.movie.positions
    flat = positions.transpose(1, 0, 2).reshape(positions.shape[1], -1)
    for place in range(len(flat)):
        own = [array[place].item() for array in named.values()]
        course = [value for values in series.values() for value in values[:, place].tolist()]
        yield _line([*own, *course, *flat[place].tolist()])


def _line(cells: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells]
    )
    return text.getvalue().encode()
