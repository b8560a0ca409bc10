"""The samples that stand for all in TimeVis: a few, so placed that no sample is far from one."""

from __future__ import annotations

import numpy as np

from trema.travel.frames import Frames
from trema.travel.nearest import Indices, nearest
from trema.travel.visualizers.base import Floats

#: Random samples to begin with (TimeVis: 100 to 300).
START = 300
#: Samples whose dimension is estimated.
_SOME = 1000


def skeleton(
    frames: Frames, draw: np.random.Generator, *, cover: float, most: int
) -> list[Indices]:
    """The chosen samples of each epoch, sorted; an earlier epoch keeps those of the later.

    From the last epoch backwards, the sample farthest from the chosen is added until all are
    within ``cover (c / c0) (d / d0)`` of one, in units of the radius ``c0`` that the random
    ones reach at the last epoch. ``c`` is their radius at this epoch and ``d`` its intrinsic
    dimension: an epoch that is wider or more tangled may be covered more coarsely. At most
    ``most`` are chosen at an epoch.
    """
    able = np.flatnonzero(frames.finite.all(axis=0))
    begin = np.sort(draw.choice(able, size=min(START, len(able)), replace=False))
    some = np.sort(draw.choice(able, size=min(_SOME, len(able)), replace=False))
    chosen: list[Indices] = []
    last: tuple[float, float] | None = None
    for epoch in range(len(frames) - 1, -1, -1):
        rows = frames.rows(epoch, able)
        radius = float(_to_nearest(rows, frames.rows(epoch, begin)).max())
        dimension = intrinsic_dimension(frames.rows(epoch, some))
        last = last or (radius, dimension)
        limit = cover * radius * dimension / last[1]
        held = np.searchsorted(able, chosen[-1] if chosen else begin)
        chosen.append(np.sort(able[_cover(rows, held, limit, most)]))
    return chosen[::-1]


def intrinsic_dimension(rows: Floats) -> float:
    """The dimension of rows (n, D) by the two nearest neighbours (TwoNN; Facco and others 2017).

    ``n / sum of log(r2 / r1)`` over samples without twins; 1 where that says nothing.
    """
    from trema.travel.graph import distances

    if len(rows) < 3:
        return 1.0
    apart = distances(rows, rows, nearest(rows, rows, 2, itself=np.arange(len(rows))))
    apart = apart[apart[:, 0] > 0]
    total = float(np.log(apart[:, 1] / apart[:, 0]).sum()) if len(apart) else 0.0
    return len(apart) / total if total > 0 else 1.0


def _cover(rows: Floats, held: Indices, limit: float, most: int) -> Indices:
    """Places of rows, those ``held`` and the farthest again and again, until ``limit``."""
    chosen = held.tolist()
    squares = np.einsum("nd,nd->n", rows, rows)
    apart = _to_nearest(rows, rows[held]) ** 2
    while len(chosen) < most:
        farthest = int(apart.argmax())
        if apart[farthest] <= limit**2:
            break
        chosen.append(farthest)
        apart = np.minimum(apart, squares + squares[farthest] - 2 * (rows @ rows[farthest]))
        apart[farthest] = 0.0
    return np.asarray(chosen, dtype=np.int64)


def _to_nearest(rows: Floats, others: Floats) -> Floats:
    from trema.travel.graph import distances

    return distances(rows, others, nearest(rows, others, 1))[:, 0]
