"""Whether images are laid out as their shape says: channels first, or channels last."""

from __future__ import annotations

import numpy as np

#: Images looked at, and the smallest side of one.
IMAGES, SIDE = 64, 8
#: Channels whose axis could be the first or the last one.
CHANNELS = (3, 4)


def reshaped(rows: np.ndarray) -> float | None:
    """How much smoother images become when the other layout is read from the same memory.

    Parameters
    ----------
    rows : ndarray of shape (sample, channel, height, width) or (sample, height, width, channel)

    Returns
    -------
    Mean squared difference of neighbouring pixels as the images are laid out, over that of the
    other layout; None where it cannot be told. It is below one for images that lie as their shape
    says, and large where a reshape took the place of a transposition.
    """
    if rows.ndim != 4 or rows.dtype.kind not in "biuf" or len(rows) < 8:
        return None
    first, last = rows.shape[1] in CHANNELS, rows.shape[3] in CHANNELS
    sides = rows.shape[2:] if first else rows.shape[1:3]
    if first == last or min(sides) < SIDE:
        return None
    few = rows[:: max(1, len(rows) // IMAGES)][:IMAGES].astype(np.float64)
    if not np.isfinite(few).all():
        return None
    other = few.reshape(-1, *_swapped(rows.shape[1:], first=first))
    spread = float(few.var())
    given, instead = _roughness(few, first=first), _roughness(other, first=not first)
    return given / instead if spread > 0 and 0 < instead < spread else None


def _swapped(shape: tuple[int, ...], *, first: bool) -> tuple[int, ...]:
    """The shape with its channel axis at the other end."""
    return (*shape[1:], shape[0]) if first else (shape[-1], *shape[:-1])


def _roughness(images: np.ndarray, *, first: bool) -> float:
    """Mean squared difference of a pixel to the next one, across and down, in each channel."""
    across, down = (3, 2) if first else (2, 1)
    parts = [np.square(np.diff(images, axis=axis)).mean() for axis in (across, down)]
    return float(np.mean(parts))
