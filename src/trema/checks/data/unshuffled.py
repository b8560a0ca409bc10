"""Samples that come sorted by class while nothing shuffles them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import classes, classifies, given, sketches, table
from trema.core.datasets import DataSketch, Labels
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class Unshuffled(Check):
    """Batches of mostly one class, because the data are sorted and are not shuffled.

    Why it matters: each step pulls the model to the class of its batch, and the next block pulls
    it back; the loss looks low within a block, and the last block wins. Batch normalization sees
    one class at a time too.
    May be wrong when: the order is a curriculum, or states are carried from batch to batch.
    References: Bengio (2012), Practical Recommendations for Gradient-Based Training of Deep
    Architectures; Bottou (2012), Stochastic Gradient Descent Tricks.
    """

    id = "unshuffled"
    title = "training data are sorted and not shuffled"
    cause = Cause.SPLIT
    severity = Severity.ERROR
    needs = frozenset({Fact.DATASET})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LOSS_KIND})
    fixes = (
        Fix("shuffle each epoch: `DataLoader(..., shuffle=True)`, `fit(..., shuffle=True)`"),
        Fix("shuffle inputs and labels by one permutation before they are cut into batches"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="shuffle training data sorted by class {framework}",
        torch="utils.data.DataLoader",
        keras="models/model_training_apis",
    )
    times: float = 4.0  # mean run of one label over that of the same labels shuffled
    share: float = 0.5  # mean run over the batch size: most batches hold one class or two
    pure: float = 0.75  # mean share of its most frequent class in a batch; sorted data have 0.9
    rows: int = 100  # labelled samples

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        if not classifies(history.run):
            return
        batch = history.run.batch_size or 32
        for found in sketches(history, TRAIN):
            if self._sorted(found, batch):
                yield self._found(history, found, batch)
                return

    def _sorted(self, found: DataSketch, batch: int) -> bool:
        labels = found.labels
        if labels is None or len(labels.counts) < 2 or labels.total < max(self.rows, 2 * batch):
            return False
        # batches come as they are drawn; of arrays it must be known that nothing shuffles them
        in_order = found.shuffled is False or found.source == "batches"
        if not in_order or batch < 2 or self._made(labels):
            return False
        return labels.mean_run >= max(self.times * labels.expected_run, self.share * batch)

    def _made(self, labels: Labels) -> bool:
        """Whether the loop makes the labels of each batch, as adversarial and contrastive training
        do: batches hold several classes each, or one each that changes from batch to batch."""
        if labels.purity is None or labels.inside is None:
            return False
        runs = labels.total / labels.mean_run
        in_turn = labels.inside == 0 and runs > len(labels.counts) + 0.5
        return in_turn or labels.purity < self.pure

    def _found(self, history: History, found: DataSketch, batch: int) -> Diagnosis:
        labels = found.labels
        assert labels is not None
        how = "the batches" if found.source == "batches" else "the data, which are not shuffled,"
        message = (
            f"{how} hold {show(labels.mean_run)} samples of one class in a row, up to "
            f"{labels.longest}; shuffled it were {show(labels.expected_run)}. A batch has {batch}"
        )
        run = history.run
        return self.diagnosis(
            message,
            Evidence(
                Fact.DATASET,
                labels.mean_run,
                limit=self.times * labels.expected_run,
                unit="samples",
            ),
            where=Where(split=TRAIN, output="targets"),
            location=run.place("shuffle", "fit", "inputs", "step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, y = table(600), np.sort(classes(600, 3))
        run = RunInfo(outputs="classification", batch_size=32)
        yield fires("a sorted file", given(x, y, run, shuffled=False), severity=Severity.ERROR)
        yield fires("batches come class by class", given(x, y, run, source="batches"))
        passed: dict[str, Any] = {"source": "batches", "batches": (30,) * 20}
        yield fires("sorted batches pass", given(x, y, run, **passed))
        halves = np.tile(np.repeat([1, 0], 15), 20)
        yield quiet("real and made samples, half of each batch", given(x, halves, run, **passed))
        in_turn = np.tile(np.repeat([1, 0], 30), 10)
        yield quiet("a batch of real samples, then a made one", given(x, in_turn, run, **passed))
        yield quiet("sorted, and shuffled each epoch", given(x, y, run, shuffled=True))
        yield quiet("in random order", given(x, classes(600, 3), run, shuffled=False))
        yield quiet("how samples are drawn is not known", given(x, y, run))
        rare = (np.arange(600) % 100 == 0).astype(np.int64)
        yield quiet("a rare class makes long runs", given(x, rare, run, shuffled=False))
        yield quiet("one batch holds all", given(x[:90], y[:90], run, shuffled=False))
        whole = RunInfo(outputs="classification", batch_size=600)
        yield quiet("full batches", given(x, y, whole, shuffled=False))
