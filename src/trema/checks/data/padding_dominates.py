"""Sequences that are mostly padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import (
    FEW_TOKENS,
    as_read,
    classes,
    given,
    is_ids,
    place,
    subject,
)
from trema.checks.sketch import chain, dense
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, Layer, RunInfo
from trema.core.history import History
from trema.core.numbers import percent, show


@register
@dataclass(frozen=True, kw_only=True)
class PaddingDominates(Check):
    """Most positions of the sequences hold the padding id.

    Why it matters: time and memory go to padding, means over positions are those of padding, and
    a recurrent net that reads tokens first has forgotten them when it gives its last state.
    May be wrong when: a mask or packed sequences take the padding out.
    References: Dwarampudi & Reddy (2019), Effects of padding on LSTMs and CNNs, arXiv:1903.07288.
    """

    id = "padding-dominates"
    title = "sequences are mostly padding"
    cause = Cause.DATA
    severity = Severity.INFO
    needs = frozenset({Fact.DATASET, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.INPUT_MIN})
    explains: ClassVar[frozenset[str]] = frozenset(
        {"conflicting-labels", "duplicates", "labels-unrelated", "split-overlap"}
    )
    fixes = (
        Fix("cut sequences at a length that most fit in, such as the 95th percentile"),
        Fix("mask the padding, or pack the sequences", caution="changes the model"),
        Fix("pad in front for recurrent nets, or put sequences of one length into a batch"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="padding masking sequences {framework}",
        torch="nn.utils.rnn.pack_padded_sequence",
        keras="layers/core_layers/masking",
    )
    share: float = 0.75  # of all positions; three of four steps do nothing
    nothing: float = 0.9  # of all positions, and …
    few: float = FEW_TOKENS  # … tokens of a sample on average, below which the text is lost
    rows: int = 50  # samples

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = as_read(history)
        if found is None or found.read < self.rows:
            return
        for name, one in found.inputs.items():
            tokens = one.tokens
            if tokens is None or not is_ids(history, name) or tokens.pad < self.share:
                continue
            kinds = {layer.kind for layer in history.run.layers}
            behind = tokens.behind and "recurrent" in kinds
            place_of_it = "behind" if tokens.behind else "in front of"
            message = (
                f"{percent(tokens.pad)} of the positions of {subject(name)} are padding "
                f"{place_of_it} the tokens; sequences have {tokens.width} positions"
            )
            filled = tokens.width * (1 - tokens.pad)
            lost = tokens.pad >= self.nothing and filled < self.few
            if lost:
                message += f", and a sample has {show(filled)} tokens on average"
            if behind:
                message += ", and a recurrent layer may read all of it after the last token"
            yield self.diagnosis(
                message,
                Evidence(
                    Fact.DATASET, tokens.pad, limit=self.share, unit="of positions", name=name
                ),
                where=Where(input=name or None, split=TRAIN),
                location=place(history.run),
                severity=Severity.WARNING if lost else Severity.INFO,
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = _run("pooling")
        y = classes(300)
        short = _ids(30)
        yield fires("reviews of a few words", given(short, y, run), severity=Severity.INFO)
        yield fires(
            "only the last words are left", given(_ids(1), y, run), severity=Severity.WARNING
        )
        after = short[:, ::-1].copy()
        yield fires(
            "padded behind, read by a recurrent net",
            given(after, y, _run("recurrent")),
            severity=Severity.INFO,
        )
        yield quiet("half is padding", given(_ids(110), y, run))
        yield quiet("no padding", given(_ids(200), y, run))
        yield quiet("a sparse table", given(short, y))
        yield quiet("a few samples", given(short[:20], y[:20], run))


def _run(kind: str) -> RunInfo:
    return chain(
        Layer(name="emb", kind="embedding", class_name="Embedding"),
        Layer(name=kind, kind=kind),
        dense("fc", 16, 1),
        inputs="text",
    )


def _ids(length: int, width: int = 200) -> np.ndarray:
    """Rows of ids with padding in front; ``length`` tokens on average."""
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 900, size=(300, width))
    lengths = np.minimum(rng.poisson(length, size=300), width)
    rows[np.arange(width)[None, :] < width - lengths[:, None]] = 0
    return rows
