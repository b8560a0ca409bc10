"""Integers that left the range of their type, by the traces they leave in tables and images."""

from __future__ import annotations

import numpy as np

from trema.core.datasets import TOLD, Columns, Form, Wrap

#: Neighbouring pixels this far apart, of 255, jump.
JUMP = 192
#: Pixels between these two are neither black nor white: an edge there is no edge of a drawing.
DARK, BRIGHT = 16, 239


def wraps(rows: np.ndarray, form: Form, columns: Columns | None, step: int) -> tuple[Wrap, ...]:
    """What shows that numbers wrapped; ``step`` is the distance of the rows in the data."""
    if form == "table" and columns is not None:
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
    """Images of signed bytes that held unsigned ones."""
    if rows.dtype != np.int8 or not rows.size:
        return ()
    low, high = int(rows.min()), int(rows.max())
    if low > -100 or high < 100:
        return ()
    axis = 1 if rows.ndim == 3 or rows.shape[-1] in (1, 3, 4) else 2
    lines = np.moveaxis(rows, axis, -1)
    signed = np.abs(np.diff(lines.astype(np.int16), axis=-1))
    unsigned = np.abs(np.diff(lines.view(np.uint8).astype(np.int16), axis=-1))
    # read as unsigned, wrapped pixels are smooth again; drawings have a background of 0
    background = float((rows == 0).mean())
    if signed.mean() > 1.2 * unsigned.mean() or background > 0.2:
        return (Wrap(bits=8, signed=True, share=float((rows < 0).mean())),)
    return ()
