"""What the network would say at each place of the canvas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trema.travel import heads as outputs
from trema.travel.heads import Heads
from trema.travel.visualizers.base import Floats, Projector

#: The top two stand closer than this share of the spread of logits: a boundary.
#: Source: the value below which DVI's figures are painted white.
BOUNDARY = 0.15

#: Room around the outermost samples, as a share of the width of the canvas.
_ROOM = 0.05
_AT_ONCE = 16_384

#: Labels all of whose sets have a number in uint8, and the number of a set that has none.
_FEW, OTHER = 8, 255


class Extent(NamedTuple):
    """The limits of the canvas, the same for all epochs of a movie."""

    left: float
    right: float
    bottom: float
    top: float


class Landscape(NamedTuple):
    """A picture of one epoch; row 0 is the bottom, column 0 the left.

    classes : ndarray of shape (size, size), uint8 (uint16 above 256 classes, uint32 above
        65,536). Of a multi-label head they number sets of labels: ``Movie.label_sets``.
    confidence : ndarray of shape (size, size), float32, from 0 to 1
    extent : (left, right, bottom, top)
    """

    classes: NDArray[Any]
    confidence: Floats
    extent: Extent


@dataclass(frozen=True)
class LabelSets:
    """Numbers below 256 for sets of labels: number i stands for the set ``codes[i]``.

    ``codes`` are those of :func:`trema.travel.heads.predicted`. Up to 8 labels every set has
    its number. Of more labels the sets that occur among the samples have one, the most frequent
    first; the 256th and all others, and those that occur only between samples, share ``OTHER``.
    """

    codes: NDArray[np.int64]
    labels: int

    @classmethod
    def of(
        cls, labels: int, by_epoch: Iterable[NDArray[np.int64]], known: NDArray[np.int64] | None
    ) -> LabelSets:
        """The sets among the predictions of all epochs; those ``known`` keep their numbers."""
        labels = min(labels, 62)  # codes hold no more
        if labels <= _FEW:
            return cls(np.arange(1 << labels, dtype=np.int64), labels)
        every, often = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        for codes in by_epoch:
            sets, count = np.unique(codes, return_counts=True)
            every, of = np.unique(np.concatenate([every, sets]), return_inverse=True)
            often = np.bincount(of, np.concatenate([often, count])).astype(np.int64)
        ordered = every[np.argsort(-often, kind="stable")]
        if known is not None:
            ordered = np.concatenate([known, ordered[~np.isin(ordered, known)]])
        return cls(ordered[:OTHER], labels)

    def numbers(self, codes: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The number of each set."""
        order = np.argsort(self.codes, kind="stable")
        at = np.searchsorted(self.codes[order], codes).clip(max=len(order) - 1)
        found = order[at]
        return np.where(self.codes[found] == codes, found, OTHER).astype(np.uint8)

    @property
    def table(self) -> NDArray[np.bool_]:
        """Which labels are in each set (number, label)."""
        return (self.codes[:, None] >> np.arange(self.labels) & 1).astype(bool)


def extent_of(positions: Floats) -> Extent:
    """Limits that hold all finite positions (…, 2), square, with some room."""
    flat = positions.reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return Extent(-1.0, 1.0, -1.0, 1.0)
    low, high = flat.min(axis=0), flat.max(axis=0)
    half = max(float((high - low).max()) / 2 * (1 + 2 * _ROOM), 1e-6)
    x, y = ((low + high) / 2).tolist()
    return Extent(x - half, x + half, y - half, y + half)


def grid(extent: Extent, size: int) -> Floats:
    """Centres of the pixels, of shape (size * size, 2), row by row from the bottom left."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    x = extent.left + steps * (extent.right - extent.left)
    y = extent.bottom + steps * (extent.top - extent.bottom)
    across, up = np.meshgrid(x, y)
    return np.stack([across.ravel(), up.ravel()], axis=1).astype(np.float32)


def paint(
    projector: Projector,
    heads: Heads,
    epoch: int,
    extent: Extent,
    size: int,
    sets: LabelSets | None = None,
) -> tuple[Landscape, NDArray[np.bool_]]:
    """The landscape of an epoch, and where its boundaries run (size, size).

    ``sets`` are needed for a multi-label head.
    """
    places = grid(extent, size)
    parts = []
    for at in range(0, len(places), _AT_ONCE):
        logits = heads.logits(projector.invert(places[at : at + _AT_ONCE], epoch), epoch)
        parts.append(
            (
                outputs.predicted(logits, heads.kind),
                outputs.confidence(logits, heads.kind),
                outputs.margin(logits, heads.kind),
            )
        )
    classes, confidence, margin = (np.concatenate(part) for part in zip(*parts, strict=True))
    if sets is None:
        classes = classes.astype(np.min_scalar_type(max(1, heads.outputs - 1)))
    else:
        classes = sets.numbers(classes)
    picture = Landscape(
        classes.reshape(size, size),
        confidence.astype(np.float32).reshape(size, size),
        extent,
    )
    return picture, (margin < BOUNDARY).reshape(size, size)
