"""Weights of the loss that favour the classes which are frequent already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.data.class_imbalance import class_counts
from trema.checks.datasets import classes, given, table
from trema.core.datasets import Labels
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, LossInfo, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class WeightsInverted(Check):
    """Class weights of the loss that grow with the frequency of the class.

    Why it matters: weights are there to make up for rare classes. When they follow the
    frequencies instead of their inverse, the rare class counts for less than without any weight,
    and a model that never names it has nearly the lowest loss.
    May be wrong when: wrong answers of the rare class cost less, in the same measure as it is rare.
    References: King & Zeng (2001), Logistic Regression in Rare Events Data; PyTorch,
    `BCEWithLogitsLoss` (`pos_weight` is negatives over positives); scikit-learn, `class_weight`.
    """

    id = "weights-inverted"
    title = "the loss weighs frequent classes more"
    cause = Cause.LOSS
    severity = Severity.ERROR
    needs = frozenset({Fact.DATASET, Fact.LOSS_KIND})
    fixes = (
        Fix("turn the ratio over: samples of the frequent class over those of the rare one"),
        Fix('or let it be computed: `compute_class_weight("balanced", ...)` of scikit-learn'),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="class weights inverse frequency pos_weight {framework}",
        torch="nn.BCEWithLogitsLoss",
        keras="models/model_training_apis",
    )
    uneven: float = 2.0  # samples of the largest class over those of the smallest
    slopes: tuple[float, float] = (0.45, 1.6)  # of the log of weights over that of counts: the
    # square root has 0.5, the frequency 1; weights of another origin seldom lie on such a line
    fit: float = 0.9  # correlation of these logarithms, where there are more than two classes
    rows: int = 100  # labelled samples

    def missing(self, history: History) -> list[str]:
        """Without weights there is nothing to judge, which is no lack."""
        return super().missing(history) if _weights(history.run) else []

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        weights, seen = _weights(history.run), class_counts(history)
        if not weights or seen is None or self._drawn(history, seen[1]):
            return
        labels = seen[0]
        if labels.total < self.rows or any(c not in weights for c in labels.counts):
            return
        used = [c for c in sorted(labels.counts) if weights[c] > 0]
        counts = np.array([labels.counts[c] for c in used], dtype=np.float64)
        values = np.array([weights[c] for c in used])
        if len(used) >= 2 and self._follows(counts, values):
            yield self._found(history, labels, weights, used)

    def _drawn(self, history: History, weighted: bool) -> bool:
        """Whether samples are drawn by weight too; Keras' own class weights do not count."""
        return weighted and history.run.framework != "keras"

    def _follows(self, counts: NDArray[np.float64], weights: NDArray[np.float64]) -> bool:
        """Whether weights rise with the counts as a power of them."""
        if counts.max() < self.uneven * counts.min() or weights.max() == weights.min():
            return False
        n, w = np.log(counts), np.log(weights)
        n, w = n - n.mean(), w - w.mean()
        slope = float((n * w).sum() / (n * n).sum())
        low, high = self.slopes
        if not low <= slope <= high:
            return False
        return float((n * w).sum() / np.sqrt((n * n).sum() * (w * w).sum())) >= self.fit

    def _found(
        self, history: History, labels: Labels, weights: dict[int, float], used: list[int]
    ) -> Diagnosis:
        rare = min(used, key=lambda c: labels.counts[c])
        often = max(used, key=lambda c: labels.counts[c])
        times = weights[often] / weights[rare]
        message = (
            f"class {rare} has {labels.counts[rare]} of {labels.total} training samples and weight "
            f"{show(weights[rare])}, class {often} has {labels.counts[often]} and weight "
            f"{show(weights[often])}: the frequent class counts {show(times)} times as much"
        )
        run = history.run
        return self.diagnosis(
            message,
            Evidence(Fact.LOSS_KIND, times, limit=1.0, unit="times"),
            where=Where(split=TRAIN, output="targets", classes=(rare,)),
            location=run.place("class-weights", "criterion")
            or (run.loss.location if run.loss is not None else None)
            or run.place("fit", "step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x = table(1000)
        rare = np.where(classes(1000, 10) == 0, 1, 0)

        def run(*weights: float, framework: str = "torch") -> RunInfo:
            pairs = [[float(c), w] for c, w in enumerate(weights)]
            loss = LossInfo(kind="binary-cross-entropy", config={"class_weights": pairs})
            return RunInfo(outputs="classification", framework=framework, loss=loss)

        yield fires("positives over negatives", given(x, rare, run(1.0, 0.11)))
        yield fires("shares as weights", given(x, rare, run(0.9, 0.1, framework="keras")))
        many = np.repeat([0, 1, 2, 3], [600, 250, 100, 50])
        yield fires("shares of four classes", given(x, many, run(0.6, 0.25, 0.1, 0.05)))
        yield fires("their roots", given(x, many, run(0.77, 0.5, 0.32, 0.22)))
        yield quiet("negatives over positives", given(x, rare, run(1.0, 9.0)))
        yield quiet("inverse shares", given(x, many, run(0.4, 1.0, 2.5, 5.0)))
        yield quiet("no weights", given(x, rare, RunInfo(outputs="classification")))
        yield quiet("a false alarm costs a little more", given(x, rare, run(1.0, 0.6)))
        yield quiet("classes as frequent", given(x, classes(1000), run(1.0, 0.2)))
        yield quiet("one class is left out", given(x, rare, run(1.0, 0.0)))
        yield quiet("drawn by weight", given(x, rare, run(1.0, 0.11), weighted=True))


def _weights(run: RunInfo) -> dict[int, float]:
    """Class to weight in the loss; empty where classes have none."""
    pairs = run.loss.config.get("class_weights", ()) if run.loss is not None else ()
    return {int(c): float(w) for c, w in pairs}
