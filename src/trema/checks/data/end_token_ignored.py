"""A model that is never taught to stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.token_batches import batches, labels_place, total
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class EndTokenIgnored(Check):
    """Sequences that close with the end token, of which no label says so.

    Why it matters: with one id for padding and for the end, a collator that ignores padding also
    ignores the true ends; the model never learns to stop and generates on and on.
    May be wrong when: a stop is found in another way than by the end token.
    References: Transformers, `DataCollatorForLanguageModeling`, which ignores every padding id.
    """

    id = "end-token-ignored"
    title = "the end token is never learned"
    cause = Cause.LABELS
    severity = Severity.ERROR
    needs = frozenset({Fact.TOKENS})
    fixes = (
        Fix("give padding an id of its own, as an unused or a new token"),
        Fix("ignore labels where the attention mask is 0, and not by the padding id"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="pad_token equals eos_token model never stops generating",
        torch="nn.CrossEntropyLoss",
        keras="understanding_masking_and_padding",
    )
    rows: int = 32  # sequences that close with the end token

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        ends, labelled = total(history, "ends"), total(history, "ends-labelled")
        if ends < self.rows or labelled > 0:
            return
        yield self.diagnosis(
            f"all {int(ends)} sequences seen that close with the end token have its label ignored, "
            "while the token before it counts: the model is not taught to stop",
            Evidence(Fact.TOKENS, ends, limit=float(self.rows), unit="sequences", name="ends"),
            where=Where(split=TRAIN),
            location=history.run.place("collator", "labels") or labels_place(history.run),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("padding is the end token", batches(ends_labelled=0.0))
        yield fires("half of the rows close", batches(ends=8.0, ends_labelled=0.0))
        yield quiet("healthy", batches())
        yield quiet("no sequence ends", batches(ends=0.0, ends_labelled=0.0))
        yield quiet("some count", batches(ends_labelled=[0.0] * 19 + [1.0]))
        yield quiet("a few sequences", batches(ends_labelled=0.0, steps=1))
