"""Padding whose labels count in the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.token_batches import batches, labels_place, mean_share
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class PaddingInLoss(Check):
    """Labels at positions of padding that the loss counts.

    Why it matters: predicting padding is easy, so the loss looks better than the model is, and
    gradients go into padding instead of tokens; a model that generates may stop too soon.
    May be wrong when: the model shall learn to write padding.
    References: Transformers, labels of -100; PyTorch, `CrossEntropyLoss` (ignore_index).
    """

    id = "padding-in-loss"
    title = "the loss counts padding"
    cause = Cause.LABELS
    severity = Severity.ERROR
    needs = frozenset({Fact.TOKENS})
    fixes = (
        Fix("set labels to -100 where the attention mask is 0"),
        Fix(
            "give the loss `ignore_index=pad_id`", caution="not where padding equals the end token"
        ),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="ignore padding in loss {framework}",
        torch="nn.CrossEntropyLoss",
        keras="understanding_masking_and_padding",
    )
    little: float = 0.05  # share of the labels that count; less hardly moves the loss
    grave: float = 0.3  # share from which padding drowns the tokens
    rows: int = 16  # sequences

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        rows, share = mean_share(history, "labelled-padding")
        if rows < self.rows or share < self.little:
            return
        yield self.diagnosis(
            f"{percent(share)} of the labels that the loss counts stand on padding, in {rows} "
            "sequences seen",
            Evidence(
                Fact.TOKENS, share, limit=self.little, unit="of labels", name="labelled-padding"
            ),
            where=Where(split=TRAIN),
            location=labels_place(history.run),
            severity=Severity.ERROR if share >= self.grave else Severity.WARNING,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("labels are the ids", batches(labelled_padding=0.4, labelled=1.0))
        yield fires("a little", batches(labelled_padding=0.1), severity=Severity.WARNING)
        yield quiet("healthy", batches())
        yield quiet("hardly any", batches(labelled_padding=0.02))
        yield quiet("no labels by position", batches(labelled_padding=None))
        yield quiet("a few sequences", batches(labelled_padding=0.4, steps=1, rows=4.0))
