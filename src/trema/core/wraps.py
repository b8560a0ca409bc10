"""Integers that left the range of their type, by the traces they leave in tables and images."""

from __future__ import annotations

import numpy as np

from trema.core.datasets import TOLD, Columns, Form, Wrap

#: Pixels between these two are neither black nor white: an edge there is no edge of a drawing.
DARK, BRIGHT = 16, 239
#: Share of pixels outside of them in what may be folded bytes.
ENDS = 0.2
#: How much smoother images are once they are read as unsigned; shifted ones need to show more.
SMOOTHER, MUCH_SMOOTHER = 1.2, 1.5
#: Share of pixels of one value that are the background.
BACKGROUND = 0.1
#: Pixels that are looked at.
PIXELS = 400_000


def wraps(rows: np.ndarray, form: Form, columns: Columns | None, step: int) -> tuple[Wrap, ...]:
    """What shows that numbers wrapped; ``step`` is the distance of the rows in the data."""
    if form == "table" and columns is not None:
        side = round(len(columns) ** 0.5)
        if side >= 8 and side * side == len(columns) and rows.dtype.kind in "if":
            return _image(rows)
        return tuple(
            found
            for bits in (16, 32)
            for column in _candidates(columns, bits)
            if (found := _column(rows[:, column], column, bits, step)) is not None
        )[:TOLD]
    return _image(rows) if form == "image" else ()


def _candidates(columns: Columns, bits: int) -> list[int]:
    half = 2.0 ** (bits - 1)
    signed = (columns.low < -0.5 * half) & (columns.low >= -half)
    signed &= (columns.high > 0.5 * half) & (columns.high < half)
    unsigned = (columns.high < 2 * half) & (columns.high >= 2 * half - 256) & (columns.low >= 0)
    return [int(c) for c in np.flatnonzero(signed | unsigned)]


def _column(values: np.ndarray, column: int, bits: int, step: int) -> Wrap | None:
    x = values[np.isfinite(values)].astype(np.float64)
    if len(x) < 50 or (x != np.round(x)).any():
        return None
    half = 2.0 ** (bits - 1)
    if x.min() < 0:  # large numbers turned negative: nothing lies between them and zero
        negative = x < 0
        share = float(negative.mean())
        empty = not ((x < 0) & (x > -0.25 * half)).any()
        if not empty or not 0 < share < 0.5:
            return None
        at = np.flatnonzero(values < 0)
        return _told(bits, True, column, share, at, step)
    top = x >= 2 * half - 256  # below zero by little, in a type without signs
    rest = x[~top]
    if not len(rest) or not 0 < top.mean() < 0.5 or rest.max() > 0.25 * half:
        return None
    return _told(
        bits, False, column, float(top.mean()), np.flatnonzero(values >= 2 * half - 256), step
    )


def _told(bits: int, signed: bool, column: int, share: float, at: np.ndarray, step: int) -> Wrap:
    rows = tuple(int(row) for row in at[:TOLD] * step)
    return Wrap(bits=bits, signed=signed, column=column, share=share, rows=rows)


def _image(rows: np.ndarray) -> tuple[Wrap, ...]:
    """Images whose bytes were read with the wrong sign, also after a cast and a scale."""
    few = rows[:: max(1, -(-rows.size // PIXELS))]
    if not few.size or few.dtype.kind not in "if":
        return ()
    if few.ndim == 2:  # flattened: no channels are known
        side = round(few.shape[1] ** 0.5)
        few = few.reshape(len(few), side, side)
    axis = 1 if few.ndim == 3 or few.shape[-1] in (1, 3, 4) else 2
    bytes_ = _bytes(few)
    if bytes_ is None:
        return ()
    values, centred = bytes_
    if rows.dtype == np.int8 and float((rows == 0).mean()) > 0.2:  # drawings on black
        return (Wrap(bits=8, signed=True, share=float((values < 0).mean())),)
    channels = (
        [values] if values.ndim == 3 else list(np.moveaxis(values, -1 if axis == 1 else 1, 0))
    )
    lines = [np.moveaxis(one, axis if one.ndim == 3 and axis == 1 else -1, -1) for one in channels]
    if all(_folded(one, centred) for one in lines):
        return (Wrap(bits=8, signed=True, share=float((values < 0).mean())),)
    return ()


def _bytes(rows: np.ndarray) -> tuple[np.ndarray, bool] | None:
    """Values as whole numbers of -128 to 127, and whether zero is one of them for certain: whole
    numbers by themselves, or after a scale, or all 256 after a scale and a shift."""
    if rows.dtype.kind == "i":
        if int(rows.min()) < -128 or int(rows.max()) > 127 or int(rows.min()) > -100:
            return None
        return (rows.astype(np.int16), True) if int(rows.max()) >= 100 else None
    head = rows.reshape(-1)[:: max(1, rows.size // 4096)]
    if len(np.unique(head)) > 256 or not np.isfinite(rows).all():
        return None
    levels = np.unique(rows).astype(np.float64)
    if not 64 <= len(levels) <= 256 or levels[0] >= 0 or levels[-1] <= 0:
        return None
    scale = float(np.diff(levels).min())
    for unit, zero in ((-levels[0] / 128, 0.0), (_refined(levels, scale), 0.0), _all(levels)):
        codes = (levels - zero) / unit
        whole = np.abs(codes - np.round(codes)).max() < 0.05
        if whole and -128.5 < codes[0] < -100 and 100 < codes[-1] < 127.5:
            found = np.round((rows.astype(np.float64) - zero) / unit).astype(np.int16)
            return found, zero == 0.0
    return None


def _refined(levels: np.ndarray, scale: float) -> float:
    """The distance of neighbouring levels, from their whole range."""
    return float((levels[-1] - levels[0]) / max(1.0, np.round((levels[-1] - levels[0]) / scale)))


def _all(levels: np.ndarray) -> tuple[float, float]:
    """Unit and zero, when the lowest level is -128 and the highest 127."""
    unit = float(levels[-1] - levels[0]) / 255
    return unit, float(levels[0]) + 128 * unit


def _folded(lines: np.ndarray, centred: bool) -> bool:
    """Whether lines of pixels are smooth again once their bytes are read as unsigned ones.

    Black on white is smooth that way too: black and white are next to each other there. So few
    pixels may lie at the two ends of what is given, where folded bytes have their middle grays.
    Edges between a thing and an even background tell nothing and are left out.
    """
    ends = float(((lines < DARK - 128) | (lines > BRIGHT - 128)).mean())
    if ends >= ENDS:
        return False
    unsigned = np.where(lines < 0, lines + 256, lines)
    levels, counts = np.unique(lines, return_counts=True)
    pairs = np.ones(lines.shape, dtype=bool)
    if counts.max() > BACKGROUND * lines.size:
        pairs = np.abs(lines - levels[counts.argmax()]) > 8
    pairs = pairs[..., 1:] & pairs[..., :-1]
    if pairs.sum() < 1000:
        return False
    given = float(np.abs(np.diff(lines, axis=-1))[pairs].mean())
    folded = float(np.abs(np.diff(unsigned, axis=-1))[pairs].mean())
    return given > (SMOOTHER if centred else MUCH_SMOOTHER) * folded
