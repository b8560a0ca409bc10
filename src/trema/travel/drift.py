"""How far apart the epochs of a run stand, and where that puts them on one canvas.

The layout of one epoch says who is near whom; its place and size on the canvas are free. They
are taken from the representations: the spread of an epoch on the canvas is its spread in
representation space, and epochs stand apart as far as the same samples at those epochs do on
average, as well as a plane allows (classical scaling, Torgerson 1952). So a unit of the canvas
is about a unit of representation space, an epoch in which much changed is seen to, and the
distances of a sample from epoch to epoch rank as they did where they were measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trema.travel.frames import Frames

Doubles = NDArray[np.float64]

#: Samples by which epochs are compared, and numbers held for it at most (400 MB of float32): a
#: mean distance of 2,000 samples is good to about 1 %.
_SAMPLES = 2000
_NUMBERS = 100_000_000


@dataclass(frozen=True)
class Drift:
    """Where each epoch stands: ``scale`` (epoch,) multiplies a layout, ``centre`` (epoch, 2)
    is added; ``apart`` (epoch, epoch) are the mean distances of the samples, squared and averaged.
    """

    scale: Doubles
    centre: Doubles
    apart: Doubles

    def put(self, layout: NDArray[np.float32], epoch: int) -> NDArray[np.float32]:
        """A layout (n, 2) on the canvas."""
        return np.asarray(layout * self.scale[epoch] + self.centre[epoch], dtype=np.float32)

    def taken(self, positions: NDArray[np.float32], epoch: int) -> NDArray[np.float32]:
        """The layout (n, 2) that positions of the canvas came from."""
        raw = (positions - self.centre[epoch]) / self.scale[epoch]
        return np.asarray(raw, dtype=np.float32)


def drift_of(frames: Frames, layouts: NDArray[np.float32]) -> Drift:
    """The drift of layouts (epoch, sample, 2) of these frames."""
    apart, spread = _measured(frames, range(len(frames)))
    width = np.array([_width(frame[ok]) for frame, ok in zip(layouts, frames.finite, strict=True)])
    return Drift(scale=spread / width, centre=_plane(apart), apart=apart)


def one_more(drift: Drift, frames: Frames, layout: NDArray[np.float32]) -> Drift:
    """The drift with one more epoch, the last of ``frames``; the others stay where they are."""
    count = len(drift.scale)
    apart, spread = _measured(frames, range(count + 1))
    new = apart[-1, :-1]
    middle = drift.centre.mean(axis=0)
    around = drift.centre - middle
    # Gower's formula (1968): the point whose squared distances to the others fit best
    pull = (around**2).sum(axis=1) - (new - new.mean())
    place, *_ = np.linalg.lstsq(2 * around, pull - pull.mean(), rcond=1e-6)
    scale = spread[-1] / _width(layout[frames.finite[-1]])
    return replace(
        drift,
        scale=np.append(drift.scale, scale),
        centre=np.concatenate([drift.centre, (middle + place)[None]]),
        apart=apart,
    )


def _measured(frames: Frames, epochs: range) -> tuple[Doubles, Doubles]:
    """Mean squared distances (epoch, epoch) of samples to themselves, and spreads (epoch,)."""
    room = max(8, _NUMBERS // (len(epochs) * frames.width))
    whole = np.flatnonzero(frames.finite[list(epochs)].all(axis=0))
    if not len(whole):
        return np.zeros((len(epochs), len(epochs))), np.ones(len(epochs))
    some = whole[np.linspace(0, len(whole) - 1, min(len(whole), _SAMPLES, room)).astype(np.int64)]
    rows = np.stack([frames.rows(epoch, some) for epoch in epochs])
    spread = np.sqrt(((rows - rows.mean(axis=1, keepdims=True)) ** 2).sum(axis=2).mean(axis=1))
    flat = rows.reshape(len(rows), -1).astype(np.float32)
    product = (flat @ flat.T).astype(np.float64) / len(some)
    square = np.diag(product)
    apart = np.maximum(square[:, None] + square[None] - 2 * product, 0.0)
    return apart, np.maximum(spread.astype(np.float64), 1e-9)


def _plane(apart: Doubles) -> Doubles:
    """Points (epoch, 2) whose squared distances are near the given ones."""
    count = len(apart)
    middle = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * middle @ apart @ middle)
    values, vectors = values[::-1][:2], vectors[:, ::-1][:, :2]
    points = vectors * np.sqrt(np.maximum(values, 0.0))
    if points.shape[1] < 2:
        points = np.concatenate([points, np.zeros_like(points)], axis=1)
    last = np.where(points[-1] < 0, -1.0, 1.0)  # the signs are free: the run ends at the right
    return np.asarray(points * last)


def _width(layout: NDArray[np.float32]) -> float:
    return max(float(np.sqrt(((layout - layout.mean(axis=0)) ** 2).sum(axis=1).mean())), 1e-9)
