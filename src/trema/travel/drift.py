"""How far apart the epochs of a run stand, and where that puts them on one canvas.

The layout of one epoch says who is near whom; its place and size on the canvas are free. They
are taken from the representations: the spread of an epoch on the canvas is its spread in
representation space, and epochs stand apart in proportion to how far the same samples moved
between them on average, as well as a plane allows (classical scaling, Torgerson 1952). So an epoch
in which much changed is seen to, and the distances of a sample from epoch to epoch rank as they did
where they were measured.

Both are bounded, or one epoch of large numbers would leave a dot of the others. Where the largest
spread is more than ``RANGE`` times the smallest, or epochs stand farther apart than ``FAR`` times
the largest, all spreads and distances are raised to one power below 1, relative to the largest
spread: their order stays, and every epoch can be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trema.travel.frames import Frames

Doubles = NDArray[np.float64]

#: How much farther epochs stand apart than their samples do on average. A plane understates the
#: distances, and a sample also moves within the layout. Ranking of epochs (mean) and width of the
#: canvas on MNIST, 2,000 x 10: 0.92 and 80 at 1, 0.95 and 93 at 1.5, 0.95 and 105 at 2, 0.96 and
#: 130 at 3; on CIFAR-10, 5,000 x 10: 0.57 and 28, 0.62 and 31, 0.65 and 34, 0.67 and 40.
FARTHER = 1.5

#: The largest spread of an epoch on the canvas beside the smallest, and the farthest that two
#: epochs stand apart beside the largest spread.
RANGE, FAR = 4.0, 4.0

#: How many times the median distance a sample counts for at most: one sample of huge numbers at one
#: epoch would otherwise set the size and the place of all. Distances of MNIST and CIFAR-10 stay
#: below 4 times the median.
_ODD = 10.0

#: Spreads below this share of the largest are those of a collapsed epoch and bend no others.
_COLLAPSED = 1e-6

#: Samples by which epochs are compared, and numbers held for it at most (400 MB of float32): a
#: mean distance of 2,000 samples is good to about 1 %.
_SAMPLES = 2000
_NUMBERS = 100_000_000


@dataclass(frozen=True)
class Drift:
    """Where each epoch stands: ``scale`` (epoch,) multiplies a layout, ``centre`` (epoch, 2)
    is added. ``spread`` (epoch,) is the size of each on the canvas; ``unit`` and ``power`` are
    those by which lengths of representation space became lengths of the canvas.
    """

    scale: Doubles
    centre: Doubles
    spread: Doubles
    unit: float = 1.0
    power: float = 1.0

    def put(self, layout: NDArray[np.float32], epoch: int) -> NDArray[np.float32]:
        """A layout (n, 2) on the canvas."""
        return np.asarray(layout * self.scale[epoch] + self.centre[epoch], dtype=np.float32)

    def taken(self, positions: NDArray[np.float32], epoch: int) -> NDArray[np.float32]:
        """The layout (n, 2) that positions of the canvas came from."""
        raw = (positions - self.centre[epoch]) / self.scale[epoch]
        return np.asarray(raw, dtype=np.float32)

    def length(self, measured: Doubles) -> Doubles:
        """Lengths on the canvas of lengths of representation space."""
        return np.asarray(self.unit * (measured / self.unit) ** self.power)


def drift_of(frames: Frames, layouts: NDArray[np.float32]) -> Drift:
    """The drift of layouts (epoch, sample, 2) of these frames."""
    apart, spread = _measured(frames, len(frames))
    none = np.ones(len(frames))
    bent = Drift(none, np.zeros((len(frames), 2)), none, *_bend(FARTHER * apart, spread))
    on_canvas = np.maximum(bent.length(spread), bent.unit / RANGE)
    pairs = zip(on_canvas, layouts, frames.finite, strict=True)
    scale = [_scale(size, layout[ok]) for size, layout, ok in pairs]
    centre = _plane(bent.length(FARTHER * apart))
    return replace(bent, scale=np.array(scale), centre=centre, spread=on_canvas)


def one_more(drift: Drift, frames: Frames, layout: NDArray[np.float32]) -> Drift:
    """The drift with one more epoch, the last of ``frames``; the others stay where they are.

    It is bounded by what is there: no larger than ``RANGE`` times the smallest epoch, no smaller
    than that part of the largest, and no farther off than ``FAR`` times the largest.
    """
    apart, spread = _measured(frames, len(frames))
    low, high = drift.spread.max() / RANGE, drift.spread.min() * RANGE
    size = float(np.clip(drift.length(spread[-1:])[0], low, high))
    new = drift.length(FARTHER * apart[-1, :-1]) ** 2
    middle = drift.centre.mean(axis=0)
    around = drift.centre - middle
    # Gower's formula (1968): the point whose squared distances to the others fit best
    pull = (around**2).sum(axis=1) - (new - new.mean())
    place, *_ = np.linalg.lstsq(2 * around, pull - pull.mean(), rcond=1e-6)
    far = FAR * max(float(drift.spread.max()), size)
    place *= min(1.0, far / max(float(np.linalg.norm(place)), 1e-300))
    return replace(
        drift,
        scale=np.append(drift.scale, _scale(size, layout[frames.finite[-1]])),
        centre=np.concatenate([drift.centre, (middle + place)[None]]),
        spread=np.append(drift.spread, size),
    )


def _bend(apart: Doubles, spread: Doubles) -> tuple[float, float]:
    """The unit and the power that keep spreads and distances within their bounds."""
    largest = float(spread.max())
    if largest <= 0:
        return 1.0, 1.0
    smallest = float(spread[spread > _COLLAPSED * largest].min())
    power = 1.0
    if largest > RANGE * smallest:
        power = float(np.log(RANGE) / np.log(largest / smallest))
    farthest = float(apart.max())
    if farthest > FAR * largest:
        power = min(power, float(np.log(FAR) / np.log(farthest / largest)))
    return largest, power


def _measured(frames: Frames, count: int) -> tuple[Doubles, Doubles]:
    """Mean distances (epoch, epoch) of samples to themselves, and spreads (epoch,).

    The root of the mean square, over samples that are finite at both epochs, each counted for at
    most ``_ODD`` times the median; the mean of the known distances where there is no such sample.
    """
    room = max(8, min(_SAMPLES, _NUMBERS // (count * frames.width)))
    some = _some(np.flatnonzero(frames.finite.any(axis=0)), room)
    rows = np.stack([frames.rows(epoch, some) for epoch in range(count)])
    unit = max(float(np.abs(rows).max()), 1e-30)  # squares of large numbers would overflow
    rows /= np.float32(unit)
    known = frames.finite[:, some]
    apart, both = np.zeros((count, count)), np.zeros((count, count), dtype=np.int64)
    for one in range(count):
        for other in range(one):
            same = known[one] & known[other]
            away = rows[one, same] - rows[other, same]
            squares = np.einsum("nd,nd->n", away, away, dtype=np.float64)
            apart[one, other] = apart[other, one] = unit * _typical(squares)
            both[one, other] = both[other, one] = int(same.sum())
    np.fill_diagonal(apart, 0.0)
    if (both == 0).any():
        others = (both > 0) & ~np.eye(count, dtype=bool)
        apart[both == 0] = apart[others].mean() if others.any() else 0.0
        np.fill_diagonal(apart, 0.0)
    return apart, np.array([_spread(frames, epoch, room) for epoch in range(count)])


def _spread(frames: Frames, epoch: int, room: int) -> float:
    """How far the samples of an epoch stand from their middle (root of the mean square)."""
    rows = frames.rows(epoch, _some(np.flatnonzero(frames.finite[epoch]), room)).astype(np.float64)
    squares = ((rows - rows.mean(axis=0)) ** 2).sum(axis=1)
    usual = squares <= _ODD**2 * np.median(squares)
    if not usual.all() and usual.any():  # an odd sample moves the middle too
        squares = ((rows - rows[usual].mean(axis=0)) ** 2).sum(axis=1)
    return _typical(squares)


def _typical(squares: Doubles) -> float:
    """The root of the mean of squares (n,), each at most ``_ODD`` squared times their median."""
    if not len(squares):
        return 0.0
    most = _ODD**2 * float(np.median(squares))
    return float(np.sqrt((np.minimum(squares, most) if most > 0 else squares).mean()))


def _some(which: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return which[np.linspace(0, len(which) - 1, min(len(which), most)).astype(np.int64)]


def _plane(apart: Doubles) -> Doubles:
    """Points (epoch, 2) whose distances are near the given ones."""
    count = len(apart)
    middle = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * middle @ apart**2 @ middle)
    values, vectors = values[::-1][:2], vectors[:, ::-1][:, :2]
    points = vectors * np.sqrt(np.maximum(values, 0.0))
    if points.shape[1] < 2:
        points = np.concatenate([points, np.zeros_like(points)], axis=1)
    last = np.where(points[-1] < 0, -1.0, 1.0)  # the signs are free: the run ends at the right
    return np.asarray(points * last)


def _scale(size: float, layout: NDArray[np.float32]) -> float:
    """What gives a layout this size; 1 where all lie on one spot."""
    places = layout.astype(np.float64)
    width = float(np.sqrt(((places - places.mean(axis=0)) ** 2).sum(axis=1).mean()))
    return size / width if size > 0 and width > 1e-6 * np.abs(places).max() else 1.0
