"""Labels that are shifted although the model shifts them by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.token_batches import always, batches, labels_place, mean_share
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class LabelsShiftedTwice(Check):
    """Labels given to a causal language model that already are the next tokens.

    Why it matters: the models of transformers shift the labels by themselves; so each position
    learns the token after the next one, and the text that is generated skips words.
    May be wrong when: the model is changed so that it does not shift.
    References: Transformers, `ForCausalLMLoss` and the documentation of `labels`.
    """

    id = "labels-shifted-twice"
    title = "labels are shifted twice"
    cause = Cause.LABELS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.TOKENS})
    explains: ClassVar[frozenset[str]] = frozenset({"padding-in-loss"})
    fixes = (Fix("give the input ids themselves as labels, -100 where there is padding"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="causal language model labels shift inside model",
        torch="nn.CrossEntropyLoss",
        keras="losses/probabilistic_losses",
    )
    following: float = 0.9  # share of the labels that are the next token; text has about 0.01
    same: float = 0.5  # share that are the token itself; less than this in shifted labels
    rows: int = 8  # sequences

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        rows, following = mean_share(history, "next")
        _, same = mean_share(history, "same")
        own = always(history, "causal") and always(history, "inside")
        if not own or rows < self.rows or following < self.following or same > self.same:
            return
        yield self.diagnosis(
            f"{percent(following)} of the labels are the next token of their sequence, and the "
            "model shifts labels once more: each position learns the token after the next",
            Evidence(Fact.TOKENS, following, limit=self.following, unit="of labels", name="next"),
            where=Where(split=TRAIN),
            location=labels_place(history.run),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("shifted before", batches(next=1.0, same=0.02))
        yield fires("the last one is made up", batches(next=0.97, same=0.05))
        yield quiet("healthy", batches())
        yield quiet("the loop computes the loss", batches(next=1.0, same=0.02, inside=0.0))
        yield quiet("another kind of model", batches(next=1.0, same=0.02, causal=0.0))
        yield quiet("one token again and again", batches(next=0.95, same=1.0))
