"""Recommend samples, and learn from what is accepted and rejected what to recommend next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError, did_you_mean
from trema.travel.answers import Answers, Identity, read_session, samples_of, write_session
from trema.travel.columns import INTENTIONS, columns_of, rarities
from trema.travel.dynamics import Dynamics, features
from trema.travel.frames import Frames
from trema.travel.given import whole_of
from trema.travel.heads import Kind
from trema.travel.preference import preference
from trema.travel.reasons import Words


@dataclass(frozen=True)
class Known:
    """What sessions on one movie share: features by name, and what else reasons are told by.

    indices : (N,) where the samples stand in the user's data, by which a kept session knows them
    """

    movement: Dynamics
    rare: dict[str, NDArray[np.float64]]
    epochs: Sequence[int]
    names: Sequence[str] | None
    indices: NDArray[np.int64] | None = None

    @property
    def identity(self) -> Identity:
        """Which samples these are."""
        return Identity.of(self.movement.samples, self.movement.labels, self.indices)


class Session:
    """A search for samples of one kind.

    ``next`` recommends, ``feedback`` teaches, ``undo`` takes the last feedback back. Everything
    follows from the feedback in order: the same answers give the same recommendations.
    """

    def __init__(
        self,
        known: Known,
        intention: str,
        among: NDArray[np.int64],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.intention = intention
        self.among = among
        self.rounds: list[Answers] = []
        self._start = weights
        self._known = known
        self._columns = columns_of(known.movement, known.rare, among)
        first = self._columns.first(INTENTIONS[intention] if weights is None else weights)
        self._preference = preference(self._columns.matrix, first)
        self._row = np.full(known.movement.samples, -1, dtype=np.int64)
        self._row[among] = np.arange(len(among))
        self._now: NDArray[np.float64] | None = None
        self._rated: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        return (
            f"Session({self.intention}, {len(self.among)} samples, "
            f"{len(self.accepted)} accepted, {len(self.rejected)} rejected)"
        )

    @property
    def accepted(self) -> list[int]:
        """Accepted samples, in order."""
        return [sample for answers in self.rounds for sample in answers.accepted]

    @property
    def rejected(self) -> list[int]:
        """Rejected samples, in order."""
        return [sample for answers in self.rounds for sample in answers.rejected]

    @property
    def ignored(self) -> list[int]:
        """Samples left without an answer, in order."""
        return [sample for answers in self.rounds for sample in answers.ignored]

    @property
    def excluded(self) -> NDArray[np.int64]:
        """Samples with a position or a logit that is not finite; they are never recommended."""
        return np.flatnonzero(~self._known.movement.usable).astype(np.int64)

    @property
    def scores(self) -> NDArray[np.float32]:
        """The interest (N,) of all samples, larger for more; NaN for those not searched."""
        result = np.full(self._known.movement.samples, np.nan, dtype=np.float32)
        result[self.among] = self._scored
        return result

    @property
    def weights(self) -> dict[str, float]:
        """What each feature adds per standard deviation, the sum of its two columns."""
        now, names = self._weights, self._columns.names
        both = now[: len(names)] + now[len(names) : 2 * len(names)]
        return dict(zip(names, both.tolist(), strict=True))

    def next(self, count: int = 50) -> NDArray[np.int64]:
        """The most promising samples (at most ``count``,) without feedback, best first."""
        count = whole_of(count, "count")
        if count < 1:
            raise UsageError(f"count must be at least 1 but got {count}")
        scores = self._scored.copy()
        done = self._rows_of(self._told)
        scores[done] = -np.inf
        count = min(count, len(scores) - len(done))
        if count == 0:
            return np.zeros(0, dtype=np.int64)
        best = np.argpartition(-scores, count - 1)[:count]
        best = best[np.lexsort((best, -scores[best]))]
        return np.asarray(self.among[best])

    def feedback(
        self,
        accepted: Iterable[int] = (),
        rejected: Iterable[int] = (),
        ignored: Iterable[int] = (),
    ) -> None:
        """Tell which samples were looked for, which not, and which to leave without an answer.

        Each is a list, array or range of whole numbers. None of them is recommended again. A
        sample that had an answer cannot get another one; ``undo`` first.

        Raises
        ------
        UsageError
            For what is no sample that is searched, and for a second answer; nothing is taken.
        """
        answers = Answers(
            samples_of(accepted, "accepted"),
            samples_of(rejected, "rejected"),
            samples_of(ignored, "ignored"),
        )
        told = [*answers.accepted, *answers.rejected, *answers.ignored]
        strange = [s for s in told if not 0 <= s < len(self._row) or self._row[s] < 0]
        if strange:
            raise UsageError(f"samples {strange[:5]} are not among those that are searched")
        if len(set(told)) < len(told):
            raise UsageError("a sample may be accepted, rejected or ignored, only one of them")
        again = sorted(set(told) & set(self._told.tolist()))
        if again:
            raise UsageError(f"samples {again[:5]} have feedback already: undo it first")
        self.rounds.append(answers)
        self._forget()

    def undo(self) -> Answers:
        """Take the last feedback back, and give it."""
        if not self.rounds:
            raise UsageError("there is no feedback to undo")
        self._forget()
        return self.rounds.pop()

    def reason(self, sample: int) -> str:
        """Why this sample, by the features that add most to its score, with its own numbers."""
        sample = whole_of(sample, "sample")
        row = int(self._row[sample]) if 0 <= sample < len(self._row) else -1
        if row < 0:
            raise UsageError(f"sample {sample} is not among those that are searched")
        names = self._columns.names
        share = self._weights * self._columns.matrix[row]
        added = share[: len(names)] + share[len(names) : 2 * len(names)]
        order = [names[at] for at in np.argsort(-added, kind="stable") if added[at] > 0]
        words = Words(
            self._known.movement, self._columns.values, self._known.epochs, self._known.names
        )
        return words.reason(sample, order)

    def another(self, intention: str, weights: Mapping[str, float] | None = None) -> Session:
        """A session of another intention on the same samples, without computing features anew."""
        if weights is not None:
            _check_weights(weights, self._columns.values)
        return Session(self._known, _intention(intention), self.among, weights)

    def save(self, path: str | Path) -> Path:
        """Write the feedback as JSON; ``suggest(..., saved=path)`` goes on from it.

        It belongs to the samples and not to the epochs: more of them may be there when the
        session goes on.
        """
        path = Path(path)
        start = self._start and {name: float(weight) for name, weight in self._start.items()}
        about = {
            "intention": self.intention,
            "weights": start,
            "among": self.among.tolist() if len(self.among) < len(self._row) else None,
            "rounds": [
                {"accepted": a.accepted, "rejected": a.rejected, "ignored": a.ignored}
                for a in self.rounds
            ],
        }
        write_session(path, self._known.identity, about)
        return path

    @property
    def _told(self) -> NDArray[np.int64]:
        return np.asarray([s for answers in self.rounds for s in answers.told], dtype=np.int64)

    def _rows_of(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the samples that are searched: one with an answer may have ceased to be finite
        in an epoch that was added since."""
        rows = self._row[samples]
        return rows[rows >= 0]

    @property
    def _weights(self) -> NDArray[np.float64]:
        if self._now is None:
            yes, no = (
                self._rows_of(np.asarray(told, dtype=np.int64))
                for told in (self.accepted, self.rejected)
            )
            answers = np.concatenate([np.ones(len(yes)), np.zeros(len(no))])
            self._now = self._preference.weights(np.concatenate([yes, no]), answers)
        return self._now

    @property
    def _scored(self) -> NDArray[np.float32]:
        if self._rated is None:
            self._rated = np.asarray(self._columns.matrix @ self._weights.astype(np.float32))
        return self._rated

    def _forget(self) -> None:
        self._now = self._rated = None


