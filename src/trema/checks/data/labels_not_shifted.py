"""A causal language model that is asked for the token that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.token_batches import always, batches, mean_share
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class LabelsNotShifted(Check):
    """A loss of one's own that compares the outputs of a causal language model with the tokens at
    the same positions.

    Why it matters: the model reads the very token that it is asked for; copying it gives a loss
    near zero, and the model learns nothing of language.
    May be wrong when: the model shall copy.
    References: Radford et al. (2019), language models predict the next token.
    """

    id = "labels-not-shifted"
    title = "labels are the tokens that the model reads"
    cause = Cause.LABELS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.TOKENS})
    fixes = (
        Fix("compare `logits[:, :-1]` with `input_ids[:, 1:]`"),
        Fix("pass `labels` to the model: it shifts them by itself"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="language model loss near zero labels not shifted",
        torch="nn.CrossEntropyLoss",
        keras="losses/probabilistic_losses",
    )
    same: float = 0.98  # share of the labels that are the token itself
    following: float = 0.5  # share that are the next one too, as in runs of one token
    rows: int = 8  # sequences

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        rows, same = mean_share(history, "same")
        _, following = mean_share(history, "next")
        _, width = history.array(Fact.TOKENS, "inside")
        own = always(history, "causal") and len(width) > 0 and not width.any()
        if not own or rows < self.rows or same < self.same or following > self.following:
            return
        yield self.diagnosis(
            f"{percent(same)} of the targets are the token that the model reads at the same "
            "position: it can copy, and has not to predict anything",
            Evidence(Fact.TOKENS, same, limit=self.same, unit="of targets", name="same"),
            where=Where(split=TRAIN),
            location=history.run.place("loss", "targets", "step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("the ids themselves", batches(inside=0.0, same=1.0))
        yield fires("nearly all", batches(inside=0.0, same=0.99, next=0.1))
        yield quiet("the model shifts", batches())
        yield quiet("the loop shifts", batches(inside=0.0, same=0.02, next=1.0))
        yield quiet("a masked language model", batches(inside=0.0, causal=0.0, same=0.99))
        yield quiet("runs of one token", batches(inside=0.0, same=1.0, next=0.9))
