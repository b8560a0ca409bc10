"""The quality of a movie, epoch after epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError
from trema.travel import metrics
from trema.travel.boundary import SHARE, border_points
from trema.travel.cache import Arrays, Cache, key_of
from trema.travel.frames import Frames
from trema.travel.given import seed_of, whole_of
from trema.travel.heads import Heads
from trema.travel.metrics import Doubles
from trema.travel.movie import Movie
from trema.travel.nearest import Indices, nearest, overlap
from trema.travel.parallel import mapped
from trema.travel.progress import reporter
from trema.travel.visualizers.base import Floats

#: Queries drawn from the samples unless it is said: the mean of so many is good to ± 0.05 of 15.
QUERIES = 5000
#: Neighbours kept in a folder, so that k = 10, 15 and 20 need one search.
_KEPT = 20

#: Arrays of the two files in which the truth of an epoch is kept.
_TRUTHS = (("near",), ("border", "close"))

#: What is measured: name -> what it says; neighbours are counted up to k, neighbouring epochs to 5.
MEASURES = {
    "neighbours": "neighbours kept",
    "boundary": "border neighbours kept",
    "prediction": "predictions kept (PPR)",
    "confidence": "confidence difference",
    "temporal_neighbours": "neighbouring epochs kept",
    "temporal_ranking": "ranking of epochs (Spearman)",
    "motion_continuity": "motion continuity",
    "motion_of_representations": "… of the representations",
    "speed_correlation": "speed (Spearman)",
}

_THREE = "the ranking of epochs and motion need 3 that differ"
_HEADS = "predictions and confidence need heads"
#: Why a measure has no value at any epoch.
_NEEDS = {
    "boundary": "borders need heads and at least k border points",
    "prediction": _HEADS,
    "confidence": _HEADS,
    "temporal_neighbours": f"neighbouring epochs need {metrics.TEMPORAL_K + 2} epochs",
    "temporal_ranking": _THREE,
    "motion_continuity": _THREE,
    "motion_of_representations": _THREE,
    "speed_correlation": "speed needs 2 epochs that differ",
}


@dataclass(frozen=True)
class Quality:
    """Measures of a movie by epoch; prints as a small table.

    ``by_epoch`` holds an array (epoch,) of each of ``MEASURES``, NaN where it says nothing: the
    boundary, the predictions and the confidence without heads, movement at the ends.
    """

    method: str
    k: int
    queries: int
    unseen: bool
    epochs: list[int]
    by_epoch: dict[str, Doubles]

    def stages(self) -> dict[str, dict[str, float]]:
        """Each measure early, in the middle and late: the first, middle and last epoch that have
        it (the first epoch of the first third of the run, and so on, as in DVI)."""
        return {name: _stages(values) for name, values in self.by_epoch.items()}

    def mean(self) -> dict[str, float]:
        """Each measure averaged over the epochs that have it."""
        return {
            name: float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
            for name, values in self.by_epoch.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists; None where there is no number."""
        return {
            "method": self.method,
            "k": self.k,
            "queries": self.queries,
            "unseen": self.unseen,
            "epochs": self.epochs,
            "by_epoch": {n: [_plain(v) for v in vs.tolist()] for n, vs in self.by_epoch.items()},
            "stages": {
                n: {stage: _plain(v) for stage, v in of.items()} for n, of in self.stages().items()
            },
            "mean": {name: _plain(value) for name, value in self.mean().items()},
        }

    def __str__(self) -> str:
        who = "unseen samples" if self.unseen else "samples"
        lines = [f"{self.method}: {self.queries} {who}, k = {self.k}, {len(self.epochs)} epochs"]
        lines.append(f"{'':34}{'early':>9}{'middle':>9}{'late':>9}{'mean':>9}")
        stages, means = self.stages(), self.mean()
        for name, words in MEASURES.items():
            numbers = [*stages[name].values(), means[name]]
            lines.append(f"{words:34}" + "".join(f"{_short(number):>9}" for number in numbers))
        lines.append("early, middle, late: the first, middle and last epoch that has the measure")
        absent = [need for name, need in _NEEDS.items() if np.isnan(means[name])]
        if absent:
            lines.append("–: " + "; ".join(dict.fromkeys(absent)))
        return "\n".join(lines)


def quality(
    movie: Movie,
    k: int = 15,
    *,
    queries: int = QUERIES,
    unseen: ArrayLike | Sequence[ArrayLike] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: bool | Callable[[str, float], None] = False,
) -> Quality:
    """Measure how faithful a movie is, by the functions of :mod:`trema.travel.metrics`.

    Neighbours of the epochs are found through joblib: ``joblib.parallel_config`` takes it to
    other processes or machines.

    Parameters
    ----------
    k : neighbours that count
    queries : how many samples are asked; neighbours are looked for among all samples
    unseen : representations (epoch, n, D) of other samples, for instance the test split: they are
        asked instead, laid on the canvas by ``movie.project`` beside the movie's own samples
    seed : draws the queries and the border points (other ones than the visualizers draw)
    folder : where neighbours in representation space are kept, for other movies of the same run

    Raises
    ------
    UsageError
        When the movie was loaded without its representations, or ``k`` exceeds the samples.
    """
    found = qualities(
        movie, (k,), queries=queries, unseen=unseen, seed=seed, folder=folder, progress=progress
    )
    return next(iter(found.values()))