def suggest(
    movie: Any,
    logits: ArrayLike | Sequence[ArrayLike],
    labels: ArrayLike | None = None,
    *,
    intention: str | None = None,
    among: ArrayLike | None = None,
    weights: Mapping[str, float] | None = None,
    representations: ArrayLike | Sequence[ArrayLike] | Frames | None = None,
    kind: Kind | None = None,
    names: Sequence[str] | None = None,
    indices: ArrayLike | None = None,
    saved: str | Path | None = None,
) -> Session:
    """Begin to look for samples.

    Parameters
    ----------
    movie : Movie, or positions of shape (epoch, sample, 2)
    logits : array of shape (epoch, sample, class), or a sequence of arrays (sample, class)
    labels : array of shape (sample,), −1 or NaN for a sample without one; default the movie's
    intention : what is looked for: "mislabelled" (default when all searched samples have
        labels), "mispredicted" (default otherwise), "abnormal" (the paper's four features), or
        "open" (all features the same). It sets the first weights; feedback does the rest.
    among : indices or mask of the samples that are searched; default those without a label when
        only some have one, else all
    weights : first weights by feature instead of the intention's
    representations : shape (epoch, sample, D), or Frames; default those of the movie.
        Without them nothing is known of neighbours.
    kind : "softmax", "sigmoid" or "multilabel"
    names : of the classes, for reasons
    indices : shape (sample,), where the samples stand in your data, such as
        ``recording.indices()``; with them a kept session knows its samples more surely
    saved : a file written by ``Session.save``; the session goes on from it, also when epochs
        were added since

    Raises
    ------
    UsageError
        When shapes do not fit, nothing is left to search, or the file is of other samples.
    """
    if labels is None:
        labels = getattr(movie, "labels", None)
    movement = features(movie, logits, labels, representations, kind=kind)
    epochs = list(getattr(movie, "epochs", range(movement.epochs)))
    known = Known(
        movement, rarities(movement, logits), epochs, names, _indices(indices, movement.samples)
    )
    about = None if saved is None else read_session(Path(saved), known.identity)
    if about is not None:
        intention = about["intention"] if intention is None else intention
        among = about["among"] if among is None else among
        weights = about["weights"] if weights is None else weights
    searched = _searched(movement, among)
    if weights is not None:
        _check_weights(weights, {**movement.scalars, **known.rare})
    session = Session(known, _intention(intention or _usual(movement, searched)), searched, weights)
    session.rounds += [] if about is None else about["rounds"]
    return session


