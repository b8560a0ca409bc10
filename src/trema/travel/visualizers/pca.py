"""A canvas spanned by two directions for all epochs, at once and without torch.

The directions are the first two principal components of the frames together, each frame taken
relative to its own mean, so that a sample's movement is what it does among the others. It is
the picture while the other methods compute, and the plainest baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import MissingExtra
from trema.travel.cache import Cache
from trema.travel.frames import Frames
from trema.travel.heads import Heads
from trema.travel.visualizers.base import Floats, Report

#: Rows of a frame that the directions are computed from; 5,000 give them to a few per cent.
_ROWS = 5000

#: Changes when the same input gives another result, so that parts kept before are not taken.
VERSION = 1


@dataclass(frozen=True)
class PcaProjector:
    """``means`` (epoch, D) and ``axes`` (2, D) with orthonormal rows."""

    means: Floats
    axes: Floats

    def project(self, x: Floats, epoch: int) -> Floats:
        return np.asarray((x - self.means[epoch]) @ self.axes.T, dtype=np.float32)

    def invert(self, xy: Floats, epoch: int) -> Floats:
        return np.asarray(xy @ self.axes + self.means[epoch], dtype=np.float32)

    def state(self) -> Mapping[str, NDArray[Any]]:
        return {"means": self.means, "axes": self.axes}

    def extended(self, frames: Frames, heads: Heads | None, *, report: Report) -> PcaProjector:
        """The same canvas for one more epoch."""
        mean = _mean(frames, len(frames) - 1)
        return replace(self, means=np.concatenate([self.means, mean[None]]))


def fit(
    frames: Frames,
    heads: Heads | None,
    *,
    seed: int,
    device: str,
    report: Report,
    cache: Cache,
) -> PcaProjector:
    """The projector; ``seed``, ``device`` and ``heads`` change nothing.

    Raises
    ------
    UsageError
        When there is no such device, as by the other methods.
    MissingExtra
        When the device is another than the CPU and torch is not installed.
    """
    _there(str(device))
    width = frames.width
    total = np.zeros((width, width))
    means = []
    some = np.linspace(0, frames.samples - 1, min(frames.samples, _ROWS)).astype(np.int64)
    for epoch in range(len(frames)):
        report("principal components", epoch / len(frames))
        means.append(_mean(frames, epoch))
        kept = some[frames.finite[epoch][some]]
        rows = frames.rows(epoch, kept) - means[-1]
        total += (rows.T @ rows) / max(1, len(rows))
    _, vectors = np.linalg.eigh(total)
    axes = vectors[:, ::-1][:, :2].T
    if len(axes) < 2:  # one feature only
        axes = np.concatenate([axes, np.zeros_like(axes)])
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.where(axes[np.arange(2), largest] < 0, -1.0, 1.0)[
        :, None
    ]  # signs are free: fix them
    return PcaProjector(np.stack(means), np.ascontiguousarray(axes, dtype=np.float32))


def restore(
    state: Mapping[str, NDArray[Any]], frames: Frames | None, heads: Heads | None
) -> PcaProjector:
    """The projector of a kept state."""
    return PcaProjector(state["means"], state["axes"])


def _there(device: str) -> None:
    if device in ("auto", "cpu"):
        return
    try:
        from trema.travel.device import device_of
    except ImportError as error:
        raise MissingExtra(f"the device {device!r}", "travel") from error
    device_of(device)


def _mean(frames: Frames, epoch: int) -> Floats:
    rows = frames.read(epoch)[frames.finite[epoch]]
    return np.asarray(rows.mean(axis=0, dtype=np.float64), dtype=np.float32)
