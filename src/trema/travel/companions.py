"""Whether a sample's neighbours in representation space carry its label and its prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.travel.content import content_order
from trema.travel.frames import Frames
from trema.travel.parallel import mapped

Floats = NDArray[np.float32]
#: Neighbours asked. 10 is the smallest of the neighbourhoods that DVI judges (10, 15, 20).
NEIGHBOURS = 10
#: Samples among which neighbours are looked for: exact up to here, beyond it a fixed part, so
#: that 50,000 samples take seconds and not minutes.
REFERENCES = 4096
#: Epochs looked at, evenly from a third of the run to its end.
EPOCHS = 4
#: Directions that neighbours are looked for in; 50 is what DVI's successors compress to.
_WIDTH = 50
_ROWS = 2048


@dataclass(frozen=True)
class Companions:
    """Shares of a sample's neighbours, from 0 to 1, each of shape (N,) float32.

    other_label : carry another label than the sample's, averaged over the epochs looked at
    other_label_last : the same at the last epoch
    other_prediction : carry another label (or, unlabelled, another prediction) than the
        sample's prediction, averaged over the epochs
    common : (N,) int64, the label most frequent among the neighbours at the last epoch
    by_epoch : (epoch, N), ``other_label`` at each epoch; None without labels or when not asked for
    NaN where a representation is not finite; ``other_label`` is None without labels.
    """

    other_label: Floats | None
    other_label_last: Floats | None
    other_prediction: Floats
    common: NDArray[np.int64]
    by_epoch: Floats | None = None


def companions(
    frames: Frames,
    labels: NDArray[np.int64] | None,
    predicted: NDArray[np.int64],
    keys: NDArray[np.uint64],
    *,
    by_epoch: bool = False,
) -> Companions:
    """Ask the nearest samples by cosine similarity, among those with a label where there are any.

    ``keys`` (N,) tell the samples' contents: the references are the first by key, so that
    permuting the samples changes nothing. Copies of the sample itself do not count. Four epochs
    are looked at, and with ``by_epoch`` every one, which takes a second or two each of 50,000
    samples.
    """
    voters = np.flatnonzero(labels >= 0) if labels is not None else np.arange(frames.samples)
    voters = voters[content_order(keys[voters])][:REFERENCES]
    said = predicted if labels is None else labels
    names, votes = np.unique(said[voters], return_inverse=True)
    first = len(frames) // 3
    chosen = np.unique(np.linspace(first, len(frames) - 1, EPOCHS).round().astype(int)).tolist()
    every = by_epoch and labels is not None
    series = np.empty((len(frames), frames.samples), dtype=np.float32) if every else None
    asked = list(range(len(frames))) if every else chosen
    calls = ((frames.only(e), voters, votes, len(names), keys) for e in asked)
    total = np.zeros((frames.samples, len(names)), dtype=np.float32)
    shares = total
    for epoch, shares in zip(asked, mapped(_shares, calls), strict=True):
        if epoch in chosen:
            total = total + shares / np.float32(len(chosen))
        if series is not None and labels is not None:
            series[epoch] = _other(shares, names, labels)
    common = names[np.nan_to_num(shares, nan=-1.0).argmax(axis=1)]
    own = None if labels is None else _other(total, names, labels)
    last = None if labels is None else _other(shares, names, labels)
    return Companions(own, last, _other(total, names, predicted), common, series)


def _other(shares: Floats, names: NDArray[np.int64], mine: NDArray[np.int64]) -> Floats:
    """One minus the share of neighbours that say ``mine``; NaN where mine is −1."""
    at = np.minimum(np.searchsorted(names, mine), len(names) - 1)
    known = names[at] == mine
    agree = np.where(
        known, shares[np.arange(len(mine)), at], np.where(np.isnan(shares[:, 0]), np.nan, 0)
    )
    return np.where(mine < 0, np.float32(np.nan), 1 - agree).astype(np.float32)


def _shares(
    frame: Frames,
    voters: NDArray[np.int64],
    votes: NDArray[np.int64],
    classes: int,
    keys: NDArray[np.uint64],
) -> Floats:
    """The share of each vote among a sample's neighbours of one epoch, of shape (N, classes)."""
    standing = frame.finite[0]
    usable = standing[voters]
    voters, votes = voters[usable], votes[usable]
    result = np.full((frame.samples, classes), np.nan, dtype=np.float32)
    if len(voters) < 2:
        return result
    base = frame.rows(0, voters)
    mean = base.mean(axis=0)
    axes = _directions(base - mean)
    base = _unit((base - mean) @ axes)
    k = min(NEIGHBOURS, len(voters) - 1)
    for at in range(0, frame.samples, _ROWS):
        rows = np.arange(at, min(frame.samples, at + _ROWS))
        near = _unit((frame.rows(0, rows) - mean) @ axes) @ base.T
        _blank_copies(near, keys[rows], keys[voters])
        chosen = np.argpartition(near, near.shape[1] - k, axis=1)[:, -k:]
        cells = np.arange(len(rows))[:, None] * classes + votes[chosen]
        counts = np.bincount(cells.ravel(), minlength=len(rows) * classes)
        result[rows] = counts.reshape(len(rows), classes) / np.float32(k)
    result[~standing] = np.nan
    return result


def _blank_copies(near: Floats, mine: NDArray[np.uint64], theirs: NDArray[np.uint64]) -> None:
    """Put a sample and its copies last; ``theirs`` ascend, so they are one stretch of them."""
    first = np.searchsorted(theirs, mine, side="left")
    count = np.searchsorted(theirs, mine, side="right") - first
    for step in range(int(count.max(initial=0))):
        which = np.flatnonzero(count > step)
        near[which, first[which] + step] = -np.inf


def _directions(rows: Floats) -> Floats:
    """Orthonormal directions (D, d) that hold most of the spread, d at most ``_WIDTH``."""
    if rows.shape[1] <= _WIDTH:
        return np.eye(rows.shape[1], dtype=np.float32)
    _, vectors = np.linalg.eigh(rows.T @ rows)
    return np.ascontiguousarray(vectors[:, -_WIDTH:])


def _unit(rows: Floats) -> Floats:
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(size, np.float32(1e-12)))
