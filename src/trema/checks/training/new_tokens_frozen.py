"""Tokens that were added to a vocabulary and are never learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.token_batches import batches, mean_share, tokens_place
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class NewTokensFrozen(Check):
    """Ids in the data whose rows of a frozen embedding all equal the mean of the embedding.

    Why it matters: rows that `resize_token_embeddings` adds begin at the mean of the others; where
    adapters alone train, they stay there, and the model cannot tell the new tokens apart.
    May be wrong when: a token shall have the mean as its meaning.
    References: Transformers, `resize_token_embeddings`; PEFT, `modules_to_save` and
    `trainable_token_indices`.
    """

    id = "new-tokens-frozen"
    title = "new tokens are not learned"
    cause = Cause.OPTIMIZER
    severity = Severity.WARNING
    needs = frozenset({Fact.TOKENS})
    fixes = (
        Fix("in PEFT give `trainable_token_indices` the new ids"),
        Fix('or `modules_to_save=["embed_tokens", "lm_head"]`', caution="costs much more memory"),
        Fix("use tokens that the model knows already"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="lora new tokens resize_token_embeddings modules_to_save",
        torch="nn.Embedding",
        keras="layers/core_layers/embedding",
    )
    some: float = 0.1  # share of the sequences

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        rows, share = mean_share(history, "untrained-rows")
        _, counts = history.array(Fact.TOKENS, "untrained-ids")
        if not rows or share < self.some or not len(counts):
            return
        number = int(counts.max())
        what = "an id whose row" if number == 1 else f"one of {number} ids whose rows"
        yield self.diagnosis(
            f"{percent(share)} of the sequences seen hold {what} of the frozen embedding "
            f"{'equals' if number == 1 else 'equal'} the mean of all rows, as in rows just added",
            Evidence(Fact.TOKENS, share, limit=self.some, unit="of sequences", name="untrained"),
            where=Where(layer=_embedding(history)),
            location=history.run.place("adapter") or tokens_place(history.run),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("chat markers", batches(untrained_ids=2.0, untrained_rows=1.0))
        yield fires("one marker", batches(untrained_ids=1.0, untrained_rows=0.5))
        yield quiet("no frozen embedding", batches())
        yield quiet("every row was trained", batches(untrained_ids=0.0, untrained_rows=0.0))
        yield quiet("a rare word", batches(untrained_ids=1.0, untrained_rows=0.02))


def _embedding(history: History) -> str | None:
    """The frozen embedding, where there is one only."""
    frozen = {p.layer for p in history.run.parameters if not p.trainable and p.layer}
    kinds = {layer.name: layer for layer in history.run.layers if layer.kind == "embedding"}
    names = [name for name in kinds if name in frozen]
    return names[0] if len(names) == 1 else None
