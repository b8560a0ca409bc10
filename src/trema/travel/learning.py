"""What the logits of a sample tell, epoch after epoch: confidence, margins, loss, changes of mind.

Read one epoch and one block of samples at a time, so that memory maps of any length fit.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError
from trema.travel import heads as outputs
from trema.travel.heads import Kind

Floats = NDArray[np.float32]
#: Logits held at once as float32, about 64 MB with the copies that are made of them.
_VALUES = 4_000_000


@dataclass(frozen=True)
class Learning:
    """Series and scalar features of N samples over E epochs.

    confidence : (E, N) float32, as ``heads.confidence`` gives it; NaN where a logit is not finite
    series : ``loss`` and ``margin``, each (E, N) float32, what their scalars are of, with NaN for
        samples without a label and where a logit is not finite; empty when no sample has a label
    predicted : (N,) int64, the prediction at the last epoch
    runner_up : (N,) int64, the second class at the last epoch; the prediction itself where
        there is none (sigmoid, multilabel)
    scalars : by name, each (N,) float32. Those that need a label are absent when no sample has
        one, and NaN for the samples that have none. All are NaN for samples that are not finite.
    finite : (N,) bool, whether all logits of the sample are finite
    """

    confidence: Floats
    series: dict[str, Floats]
    predicted: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    scalars: dict[str, Floats]
    finite: NDArray[np.bool_]


def listed(logits: ArrayLike | Sequence[ArrayLike]) -> list[NDArray[Any]]:
    """Logits as one array of shape (sample, class) an epoch; memory maps stay maps."""
    arrays = [np.asanyarray(frame) for frame in logits]  # type: ignore[union-attr]  # iterable
    frames = [frame[:, None] if frame.ndim == 1 else frame for frame in arrays]
    shapes = {frame.shape for frame in frames}
    if len(shapes) != 1 or frames[0].ndim != 2 or frames[0].dtype.kind not in "fiu":
        raise UsageError(
            "expected logits of shape (epoch, sample, class) but got "
            f"{len(frames)} epochs of shapes {sorted(shapes)}"
        )
    return frames


def kind_of(frames: Sequence[NDArray[Any]], labels: NDArray[Any] | None, kind: Kind | None) -> Kind:
    """What the outputs are: as said, else by the labels' shape and the number of logits."""
    if kind is not None:
        return kind
    if labels is not None and labels.ndim == 2:
        return "multilabel"
    return "sigmoid" if frames[0].shape[1] == 1 else "softmax"


def checked_labels(
    labels: ArrayLike | None, samples: int, classes: int, kind: Kind
) -> NDArray[np.int64] | None:
    """Labels as integers, −1 for a sample without one; None when no sample has a label.

    Shape (sample,), for *multilabel* (sample, label). NaN and any negative number (−100 is what
    losses of PyTorch leave out) stand for no label too.

    Raises
    ------
    UsageError
        When they are of another shape, or no classes of the logits.

    Warns
    -----
    UserWarning
        Where classes are 0 and 1 and the labels are −1 and 1 only: those of −1 count as none.
    """
    if labels is None:
        return None
    given = np.asarray(labels)
    shape = (samples, classes) if kind == "multilabel" else (samples,)
    if given.shape != shape or given.dtype.kind not in "fiub":
        raise UsageError(
            f"expected labels as numbers of shape {shape} but got {given.dtype} of "
            f"shape {given.shape}"
        )
    if given.dtype.kind == "f":
        given = np.where(np.isfinite(given), given, -1)
    whole = given.astype(np.int64)
    most = classes - 1 if kind == "softmax" else 1
    strange = np.argwhere((whole != given) | (whole > most))
    if len(strange):
        at = tuple(strange[0].tolist())
        raise UsageError(
            f"expected labels from 0 to {most}, or −1 for none, but sample {at[0]} is labelled "
            f"{given[at].item()}: number the classes from 0, in the order of the logits"
        )
    whole = np.maximum(whole, -1)
    if kind != "softmax" and set(np.unique(whole).tolist()) == {-1, 1}:
        warnings.warn(
            "labels are −1 and 1 only: −1 counts as no label; give 0 where it is a class",
            stacklevel=3,
        )
    if whole.ndim == 2:
        whole[(whole < 0).any(axis=1)] = -1
    return whole if (whole >= 0).any() else None