def qualities(
    movie: Movie,
    ks: Sequence[int],
    *,
    queries: int = QUERIES,
    unseen: ArrayLike | Sequence[ArrayLike] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: bool | Callable[[str, float], None] = False,
) -> dict[int, Quality]:
    """:func:`quality` of several ``k``, for which the samples are laid on the canvas once."""
    if movie.frames is None:
        raise UsageError("a movie loaded without its representations cannot be measured")
    ks = [whole_of(k, "k") for k in ks]
    queries, seed = whole_of(queries, "queries"), seed_of(seed)
    if queries < 1:
        raise UsageError(f"queries must be at least 1 but got {queries}")
    frames = movie.frames
    asked = frames if unseen is None else Frames(unseen)
    if len(asked) != len(frames) or asked.width != frames.width:
        raise UsageError(
            f"expected unseen samples of shape ({len(frames)}, n, {frames.width}) but got "
            f"({len(asked)}, {asked.samples}, {asked.width})"
        )
    which = _draw(asked, queries, seed)
    fewest = min(int(kept.sum()) for kept in frames.finite)
    for k in ks:
        if not 1 <= k < fewest:
            raise UsageError(f"k must be from 1 to less than {frames.samples} samples but got {k}")
    key = key_of("truth", seed, frames.samples, which, *_rows(frames), *_rows(asked))
    truth = _Truth(movie, asked, which, unseen is None, Cache(_path(folder), key), seed, max(ks))
    by_epoch = {k: {name: np.full(len(frames), np.nan) for name in MEASURES} for k in ks}
    laid = []
    with reporter(progress) as report:
        report("looking for neighbours", 0.0)
        for epoch, seen in enumerate(truth.epochs()):
            report("measuring the movie", epoch / len(frames))
            rows = asked.rows(epoch, which)
            places = movie.project(rows, epoch) if unseen is not None else None
            places = movie.positions[epoch][which] if places is None else places
            laid.append(places)
            for k, values in _at_epoch(movie, truth, seen, epoch, rows, places, ks).items():
                for name, value in values.items():
                    by_epoch[k][name][epoch] = value
    far, near = truth.distances(), metrics.temporal_distances(np.stack(laid))
    over_time = {
        "temporal_neighbours": metrics.temporal_neighbour_preservation(far, near),
        "temporal_ranking": metrics.temporal_ranking(far, near),
        "motion_continuity": metrics.motion_continuity(near),
        "motion_of_representations": metrics.motion_continuity(far),
        "speed_correlation": metrics.speed_correlation(far, near),
    }
    about = (len(which), unseen is not None, movie.epochs)
    return {k: Quality(movie.method, k, *about, {**by_epoch[k], **over_time}) for k in ks}


def _at_epoch(
    movie: Movie,
    truth: _Truth,
    seen: Arrays,
    epoch: int,
    rows: Floats,
    places: Floats,
    ks: Sequence[int],
) -> dict[int, dict[str, float]]:
    """What one epoch has of each ``k``."""
    most = max(ks)
    near = truth.laid(epoch, places, most)  # nearest first, so that fewer are its beginning
    result = {
        k: {"neighbours": float(overlap(seen["near"][:, :k], near[:, :k]).mean())} for k in ks
    }
    if movie.heads is None:
        return result
    border, close = seen["border"], seen["close"]
    if len(border) >= min(ks):
        found = nearest(places, movie.project(border, epoch), min(most, len(border)))
        for k in ks:
            if len(border) >= k:
                result[k]["boundary"] = float(overlap(close[:, :k], found[:, :k]).mean())
    before = movie.heads.logits(rows, epoch)
    after = movie.heads.logits(movie.invert(places, epoch), epoch)
    kind = movie.heads.kind
    for values in result.values():
        values["prediction"] = metrics.prediction_preservation(before, after, kind)
        values["confidence"] = metrics.confidence_difference(before, after, kind)
    return result


