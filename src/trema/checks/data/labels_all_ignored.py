"""Sequences without any label that the loss counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.token_batches import batches, labels_place, mean_share
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class LabelsAllIgnored(Check):
    """Sequences whose labels are all the one that the loss ignores.

    Why it matters: they teach nothing; a batch of only such sequences has a loss of 0 divided by
    0, which is NaN, or of exactly 0.
    May be wrong when: such sequences are there on purpose, as examples without entities that a
    sampler mixes in.
    References: PyTorch, `CrossEntropyLoss` (ignore_index); Transformers, labels of -100.
    """

    id = "labels-all-ignored"
    title = "the loss ignores every label"
    cause = Cause.LABELS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.TOKENS})
    explains: ClassVar[frozenset[str]] = frozenset({"nonfinite-loss", "loss-flat"})
    fixes = (
        Fix("set only the labels of padding and of the prompt to the ignored value"),
        Fix("leave out sequences whose answer was cut off, or cut the prompt instead"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="all labels -100 loss nan {framework}",
        torch="nn.CrossEntropyLoss",
        keras="losses/probabilistic_losses",
    )
    few: float = 0.5  # share of the sequences from which most of the data teach nothing
    rows: int = 16  # sequences

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        rows, share = mean_share(history, "empty-rows")
        if rows < self.rows or share < self.few:
            return
        whole = share >= 0.999
        what = "every label" if whole else f"every label of {percent(share)}"
        yield self.diagnosis(
            f"the loss ignores {what} of the {rows} sequences seen"
            + ("" if whole else ": only the others teach anything"),
            Evidence(Fact.TOKENS, share, limit=self.few, unit="of sequences", name="empty-rows"),
            where=Where(split=TRAIN),
            location=labels_place(history.run),
            severity=Severity.CRITICAL if whole else Severity.ERROR,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("all", batches(empty_rows=1.0, labelled=0.0, same=None, next=None))
        yield fires("most answers cut off", batches(empty_rows=0.7), severity=Severity.ERROR)
        yield quiet("healthy", batches())
        yield quiet("a prompt is ignored", batches(labelled=0.1))
        yield quiet("some answers cut off", batches(empty_rows=0.2))
        yield quiet("one small batch", batches(empty_rows=1.0, steps=1, rows=4.0))