@dataclass(frozen=True)
class _Look:
    """One epoch of a block: each (n,); ``margin`` and ``loss`` only where labels are known."""

    confidence: Floats
    predicted: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    gap: Floats
    margin: Floats | None
    loss: Floats | None
    right: NDArray[np.bool_] | None


def learning(
    frames: Sequence[NDArray[Any]], labels: NDArray[np.int64] | None, kind: Kind
) -> Learning:
    """Features of all samples.

    Scalars without labels: ``confidence_last``, ``confidence_mean``; ``gap_last``, ``gap_mean``
    (top logit minus the second; absolute logits with a sigmoid, the least of the labels with
    multilabel); ``flips`` (changes of the prediction from one epoch to the next);
    ``unsettled`` (share of epochs with another prediction than at the last).
    With labels: ``margin_last``, ``margin_mean`` (logit of the label minus the largest other
    one; averaged over epochs it is AUM, Pleiss et al. 2020; signed logits with a sigmoid, the
    least of the labels with multilabel), ``loss_last``, ``loss_mean``, ``loss_variance``
    (cross-entropy in nats), ``forgetting`` (right at one epoch, wrong at the next, Toneva et
    al. 2019), ``learned`` (first epoch that was right, counted from 0 in the order of the frames,
    whatever their numbers; how many frames there are when none was),
    ``wrong`` (share of epochs that were wrong), ``belief_mean`` (mean of exp(−loss): the
    confidence axis of dataset cartography, Swayamdipta et al. 2020).
    """
    epochs, (samples, classes) = len(frames), frames[0].shape
    names = ("confidence",) if labels is None else ("confidence", "loss", "margin")
    series = {name: np.empty((epochs, samples), dtype=np.float32) for name in names}
    predicted = np.empty(samples, dtype=np.int64)
    runner_up = np.empty(samples, dtype=np.int64)
    finite = np.empty(samples, dtype=bool)
    kept: dict[str, Floats] = {}
    rows = max(1, _VALUES // classes)
    for at in range(0, samples, rows):
        part = slice(at, min(samples, at + rows))
        given = None if labels is None else labels[part]
        block, clean = _block(frames, part, given, kind, series)
        predicted[part], runner_up[part], finite[part] = block.predicted, block.runner_up, clean
        for name, values in block.scalars().items():
            values = np.where(clean, values, np.nan)
            kept.setdefault(name, np.empty(samples, dtype=np.float32))[part] = values
    return Learning(series.pop("confidence"), series, predicted, runner_up, kept, finite)


def _block(
    frames: Sequence[NDArray[Any]],
    part: slice,
    labels: NDArray[np.int64] | None,
    kind: Kind,
    series: dict[str, Floats],
) -> tuple[_Course, NDArray[np.bool_]]:
    course = _Course(part.stop - part.start, len(frames), labels)
    clean = np.ones(part.stop - part.start, dtype=bool)
    for epoch, frame in enumerate(frames):
        z = np.asarray(frame[part], dtype=np.float32)
        bad = np.asarray(~np.isfinite(z).all(axis=1), dtype=bool)
        if bad.any():
            clean &= ~bad
            z = z.copy()
            z[bad] = 0.0
        look = _look(z, labels, kind)
        series["confidence"][epoch, part] = look.confidence
        if look.loss is not None and look.margin is not None:
            series["loss"][epoch, part] = look.loss
            series["margin"][epoch, part] = look.margin
        for values in series.values():
            values[epoch, part][bad] = np.nan
        course.add(epoch, look)
    for name, values in series.items():
        if name != "confidence" and labels is not None:
            values[:, part][:, ~_known(labels)] = np.nan
    return course, clean


def _known(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which samples (n,) have a label."""
    return np.asarray((labels >= 0).reshape(len(labels), -1).all(axis=1), dtype=bool)


class _Course:
    """Sums over the epochs of one block of samples."""

    def __init__(self, samples: int, epochs: int, labels: NDArray[np.int64] | None) -> None:
        self._epochs = epochs
        self._labels = labels
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._last: _Look | None = None
        self._flips = np.zeros(samples)
        self._forgotten = np.zeros(samples)
        self._learned = np.full(samples, float(epochs))
        self._seen = np.empty((epochs, samples), dtype=np.int64)
        self.predicted = self.runner_up = np.zeros(samples, dtype=np.int64)

    def add(self, epoch: int, look: _Look) -> None:
        last, self._last = self._last, look
        self._seen[epoch] = look.predicted
        self.predicted, self.runner_up = look.predicted, look.runner_up
        self._sum("confidence", look.confidence)
        self._sum("gap", look.gap)
        if last is not None:
            self._flips += look.predicted != last.predicted
        if look.margin is None or look.loss is None or look.right is None:
            return
        self._sum("margin", look.margin)
        self._sum("loss", look.loss)
        self._sum("loss²", np.square(look.loss, dtype=np.float64))
        self._sum("belief", np.exp(-look.loss))
        self._sum("wrong", ~look.right)
        self._learned = np.where(look.right & (self._learned > epoch), epoch, self._learned)
        if last is not None and last.right is not None:
            self._forgotten += last.right & ~look.right

    def scalars(self) -> dict[str, NDArray[Any]]:
        look = self._last
        assert look is not None  # there is at least one epoch
        n = self._epochs
        mean = {name: total / n for name, total in self._sums.items()}
        found: dict[str, NDArray[Any]] = {
            "confidence_last": look.confidence,
            "confidence_mean": mean["confidence"],
            "gap_last": look.gap,
            "gap_mean": mean["gap"],
            "flips": self._flips,
            "unsettled": (self._seen != look.predicted).mean(axis=0),
        }
        if look.margin is None or look.loss is None or self._labels is None:
            return found
        labelled: dict[str, NDArray[Any]] = {
            "margin_last": look.margin,
            "margin_mean": mean["margin"],
            "loss_last": look.loss,
            "loss_mean": mean["loss"],
            "loss_variance": np.maximum(mean["loss²"] - mean["loss"] ** 2, 0.0),
            "forgetting": self._forgotten,
            "learned": self._learned,
            "wrong": mean["wrong"],
            "belief_mean": mean["belief"],
        }
        known = _known(self._labels)
        found.update({name: np.where(known, v, np.nan) for name, v in labelled.items()})
        return found

    def _sum(self, name: str, values: NDArray[Any]) -> None:
        if name not in self._sums:
            self._sums[name] = np.zeros(len(values))
        self._sums[name] += values


def _look(z: Floats, labels: NDArray[np.int64] | None, kind: Kind) -> _Look:
    return _softmax(z, labels) if kind == "softmax" else _independent(z, labels, kind)


def _softmax(z: Floats, labels: NDArray[np.int64] | None) -> _Look:
    rows = np.arange(len(z))
    best = z.argmax(axis=1)
    top = z[rows, best]
    total = np.exp(z - top[:, None]).sum(axis=1)
    others = z.copy()
    others[rows, best] = -np.inf
    second = others.argmax(axis=1) if z.shape[1] > 1 else best
    gap = top - z[rows, second]
    margin = loss = right = None
    if labels is not None:
        said = np.maximum(labels, 0)  # rows without a label are blanked by the caller
        own = z[rows, said]
        right = best == said
        margin = own - np.where(right, z[rows, second], top)
        loss = np.log(total) + top - own
    return _Look(1.0 / total, best, second, gap, margin, loss, right)


def _independent(z: Floats, labels: NDArray[np.int64] | None, kind: Kind) -> _Look:
    best = outputs.predicted(z, kind)
    gap = np.abs(z).min(axis=1)
    margin = loss = None
    right: NDArray[np.bool_] | None = None
    if labels is not None:
        sign = np.where(labels.reshape(len(z), -1) > 0, np.float32(1), np.float32(-1))
        signed = z * sign
        margin = signed.min(axis=1)
        loss = np.logaddexp(np.float32(0), -signed).mean(axis=1)
        right = np.asarray(np.where(sign > 0, z > 0, z <= 0).all(axis=1), dtype=bool)
    return _Look(outputs.confidence(z, kind), best, best, gap, margin, loss, right)