class _Truth:
    """What the representations say by themselves, computed once for all movies of a run."""

    def __init__(
        self,
        movie: Movie,
        asked: Frames,
        which: Indices,
        inside: bool,
        cache: Cache,
        seed: int,
        k: int,
    ) -> None:
        assert movie.frames is not None
        self._movie, self._frames, self._asked, self._which = movie, movie.frames, asked, which
        self._inside, self._cache, self._seed = inside, cache, seed
        self._k = max(k, _KEPT)

    def epochs(self) -> Iterator[Arrays]:
        """What the representations of each epoch say, see :func:`_looked`; kept or found now."""
        names = [self._names(epoch) for epoch in range(len(self._frames))]
        absent = [n for n, files in enumerate(names) if not all(map(self._has, files))]
        found = mapped(_looked, (self._question(epoch, names[epoch]) for epoch in absent))
        for epoch, files in enumerate(names):
            new = next(found) if epoch in absent else {}
            kept: Arrays = {}
            for part, file in zip(_TRUTHS, files, strict=False):
                if part[0] in new:
                    self._cache.put(file, {name: new[name] for name in part})
                else:
                    kept |= self._cache.get(file) or {}
            yield {**kept, **new}

    def _names(self, epoch: int) -> list[str]:
        """Files of the neighbours of an epoch and, with heads, of its border."""
        k = min(self._k, len(self._kept(epoch)) - 1)
        heads = self._movie.heads
        if heads is None:
            return [f"near-{epoch}-{k}"]
        probe = self._asked.rows(epoch, self._which[:8])
        border = f"border-{epoch}-{self._k}-{key_of(heads.logits(probe, epoch))}"
        return [f"near-{epoch}-{k}", border]

    def _has(self, name: str) -> bool:
        return self._cache.get(name) is not None

    def _question(self, epoch: int, names: list[str]) -> tuple[Any, ...]:
        """Arguments of :func:`_looked` for what is not kept."""
        kept = self._kept(epoch)
        near, *border = (not self._has(name) for name in names)
        return (
            self._asked.rows(epoch, self._which),
            self._frames.rows(epoch, kept),
            self._itself(kept) if near else None,
            min(self._k, len(kept) - 1) if near else 0,
            self._movie.heads if any(border) else None,
            self._k,
            epoch,
            self._seed,
        )

    def laid(self, epoch: int, places: Floats, k: int) -> Indices:
        """Nearest samples (q, k) on the canvas."""
        kept = self._kept(epoch)
        return nearest(places, self._movie.positions[epoch][kept], k, itself=self._itself(kept))

    def distances(self) -> NDArray[np.float32]:
        """Distances (q, epoch, epoch) of the asked samples to their own places."""
        found = self._cache.get("distances")
        if found is None:
            parts = [self._distances(part) for part in _parts(self._which, self._asked)]
            found = {"distances": np.concatenate(parts)}
            self._cache.put("distances", found)
        return found["distances"]

    def _distances(self, which: Indices) -> NDArray[np.float32]:
        rows = [self._asked.rows(epoch, which) for epoch in range(len(self._asked))]
        return metrics.temporal_distances(np.stack(rows))

    def _kept(self, epoch: int) -> Indices:
        return np.flatnonzero(self._frames.finite[epoch])

    def _itself(self, kept: Indices) -> Indices | None:
        """Places of the queries among the kept samples, None for unseen ones."""
        return np.searchsorted(kept, self._which) if self._inside else None


def _looked(
    asked: Floats,
    rows: Floats,
    itself: Indices | None,
    near: int,
    heads: Heads | None,
    close: int,
    epoch: int,
    seed: int,
) -> Arrays:
    """The ``near`` nearest rows (q, near) of those asked (q, D), and with heads the border points
    (m, D) between the rows (n, D), and the ``close`` nearest of them (q, close).

    Arrays in and arrays out, so that it may run anywhere.
    """
    found: Arrays = {}
    if near:
        found["near"] = nearest(asked, rows, near, itself=itself).astype(np.int32)
    if heads is not None:
        draw = np.random.default_rng([seed, epoch, 1])
        count = max(int(SHARE * len(rows)), 2 * close)
        border = border_points(rows, heads, epoch, count, draw)
        there = nearest(asked, border, min(close, len(border))) if len(border) else None
        there = np.empty((len(asked), 0), dtype=np.int64) if there is None else there
        found |= {"border": border, "close": there.astype(np.int32)}
    return found


def _draw(asked: Frames, queries: int, seed: int) -> Indices:
    """Samples that are finite at all epochs, sorted."""
    able = np.flatnonzero(asked.finite.all(axis=0))
    if not len(able):
        raise UsageError("no sample is finite at every epoch, so none can be measured")
    draw = np.random.default_rng([seed, 0])
    return np.sort(draw.choice(able, size=min(queries, len(able)), replace=False))


def _parts(which: Indices, frames: Frames) -> list[Indices]:
    """Samples in parts whose representations over all epochs take about 64 MB."""
    size = max(1, (1 << 24) // (len(frames) * frames.width))
    return [which[at : at + size] for at in range(0, len(which), size)]


def _rows(frames: Frames) -> list[Floats]:
    some = np.linspace(0, frames.samples - 1, 16).astype(np.int64)
    return [frames.rows(epoch, some) for epoch in range(len(frames))]


def _path(folder: str | Path | None) -> Path | None:
    return None if folder is None else Path(folder)


def _stages(values: Doubles) -> dict[str, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return dict.fromkeys(("early", "middle", "late"), float("nan"))
    places = {"early": 0, "middle": len(known) // 2, "late": len(known) - 1}
    return {stage: float(known[place]) for stage, place in places.items()}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value


def _short(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"
