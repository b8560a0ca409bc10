"""What the network would say at each place of the canvas."""

from __future__ import annotations

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


class Extent(NamedTuple):
    """The limits of the canvas, the same for all epochs of a movie."""

    left: float
    right: float
    bottom: float
    top: float


class Landscape(NamedTuple):
    """A picture of one epoch; row 0 is the bottom, column 0 the left.

    classes : ndarray of shape (size, size), uint8 (uint16 above 256 classes)
    confidence : ndarray of shape (size, size), float32, from 0 to 1
    extent : (left, right, bottom, top)
    """

    classes: NDArray[Any]
    confidence: Floats
    extent: Extent


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
    projector: Projector, heads: Heads, epoch: int, extent: Extent, size: int
) -> tuple[Landscape, NDArray[np.bool_]]:
    """The landscape of an epoch, and where its boundaries run (size, size)."""
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
    kind = np.uint8 if heads.outputs <= 256 else np.uint16
    picture = Landscape(
        classes.astype(kind).reshape(size, size),
        confidence.astype(np.float32).reshape(size, size),
        extent,
    )
    return picture, (margin < BOUNDARY).reshape(size, size)
