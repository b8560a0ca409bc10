"""Samples that moved, or were predicted, otherwise than most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError
from trema.travel.clusters import PaperDetector, Similarity, paper_detector
from trema.travel.content import content_keys, content_order
from trema.travel.given import numbers_of
from trema.travel.heads import Kind
from trema.travel.learning import kind_of, listed
from trema.travel.rarity import Rarity, discoveries, fitted, joined
from trema.travel.series import PAPER, Series, middle_of, series_of

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
#: What the whole of a sample is judged by. Velocity and acceleration are sums of locations, so
#: a whitened space holds them already.
_WHOLE = ("location", "logits", "confidence")
#: Samples below which nothing can be held out and judged.
_FEWEST = 8
#: Expected share of false ones among the samples that are flagged because the set they came in
#: holds many abnormal ones, at the paper's threshold. Benjamini and Hochberg's own examples use
#: 0.05; 0.1 is as common.
DISCOVERY_RATE = 0.1
#: The threshold that this rate belongs to, the paper's.
THRESHOLD = 0.98


@dataclass(frozen=True)
class Scores:
    """How abnormal samples are; see :func:`anomalies` for what is flagged.

    scores : (n,) float64 from 0 to 1; NaN for excluded samples. One minus a conformal p-value:
        of ordinary samples, a share of 0.02 score above 0.98. In parity mode one minus the
        share of the sample's cluster.
    flags : (n,) bool
    by_feature : scores of ``location``, ``velocity``, ``acceleration``, ``confidence`` and
        (not in parity mode) ``logits`` by themselves
    excluded : (m,) int64, the samples with a position or a logit that is not finite
    """

    scores: Doubles
    flags: NDArray[np.bool_]
    by_feature: dict[str, Doubles]
    excluded: NDArray[np.int64]


class Anomalies:
    """Scores and flags of the samples of a run, and of samples that were not seen.

    Has the attributes of :class:`Scores`.
    """

    def __init__(self, judge: _Judge, seen: Scores) -> None:
        self._judge = judge
        self.seen = seen
        self.scores = seen.scores
        self.flags = seen.flags
        self.by_feature = seen.by_feature
        self.excluded = seen.excluded

    def score(self, positions: ArrayLike, logits: ArrayLike | Sequence[ArrayLike]) -> Scores:
        """Scores of unseen samples: positions (epoch, n, 2) and logits (epoch, n, class).

        Scores do not depend on the samples that come with them; flags do, see
        :func:`discovery_rate`. Of no samples there are none; those that are not finite score NaN.

        Raises
        ------
        UsageError
            When shapes are not those of the samples that the scores were made of.
        """
        places, frames = _checked(positions, logits, shape=self._judge.shape)
        if not _finite(places, frames).any():
            return self._judge.unjudged(places.shape[1])
        series = series_of(places, frames, self._judge.kind, self._judge.origin)
        return self._judge.judged(series, self._judge.rate(series.rows))


@dataclass(frozen=True)
class _Judge:
    """What is needed to judge more samples; ``shape`` is (epochs, outputs)."""

    detector: PaperDetector | Mapping[str, Rarity]
    kind: Kind
    origin: NDArray[np.float64]
    threshold: float
    shape: tuple[int, int]

    def rate(self, rows: Mapping[str, Floats]) -> dict[str, Doubles]:
        """Scores of the features, and of the whole under the name ``""``."""
        if isinstance(self.detector, PaperDetector):
            return _with_largest(self.detector.rate(rows))
        result = {}
        for name, rarity in self.detector.items():
            block = rows[name] if name else joined(rows, _WHOLE)[0]
            result[name] = _rated(rarity, rarity.distance(block))
        return result

    def judged(self, series: Series, rated: Mapping[str, Doubles]) -> Scores:
        whole = rated[""]
        flags = whole > self.threshold
        if not isinstance(self.detector, PaperDetector):
            flags = flags | discoveries(1.0 - whole, discovery_rate(self.threshold))
        spread = {name: _spread(values, series.usable) for name, values in rated.items()}
        marked = np.zeros(len(series.usable), dtype=bool)
        marked[series.usable] = flags
        return Scores(
            spread.pop(""), marked, spread, np.flatnonzero(~series.usable).astype(np.int64)
        )

    def unjudged(self, count: int) -> Scores:
        """Scores of so many samples of which none is finite."""
        features = (
            self.detector.clusters if isinstance(self.detector, PaperDetector) else self.detector
        )
        return Scores(
            np.full(count, np.nan),
            np.zeros(count, dtype=bool),
            {name: np.full(count, np.nan) for name in features if name},
            np.arange(count, dtype=np.int64),
        )


def discovery_rate(threshold: float) -> float:
    """The expected share of false ones among flags that the company of a sample calls for.

    It is ``DISCOVERY_RATE`` at ``THRESHOLD``, falls in proportion to ``1 − threshold`` above it,
    and levels off below it, where the threshold itself flags many: 0.17 at 0.9, 0.1 at 0.98,
    0.001 at 0.9999, never above 0.2.
    """
    share = 1 - threshold
    return 2 * DISCOVERY_RATE * share / (share + 1 - THRESHOLD)


def anomalies(
    movie: Any,
    logits: ArrayLike | Sequence[ArrayLike],
    threshold: float = THRESHOLD,
    *,
    parity: bool | Similarity = False,
    held: tuple[ArrayLike, ArrayLike | Sequence[ArrayLike]] | None = None,
    kind: Kind | None = None,
) -> Anomalies:
    """Find the samples that went through the training otherwise than most.

    Parameters
    ----------
    movie : Movie, or positions of shape (epoch, sample, 2)
    logits : array of shape (epoch, sample, class), or a sequence of arrays (sample, class)
    threshold : samples that score above it are flagged, and (not in parity mode) those below it
        too that stand out together: where so many samples are abnormal that no more than
        ``discovery_rate(threshold)`` of the flags is expected to be false (Benjamini and
        Hochberg). A higher threshold never flags a sample that a lower one does not. 0.98 is the
        paper's.
    parity : True for the detector of DeepDebugger ("cosine" as its text says, which True
        means; "raw" as its code does) instead of ours
    held : (positions, logits) of ordinary samples that were not trained on, by which scores
        are calibrated; default a part of the samples themselves. Training samples are closer
        to each other than unseen ones, so with ``held`` fewer ordinary unseen ones are flagged.
    kind : "softmax", "sigmoid" or "multilabel"; default that of the movie's heads, else by shape

    Raises
    ------
    UsageError
        When shapes do not fit, fewer than eight samples (or held ones) are finite, or an argument
        cannot be.
    """
    # the ABC, which numbers of NumPy belong to as well
    if not isinstance(threshold, Real) or not 0.0 <= threshold < 1.0:
        raise UsageError(f"threshold must be a number from 0 to below 1 but got {threshold!r}")
    if parity not in (False, True, "cosine", "raw"):
        raise UsageError(f"parity must be True, False, 'cosine' or 'raw' but got {parity!r}")
    places, frames = _checked(getattr(movie, "positions", movie), logits)
    known = kind or getattr(getattr(movie, "heads", None), "kind", None)
    sort = kind_of(frames, None, known)
    _enough(places, frames, "samples")
    finite = np.isfinite(places).all(axis=(0, 2))
    origin = middle_of(places[:, finite])
    series = series_of(places, frames, sort, origin)
    shape = (len(places), frames[0].shape[1])
    keys = content_keys(frames)[series.usable]
    if parity:
        paper, clustered = paper_detector(
            {name: series.rows[name] for name in PAPER if name in series.rows},
            "cosine" if parity is True else parity,
            content_order(keys),
        )
        judge = _Judge(paper, sort, origin, threshold, shape)
        return Anomalies(judge, judge.judged(series, _with_largest(clustered)))
    calm = None if held is None else _held_rows(held, shape, sort, origin)
    detector, rated = {}, {}
    for name in (*series.rows, ""):
        detector[name], distances = _rarity(series.rows, name, keys, calm)
        rated[name] = _rated(detector[name], distances)
    judge = _Judge(detector, sort, origin, threshold, shape)
    return Anomalies(judge, judge.judged(series, rated))


def _rarity(
    rows: Mapping[str, Floats],
    name: str,
    keys: NDArray[np.uint64],
    calm: Mapping[str, Floats] | None,
) -> tuple[Rarity, Floats]:
    block, widths = joined(rows, (name,) if name else _WHOLE)
    rarity, distances = fitted(block, content_order(keys), widths)
    if calm is not None:
        ruler = rarity.distance(joined(calm, (name,) if name else _WHOLE)[0])
        rarity = replace(rarity, held=np.sort(ruler))
    return rarity, distances


def _rated(rarity: Rarity, distances: Floats) -> Doubles:
    return np.asarray(1.0 - rarity.p_value(distances))


def _held_rows(
    held: tuple[ArrayLike, ArrayLike | Sequence[ArrayLike]],
    shape: tuple[int, int],
    kind: Kind,
    origin: NDArray[np.float64],
) -> Mapping[str, Floats]:
    if not isinstance(held, tuple | list) or len(held) != 2:
        raise UsageError(
            "expected held as a pair (positions, logits) of ordinary samples that were not "
            f"trained on but got {type(held).__name__}"
        )
    places, frames = _checked(*held, shape=shape)
    _enough(places, frames, "held samples")
    return series_of(places, frames, kind, origin).rows


def _checked(
    positions: ArrayLike,
    logits: ArrayLike | Sequence[ArrayLike],
    *,
    shape: tuple[int, int] | None = None,
) -> tuple[Floats, list[NDArray[Any]]]:
    """Positions and logits by epoch; ``shape`` is the (epochs, outputs) that they must have."""
    places = numbers_of(positions, "positions")
    try:
        frames = listed(logits)
    except UsageError:
        raise
    except (TypeError, ValueError):  # nothing to go through, or rows of unequal lengths
        raise UsageError(
            "expected logits as numbers of shape (epoch, sample, class) but got "
            f"{type(logits).__name__}"
        ) from None
    if places.shape != (len(frames), len(frames[0]), 2) or not frames[0].shape[1]:
        raise UsageError(
            f"expected positions of shape (epoch, sample, 2) and logits of the same epochs and "
            f"samples, but got {places.shape} and {len(frames)} × {frames[0].shape}"
        )
    if shape is not None and (len(places), frames[0].shape[1]) != shape:
        raise UsageError(
            f"expected positions and logits of {shape[0]} epochs and {shape[1]} outputs but got "
            f"{len(places)} and {frames[0].shape[1]}"
        )
    return places, frames


def _finite(places: Floats, frames: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    """Which samples (n,) are finite at all epochs."""
    usable = np.isfinite(places).all(axis=(0, 2))
    for frame in frames:
        usable &= np.isfinite(frame).all(axis=1)
    return np.asarray(usable, dtype=bool)


def _enough(places: Floats, frames: Sequence[NDArray[Any]], what: str) -> None:
    count = int(_finite(places, frames).sum())
    if count < _FEWEST:
        raise UsageError(
            f"expected at least {_FEWEST} {what} that are finite at all epochs but got {count}"
        )


def _with_largest(rated: dict[str, Floats]) -> dict[str, Doubles]:
    """Any feature flags the sample: the whole is the largest score."""
    every = {name: values.astype(np.float64) for name, values in rated.items()}
    return {**every, "": np.max(list(every.values()), axis=0)}


def _spread(values: Doubles, usable: NDArray[np.bool_]) -> Doubles:
    result = np.full(len(usable), np.nan)
    result[usable] = values
    return result
