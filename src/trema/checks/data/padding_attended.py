"""Padding that the attention mask does not take out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.token_batches import always, batches, mean_share, tokens_place
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class PaddingAttended(Check):
    """Runs of padding ids that a model of transformers attends to: its attention mask says 1 there,
    or it was given none.

    Why it matters: what a sequence means then depends on how much padding its batch gave it, and
    results change with the batch size.
    May be wrong when: the id that the configuration calls padding is a word of this tokenizer.
    References: Transformers, attention mask.
    """

    id = "padding-attended"
    title = "padding is attended to"
    cause = Cause.DATA
    severity = Severity.WARNING
    needs = frozenset({Fact.TOKENS})
    fixes = (
        Fix("pass the attention mask that the tokenizer returns"),
        Fix("make the mask from the ids: `attention_mask = (input_ids != pad_id).long()`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="attention_mask missing padding {framework}",
        torch="nn.TransformerEncoder",
        keras="understanding_masking_and_padding",
    )
    little: float = 0.05  # share of all positions
    some: float = 0.3  # share of the sequences; padding is in most of them
    rows: int = 32  # sequences

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        rows, share = mean_share(history, "unmasked")
        _, touched = mean_share(history, "unmasked-rows")
        if rows < self.rows or share < self.little or touched < self.some:
            return
        side = " in front of the tokens" if always(history, "causal") else ""
        yield self.diagnosis(
            f"{percent(share)} of all positions are padding{side} that the model attends to, in "
            f"{percent(touched)} of the {rows} sequences seen",
            Evidence(Fact.TOKENS, share, limit=self.little, unit="of positions", name="unmasked"),
            where=Where(split=TRAIN),
            location=history.run.place("collator") or tokens_place(history.run),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("no mask", batches(causal=0.0, unmasked=0.4, unmasked_rows=0.9))
        yield fires("padding in front", batches(unmasked=0.2, unmasked_rows=0.8))
        yield quiet("healthy", batches(causal=0.0))
        yield quiet("a word three times", batches(causal=0.0, unmasked=0.06, unmasked_rows=0.05))
        yield quiet("hardly any", batches(causal=0.0, unmasked=0.02, unmasked_rows=0.5))
        yield quiet(
            "a few sequences",
            batches(causal=0.0, unmasked=0.4, unmasked_rows=0.9, steps=1),
        )
