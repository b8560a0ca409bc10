"""Sketches of data sets from arrays, in NumPy: bounded in bytes read, in time and in memory.

Nothing here runs a user's code or draws a random number. Arrays that are too large to be read
whole are read by every k-th row, so that the same rows are read each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.core import counters, faraway, layouts, neighbours, repeats, wraps
from trema.core.datasets import (
    CLASSES,
    COLUMNS,
    FREQUENT,
    TOLD,
    Columns,
    Counter,
    DataSketch,
    Faraway,
    Form,
    InputSketch,
    Labels,
    Neighbours,
    Source,
    Spike,
    Tokens,
)

#: Numbers of an input that are read, at most: about 0.2 s.
READ = 16 * 2**20
#: Numbers that a look of several passes reads, at most.
LOOK = 2 * 2**20
#: Rows in which distinct values are counted.
DISTINCT_ROWS = 2048
#: Distance of a repeated number to the others, over their range. The zeros that stand for missing
#: values in the diabetes table of the Pima have 0.37, and are near enough to be lived with.
SPIKE_GAP = 0.45
#: That distance in series, whose events may be far from what is usual.
SERIES_GAP = 2.0
#: Bytes converted at a time.
CHUNK_BYTES = 8 * 2**20


@dataclass(frozen=True, kw_only=True)
class Split:
    """Arrays of one split, by input name; the first axis is the sample.

    names : of the columns of the only input, where the data came with names
    batches : rows of each batch, where batches passed
    """

    inputs: Mapping[str, np.ndarray]
    targets: np.ndarray | None = None
    names: tuple[str, ...] = ()
    source: Source = "arrays"
    shuffled: bool | None = None
    weighted: bool = False
    batches: tuple[int, ...] = ()


def sketch(split: Split, name: str) -> DataSketch:
    """The sketch of a split; ``name`` is train or validation."""
    samples = len(next(iter(split.inputs.values()), ()))
    read = samples
    inputs: dict[str, InputSketch] = {}
    for key, array in split.inputs.items():
        names = split.names if len(split.inputs) == 1 else ()
        inputs[key], rows = sketch_input(array, names, split.targets)
        read = min(read, rows)
    found = None
    if split.source != "batches":  # what passes may pass again
        found = repeats.repeats(split.inputs, split.targets)
    return DataSketch(
        split=name,
        source=split.source,
        samples=samples,
        read=read,
        inputs=inputs,
        labels=labels(split.targets, split.batches) if split.targets is not None else None,
        repeats=found,
        neighbours=_neighbours(split),
        shuffled=split.shuffled,
        weighted=split.weighted,
    )


def _neighbours(split: Split) -> Neighbours | None:
    if split.targets is None:
        return None
    return neighbours.neighbours(split.inputs, split.targets, class_indices(split.targets))


def form_of(shape: tuple[int, ...]) -> Form:
    """What the shape of a sample suggests."""
    if len(shape) == 1:
        return "table"
    if len(shape) == 2:
        image = (shape[0] == shape[1] and shape[0] >= 8) or shape[1] > 64
        return "image" if image else "series"
    return "image" if len(shape) == 3 and {shape[0], shape[-1]} & {1, 3, 4} else "other"


def sketch_input(
    array: np.ndarray, names: tuple[str, ...], targets: np.ndarray | None
) -> tuple[InputSketch, int]:
    """The sketch of one input, and how many of its rows were read."""
    shape = tuple(int(size) for size in array.shape[1:])
    form = form_of(shape)
    width = max(1, int(np.prod(shape)))
    stride = max(1, -(-array.size // READ))
    rows = array[::stride]
    bad = _bad_rows(rows) * stride
    columns, tokens = None, None
    spikes: tuple[Spike, ...] = ()
    leaks: tuple[int, ...] = ()
    far: tuple[Faraway, ...] = ()
    numbered: tuple[Counter, ...] = ()
    few = rows[:: max(1, -(-rows.size // LOOK))]
    step = stride * max(1, -(-rows.size // LOOK))
    if form == "table" and 0 < width <= COLUMNS and len(rows):
        columns = _columns(rows, names)
        spikes = _spikes(few, columns, step)
        far = faraway.faraway(few, columns, step)
        leaks = _leaks(few, None if targets is None else targets[::step], columns)
        tokens = _tokens(rows, few, columns, stride)
        classes = None if targets is None else class_indices(targets[::step])
        numbered = counters.counters(few, columns, classes)
    elif form != "other" and len(few):
        columns = _columns(_by_channel(few, form), names)
        if form == "series":
            spikes = _series_spikes(few, columns, step)
    found = InputSketch(
        shape=shape,
        dtype=str(array.dtype),
        form=form,
        columns=columns,
        bad=len(bad),
        bad_rows=tuple(int(row) for row in bad[:TOLD]),
        tokens=tokens,
        spikes=spikes,
        wraps=wraps.wraps(few, form, columns, step),
        faraway=far,
        leaks=leaks,
        counters=numbered,
        reshaped=layouts.reshaped(few) if form == "image" else None,
    )
    return found, len(rows) if stride > 1 else len(array)


def _by_channel(rows: np.ndarray, form: Form) -> np.ndarray:
    """Values as rows of channels (images) or features (series)."""
    if form == "series":
        return rows.reshape(-1, rows.shape[-1])
    if rows.ndim == 3:
        return rows.reshape(-1, 1)
    axis = -1 if rows.shape[-1] in (1, 3, 4) else 1
    moved = np.moveaxis(rows, axis, -1)
    return moved.reshape(-1, moved.shape[-1])


def _bad_rows(rows: np.ndarray) -> NDArray[np.int64]:
    """Rows with a value that is not finite, by their sum."""
    if rows.dtype.kind != "f" or not len(rows):
        return np.empty(0, dtype=np.int64)
    flat = rows.reshape(len(rows), -1)
    with np.errstate(all="ignore"):
        suspects = np.flatnonzero(~np.isfinite(flat.sum(axis=1, dtype=np.float64)))
    bad = ~np.isfinite(flat[suspects]).all(axis=1)  # a sum may overflow by itself
    return np.asarray(suspects[bad], dtype=np.int64)


def _columns(rows: np.ndarray, names: tuple[str, ...]) -> Columns:
    """Statistics of a matrix by column, in two passes of bounded pieces."""
    width = rows.shape[1]
    step = max(1, CHUNK_BYTES // (8 * width))
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    count, total = np.zeros(width), np.zeros(width)
    floating = rows.dtype.kind == "f"
    with np.errstate(all="ignore"):
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            good = np.isfinite(part) if floating else np.ones(1, dtype=bool)
            if good.all():
                low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
                total += part.sum(axis=0, dtype=np.float64)
                count += len(part)
                continue
            low = np.minimum(low, np.where(good, part, np.inf).min(axis=0))
            high = np.maximum(high, np.where(good, part, -np.inf).max(axis=0))
            total += np.where(good, part, 0).sum(axis=0, dtype=np.float64)
            count += good.sum(axis=0)
        mean = total / count
        spread = np.zeros(width)
        for start in range(0, len(rows), step):
            part = rows[start : start + step].astype(np.float64) - mean
            np.square(part, out=part)
            spread += np.where(np.isfinite(part), part, 0).sum(axis=0) if floating else part.sum(0)
        std = np.sqrt(spread / count)
    none = count == 0
    return Columns(
        low=np.where(none, np.nan, low),
        high=np.where(none, np.nan, high),
        mean=mean,
        std=np.where(low == high, 0.0, std),  # rounding of the mean is no spread
        nonfinite=len(rows) - count,
        distinct=_distinct(rows),
        names=names if len(names) == width else (),
    )


def _distinct(rows: np.ndarray) -> NDArray[np.float64]:
    few = rows[:: max(1, -(-len(rows) // DISTINCT_ROWS))]
    few = few[: max(1, LOOK // max(1, few.shape[1]))]
    ordered = np.sort(few, axis=0)
    return np.asarray((ordered[1:] != ordered[:-1]).sum(axis=0) + 1, dtype=np.float64)


def _spikes(rows: np.ndarray, columns: Columns, step: int) -> tuple[Spike, ...]:
    """Numbers repeated at one end of a column, far from its others: twice their range away, or
    half of it where no other number is repeated so often."""
    found: list[Spike] = []
    with np.errstate(all="ignore"):
        x = np.where(np.isfinite(rows), rows, np.nan).astype(np.float64)
        for end, sign in ((columns.low, 1.0), (columns.high, -1.0)):
            here = x == end
            count = here.sum(axis=0)
            wide = np.flatnonzero((count >= 3) & (columns.distinct >= 12))
            for column in wide:
                rest = x[~here[:, column] & ~np.isnan(x[:, column]), column]
                span = float(rest.max() - rest.min()) if len(rest) else 0.0
                nearest = rest.min() if sign > 0 else rest.max()
                gap = abs(float(end[column]) - float(nearest))
                if len(rest) <= count[column] or span <= 0 or gap < SPIKE_GAP * span:
                    continue
                if gap >= 2 * span or _alone(rest, int(count[column])):
                    at = np.flatnonzero(here[:, column])[:TOLD] * step
                    found.append(
                        Spike(
                            column=int(column),
                            value=float(end[column]),
                            count=int(count[column]) * step,
                            gap=gap / span,
                            rows=tuple(int(row) for row in at),
                        )
                    )
    return tuple(found[:TOLD])


def _series_spikes(rows: np.ndarray, columns: Columns, step: int) -> tuple[Spike, ...]:
    """Numbers of a feature of series that are far from all its others, in the midst of the series.

    Zeros, and what fills a series up at one of its ends, are padding. ``rows`` are samples.
    """
    found = []
    length = rows.shape[1]
    for spike in _spikes(_by_channel(rows, "series"), columns, 1):
        here = rows[:, :, spike.column] == spike.value
        ends = np.minimum.accumulate(here, axis=1) | np.minimum.accumulate(
            here[:, ::-1], axis=1
        )[:, ::-1]  # fmt: skip
        inside = int((here & ~ends).sum())
        if not spike.value or spike.gap < SERIES_GAP or inside < max(5, 0.5 * here.sum()):
            continue
        at = np.flatnonzero(here.any(axis=1))
        found.append(
            Spike(
                column=spike.column,
                value=spike.value,
                count=len(at) * step,
                gap=spike.gap,
                rows=tuple(int(row) * step for row in at[:TOLD]),
            )
        )
    return tuple(found) if length >= 3 else ()


def _alone(rest: NDArray[np.float64], count: int) -> bool:
    """Whether a number met so often stands out: the others hardly repeat."""
    _, counts = np.unique(rest, return_counts=True)
    return count >= 5 and len(counts) >= 50 and count >= 3 * int(counts.max())


def _leaks(rows: np.ndarray, targets: np.ndarray | None, columns: Columns) -> tuple[int, ...]:
    """Columns that repeat the targets: one number for each class, or an exact line."""
    if targets is None or len(targets) != len(rows) or len(rows) < 50 or rows.shape[1] < 3:
        return ()
    classes = class_indices(targets)
    rows, targets = rows[:4096], targets[:4096]
    if classes is None:
        return _lines(rows, targets, columns)
    classes = classes[: len(rows)]
    values = np.unique(classes)
    if not 2 <= len(values) <= 50:
        return ()
    # a column of classes has as many numbers, and each class only one of them
    possible = np.flatnonzero((columns.distinct <= len(values)) & (columns.distinct >= 2))
    found = []
    for column in possible[:TOLD]:
        pairs = np.unique(np.stack([rows[:, column].astype(np.float64), classes]), axis=1)
        if pairs.shape[1] == len(values) == len(np.unique(pairs[0])):
            found.append(int(column))
    return tuple(found)


def _lines(rows: np.ndarray, targets: np.ndarray, columns: Columns) -> tuple[int, ...]:
    y = targets.reshape(len(targets), -1)
    if y.shape[1] != 1 or y.dtype.kind not in "fiu":
        return ()
    y = y[:, 0].astype(np.float64)
    x = rows.astype(np.float64)
    good = np.isfinite(x).all(axis=1) & np.isfinite(y)
    x, y = x[good], y[good]
    if len(y) < 50 or len(np.unique(y[:DISTINCT_ROWS])) < 20:
        return ()
    x, y = x - x.mean(axis=0), y - y.mean()
    with np.errstate(all="ignore"):
        r = np.abs(x.T @ y) / np.sqrt((x * x).sum(axis=0) * (y * y).sum())
    r[columns.std == 0] = 0.0
    return tuple(int(column) for column in np.flatnonzero(r > 1 - 1e-6)[:TOLD])


def _tokens(rows: np.ndarray, few: np.ndarray, columns: Columns, stride: int) -> Tokens | None:
    width = rows.shape[1]
    if width < 4 or not len(few) or columns.nonfinite.any():
        return None
    if few.dtype.kind == "f" and not (few[:DISTINCT_ROWS] == np.round(few[:DISTINCT_ROWS])).all():
        return None
    zero = few == 0
    before = np.minimum.accumulate(zero, axis=1).sum(axis=1)
    after = np.minimum.accumulate(zero[:, ::-1], axis=1).sum(axis=1)
    padded = np.maximum(before, after)
    high = float(columns.high.max())
    column = int(columns.high.argmax())
    at = np.flatnonzero(rows[:, column] == high)[:TOLD] * stride
    return Tokens(
        low=float(columns.low.min()),
        high=high,
        width=width,
        pad=float(padded.mean() / width),
        full=float((padded == 0).mean()),
        behind=bool(after.sum() > before.sum()),
        outliers=tuple(int(row) for row in at),
        **_frequent(few),
    )


def _frequent(few: np.ndarray) -> dict[str, tuple[int, ...]]:
    ids, counts = np.unique(few, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:FREQUENT]
    return {
        "frequent": tuple(int(one) for one in ids[most]),
        "counts": tuple(int(one) for one in counts[most]),
    }


def class_indices(targets: np.ndarray) -> NDArray[np.int64] | None:
    """Targets as class indices, one-hot rows decoded; None when they are no classes."""
    y = targets
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind not in "biuf" or not len(y):
        return None
    if y.ndim == 2 and y.shape[1] <= CLASSES:
        head = y[:256]
        one_hot = bool(((head == 0) | (head == 1)).all() and (head.sum(axis=1) == 1).all())
        if one_hot and bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()):
            return np.asarray(y.argmax(axis=1), dtype=np.int64)
        return None
    if y.ndim != 1 or (y.dtype.kind == "f" and not (y == np.round(y)).all()):
        return None
    return y.astype(np.int64)


def labels(targets: np.ndarray, batches: tuple[int, ...] = ()) -> Labels | None:
    """Classes by count and the runs they form in the order given; None when there are none."""
    y = class_indices(targets)
    if y is None:
        return None
    values, counts = np.unique(y, return_counts=True)
    if len(values) > CLASSES:
        return None
    changes = np.flatnonzero(y[1:] != y[:-1]) + 1
    edges = np.concatenate([[0], changes, [len(y)]])
    size = len(y)
    same = float((counts * (counts - 1.0)).sum() / (size * (size - 1.0))) if size > 1 else 1.0
    return Labels(
        counts={int(v): int(c) for v, c in zip(values, counts, strict=True)},
        longest=int(np.diff(edges).max()),
        mean_run=size / (len(changes) + 1),
        expected_run=size / (1 + (size - 1) * (1 - same)),
        **_by_batch(y, changes, batches),
    )


def _by_batch(
    y: NDArray[np.int64], changes: NDArray[np.int64], batches: tuple[int, ...]
) -> dict[str, float]:
    """How classes lie in the batches: see :class:`Labels`."""
    edges = np.cumsum(batches)
    if len(batches) < 2 or edges[-1] != len(y):
        return {}
    parts = np.split(y, edges[:-1])
    most = [int(np.unique(part, return_counts=True)[1].max()) for part in parts]
    inside = ~np.isin(changes, edges)
    return {
        "purity": float(sum(most) / len(y)),
        "inside": float(inside.mean()) if len(changes) else 0.0,
    }