def _indices(indices: ArrayLike | None, samples: int) -> NDArray[np.int64] | None:
    if indices is None:
        return None
    given = np.asarray(indices)
    if given.shape != (samples,) or given.dtype.kind not in "iu":
        raise UsageError(
            f"expected indices as whole numbers of shape ({samples},) but got {given.dtype} of "
            f"shape {given.shape}"
        )
    return given.astype(np.int64)


def _usual(movement: Dynamics, searched: NDArray[np.int64]) -> str:
    labels = movement.labels
    if labels is None or (labels[searched].reshape(len(searched), -1) < 0).any():
        return "mispredicted"
    return "mislabelled"


def _searched(movement: Dynamics, among: ArrayLike | None) -> NDArray[np.int64]:
    count = movement.samples
    wanted = np.ones(count, dtype=bool)
    if among is not None:
        given = np.asarray(among)
        if given.dtype == bool and given.shape == (count,):
            wanted = given
        elif (
            given.ndim == 1
            and given.dtype.kind in "iu"
            and not ((given < 0) | (given >= count)).any()
        ):
            wanted = np.zeros(count, dtype=bool)
            wanted[given] = True
        else:
            raise UsageError(
                f"among must be indices from 0 to {count - 1}, or a mask of shape ({count},)"
            )
    elif movement.labels is not None:
        bare = (movement.labels.reshape(count, -1) < 0).any(axis=1)
        if bare.any():
            wanted = np.asarray(bare, dtype=bool)
    found = np.flatnonzero(wanted & movement.usable).astype(np.int64)
    if len(found) < 2:
        raise UsageError(f"expected at least two samples to search but got {len(found)}")
    return found


def _intention(intention: str) -> str:
    if intention not in INTENTIONS:
        raise UsageError(f"unknown intention {intention!r}: {did_you_mean(intention, INTENTIONS)}")
    return intention


def _check_weights(weights: Mapping[str, float], features: Mapping[str, Any]) -> None:
    if not isinstance(weights, Mapping):
        raise UsageError(
            f"weights must be a mapping such as {{'path': 1.0}} but got {repr(weights)[:60]}"
        )
    for name, weight in weights.items():
        if name not in features:
            raise UsageError(f"unknown feature {name!r}: {did_you_mean(str(name), features)}")
        # the ABC, which numbers of NumPy belong to as well
        if isinstance(weight, bool) or not isinstance(weight, Real) or not isfinite(weight):
            raise UsageError(f"weight of {name!r} must be a finite number but got {weight!r}")
