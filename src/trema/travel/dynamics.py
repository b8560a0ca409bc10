"""How each sample went through the training: where it moved, what was predicted, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError
from trema.travel.companions import companions
from trema.travel.content import content_keys
from trema.travel.frames import Frames
from trema.travel.heads import Kind
from trema.travel.learning import checked_labels, kind_of, learning, listed

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Dynamics:
    """Features of N samples over E epochs.

    positions : (E, N, 2) float32
    confidence : (E, N) float32
    scalars : by name, each (N,) float32; see ``learning.learning`` for those of the logits.
        Of the movement: ``path`` (length of the way), ``speed_last`` (length of the last step),
        ``jolt`` (mean length of the acceleration), in units of the canvas. Of the neighbours
        in representation space: ``other_label``, ``other_label_last``, ``other_prediction``
        (shares from 0 to 1; see ``companions.Companions``). What needs labels or
        representations is absent without them. NaN for samples that are not ``usable``.
    labels : (N,) int64, −1 for none, (N, label) for multilabel; None without any
    predicted, runner_up : (N,) int64, best and second class at the last epoch
    common : (N,) int64, what most neighbours carry; None without representations
    usable : (N,) bool, False where a position or a logit is not finite
    keys : (N,) uint64, equal for copies
    series : by name, each (E, N) float32, NaN where a sample has no label: ``loss`` and ``margin``
        at each epoch, and ``other_label`` when ``features`` was asked for it. Without labels empty.
    """

    positions: Floats
    confidence: Floats
    scalars: dict[str, Floats]
    labels: NDArray[np.int64] | None
    predicted: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    common: NDArray[np.int64] | None
    usable: NDArray[np.bool_]
    keys: NDArray[np.uint64]
    kind: Kind
    series: dict[str, Floats] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        return len(self.positions)

    @property
    def samples(self) -> int:
        return int(self.positions.shape[1])

    @cached_property
    def location(self) -> Floats:
        """Where the sample is, (N, 2 E): x and y by epoch."""
        return differences(self.positions, 0)

    @cached_property
    def velocity(self) -> Floats:
        """Steps from epoch to epoch, (N, 2 (E − 1))."""
        return differences(self.positions, 1)

    @cached_property
    def acceleration(self) -> Floats:
        """Changes of the steps, (N, 2 (E − 2)); none with fewer than three epochs."""
        return differences(self.positions, 2)


def differences(positions: Floats, order: int) -> Floats:
    """Differences of positions (E, n, 2) of an order over epochs, as rows (n, 2 (E − order))."""
    if len(positions) <= order:
        return np.zeros((positions.shape[1], 0), dtype=np.float32)
    steps = np.diff(positions, n=order, axis=0) if order else positions
    return np.ascontiguousarray(steps.transpose(1, 0, 2)).reshape(positions.shape[1], -1)


def features(
    movie: Any,
    logits: ArrayLike | Sequence[ArrayLike],
    labels: ArrayLike | None = None,
    representations: ArrayLike | Sequence[ArrayLike] | Frames | None = None,
    *,
    kind: Kind | None = None,
    neighbours_by_epoch: bool = False,
) -> Dynamics:
    """The features of all samples.

    Parameters
    ----------
    movie : Movie, or positions of shape (epoch, sample, 2)
    logits : array of shape (epoch, sample, class), before softmax or sigmoid, or a sequence of
        arrays (sample, class); memory maps are read an epoch at a time
    labels : array of shape (sample,), integers, −1 or NaN for a sample without a label;
        (sample, label) of 0 and 1 for multilabel. Default: the labels of the movie.
    representations : array of shape (epoch, sample, D), a sequence, or Frames; default those of
        the movie
    kind : "softmax", "sigmoid" or "multilabel"; default that of the movie's heads, else by shape
    neighbours_by_epoch : also tell at every epoch which share of a sample's neighbours carries
        another label; a second or two for each epoch of 50,000 samples

    Raises
    ------
    UsageError
        When shapes do not fit.
    """
    positions = np.asarray(getattr(movie, "positions", movie), dtype=np.float32)
    if positions.ndim != 3 or positions.shape[2] != 2:
        raise UsageError(
            f"expected positions of shape (epoch, sample, 2) but got {positions.shape}"
        )
    if logits is None:
        raise UsageError("expected logits of shape (epoch, sample, class) but got None")
    frames = listed(logits)
    if (len(frames), len(frames[0])) != positions.shape[:2]:
        raise UsageError(
            f"the positions are of {positions.shape[0]} epochs × {positions.shape[1]} samples, "
            f"but the logits of {len(frames)} × {len(frames[0])}"
        )
    given = getattr(movie, "labels", None) if labels is None else np.asarray(labels)
    known = kind or getattr(getattr(movie, "heads", None), "kind", None)
    sort = kind_of(frames, given, known)
    checked = checked_labels(given, positions.shape[1], frames[0].shape[1], sort)
    found = learning(frames, checked, sort)
    keys = content_keys(frames)
    scalars = {**found.scalars, **_movement(positions)}
    held = _frames(movie, representations, positions.shape[:2])
    common = None
    if held is not None:
        single = checked if checked is None or checked.ndim == 1 else _as_sets(checked)
        near = companions(held, single, found.predicted, keys, by_epoch=neighbours_by_epoch)
        common = near.common
        scalars["other_prediction"] = near.other_prediction
        if near.other_label is not None and near.other_label_last is not None:
            scalars["other_label"] = near.other_label
            scalars["other_label_last"] = near.other_label_last
        if near.by_epoch is not None:
            found.series["other_label"] = near.by_epoch
    usable = found.finite & np.isfinite(positions).all(axis=(0, 2))
    scalars = {
        name: np.where(usable, values, np.float32(np.nan)) for name, values in scalars.items()
    }
    return Dynamics(
        positions,
        found.confidence,
        scalars,
        checked,
        found.predicted,
        found.runner_up,
        common,
        usable,
        keys,
        sort,
        found.series,
    )


def _frames(movie: Any, representations: Any, shape: tuple[int, ...]) -> Frames | None:
    if representations is None:
        frames = getattr(movie, "frames", None)
    else:
        given = isinstance(representations, Frames)
        frames = representations if given else Frames(representations)
    if frames is not None and (len(frames), frames.samples) != tuple(shape):
        raise UsageError(
            f"expected representations of {shape[0]} epochs × {shape[1]} samples "
            f"but got {len(frames)} × {frames.samples}"
        )
    return frames


def _as_sets(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sets of labels as numbers, like ``heads.predicted``; −1 without labels."""
    bits = labels[:, :62]
    sets = (np.maximum(bits, 0) << np.arange(bits.shape[1])).sum(axis=1)
    return np.where((labels < 0).any(axis=1), -1, sets)


def _movement(positions: Floats) -> dict[str, Floats]:
    samples = positions.shape[1]
    path = np.zeros(samples, dtype=np.float32)
    jolt = np.zeros(samples, dtype=np.float32)
    step = last = np.zeros((samples, 2), dtype=np.float32)
    for epoch in range(1, len(positions)):
        last, step = step, positions[epoch] - positions[epoch - 1]
        path += np.linalg.norm(step, axis=1)
        if epoch > 1:
            jolt += np.linalg.norm(step - last, axis=1) / (len(positions) - 2)
    return {"path": path, "jolt": jolt, "speed_last": np.linalg.norm(step, axis=1)}
