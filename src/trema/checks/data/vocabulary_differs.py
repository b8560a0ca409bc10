"""Token ids that stand for other tokens in validation than in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import as_read, classes, given, is_ids, place, subject
from trema.checks.sketch import chain, dense, op
from trema.core.datasets import Tokens
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import VALIDATION, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class VocabularyDiffers(Check):
    """Ids whose frequencies are the same in both splits, but belong to other ids.

    Why it matters: a vocabulary that is built for each part numbers the same letter or word
    differently, so the model reads validation in another language: its figures are those of chance
    however well it learns.
    May be wrong when: what is popular changed between the splits, as goods in a shop do.
    References: Keras, `TextVectorization.adapt` (on training data alone); torchtext,
    `build_vocab_from_iterator`; Sculley et al. (2015), Hidden Technical Debt, on skew.
    """

    id = "vocabulary-differs"
    title = "ids mean other tokens in validation"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.DATASET, Fact.LAYERS})
    explains = frozenset({"suspicious-validation", "overfitting"})
    fixes = (
        Fix("build the vocabulary once, from the training text, and use it for every part"),
        Fix("save the vocabulary beside the model, with an id for unknown tokens"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="same vocabulary train validation {framework}",
        torch="nn.Embedding",
        keras="layers/preprocessing_layers/text/text_vectorization",
    )
    alike: float = 0.8  # cosine of the frequencies by id; parts of one text have above 0.95
    curve: float = 0.95  # cosine of the frequencies by rank: how frequent the first, second … is
    shared: float = 0.6  # of the frequent ids that are frequent in both; other users share none
    tokens: int = 1000  # seen in each split
    ids: int = 12  # that were seen

    def missing(self, history: History) -> list[str]:
        """Both splits must have been seen."""
        missing = super().missing(history)
        both = as_read(history) is not None and as_read(history, VALIDATION) is not None
        return missing if missing or both else [str(Fact.DATASET)]

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        train, validation = as_read(history), as_read(history, VALIDATION)
        if train is None or validation is None:
            return
        for name, one in train.inputs.items():
            other = validation.inputs.get(name)
            if other is None or one.tokens is None or other.tokens is None:
                continue
            if not is_ids(history, name):
                continue
            cosine = self._renumbered(one.tokens, other.tokens)
            if cosine is not None:
                yield self._found(history, name, one.tokens, other.tokens, cosine)

    def _renumbered(self, a: Tokens, b: Tokens) -> float | None:
        """The cosine of the frequencies by id, where ids seem to be given anew; else None."""
        padded = a.pad > 0 or b.pad > 0
        one, two = _counts(a, padded), _counts(b, padded)
        if min(sum(one.values()), sum(two.values())) < self.tokens:
            return None
        ids = sorted(set(one) | set(two))
        if min(len(one), len(two)) < self.ids:
            return None
        if len(set(one) & set(two)) < self.shared * min(len(one), len(two)):
            return None
        x = np.array([one.get(c, 0) for c in ids], dtype=np.float64)
        y = np.array([two.get(c, 0) for c in ids], dtype=np.float64)
        flat = 1 / np.sqrt(min(len(one), len(two)))
        if max(x.max() / x.sum(), y.max() / y.sum()) < 0.5 * flat:
            return None  # all ids are as frequent, so that frequencies tell nothing
        by_id, by_rank = _cosine(x, y), _cosine(np.sort(x), np.sort(y))
        return by_id if by_id < self.alike and by_rank > self.curve else None

    def _found(self, history: History, name: str, a: Tokens, b: Tokens, cosine: float) -> Diagnosis:
        pairs = enumerate(zip(a.frequent, b.frequent, strict=False), 1)
        rank, (first, second) = next(p for p in pairs if p[1][0] != p[1][1])
        message = (
            f"ids of {subject(name)} seem to be given anew for validation: at rank {rank} of the "
            f"frequencies stands id {first} in training, id {second} in validation; by rank the "
            f"frequencies agree, by id they do not (cosine {show(cosine)})"
        )
        return self.diagnosis(
            message,
            Evidence(Fact.DATASET, cosine, limit=self.alike, unit="cosine", name=name),
            where=Where(input=name or None, split=VALIDATION),
            location=place(history.run, VALIDATION),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        rng = np.random.default_rng(2)
        share = 1 / np.arange(1, 31) ** 0.9
        share = rng.permutation(share / share.sum())
        run = chain(op("embedding", inputs=30), dense("fc", 64, 2), inputs="text")

        def text(rows: int) -> NDArray[np.int64]:
            return rng.choice(30, size=(rows, 8), p=share)

        def case(validation: NDArray[np.int64], run: RunInfo = run) -> History:
            x = text(600)
            return given(x, classes(600), run, validation=(validation, classes(len(validation))))

        yield fires("numbered from another letter on", case((text(300) + 7) % 30))
        yield fires("numbered in another order", case(rng.permutation(30)[text(300)]))
        yield quiet("one vocabulary", case(text(300)))
        yield quiet("a few words", case((text(30) + 7) % 30))
        yield quiet("ids of other users", case(text(300) + 30))
        even = rng.integers(0, 30, size=(300, 8))
        yield quiet("another kind of text", case(even))
        numbers = chain(dense("fc1", 8, 32), dense("fc", 32, 2), inputs="tabular")
        yield quiet("counts, not ids", case((text(300) + 7) % 30, numbers))


def _counts(tokens: Tokens, padded: bool) -> dict[int, int]:
    """Counts by id; the id of the padding is left out where there is any."""
    pairs = zip(tokens.frequent, tokens.counts, strict=True)
    return {c: n for c, n in pairs if not (padded and c == 0)}


def _cosine(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float((x @ y) / np.sqrt((x @ x) * (y @ y)))
