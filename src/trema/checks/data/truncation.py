"""Sequences that are cut at the same length, most of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.data.padding_dominates import _ids, _run
from trema.checks.datasets import as_read, classes, given, is_ids, place, subject
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class Truncation(Check):
    """Sequences of which most fill the whole length while others are padded, so most were cut.

    Why it matters: what tells the answer may stand in the part that was cut off.
    May be wrong when: sequences happen to be that long, or the part kept is enough.
    References: Sun et al. (2019), How to Fine-Tune BERT for Text Classification,
    arXiv:1905.05583.
    """

    id = "truncation"
    title = "most sequences are cut"
    cause = Cause.DATA
    severity = Severity.INFO
    needs = frozenset({Fact.DATASET, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.INPUT_MIN})
    preview = True
    fixes = (
        Fix("keep more positions", caution="costs memory and time"),
        Fix("keep the beginning and the end, or average over windows"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="truncate long text maximum length {framework}",
        torch="nn.utils.rnn.pad_sequence",
        keras="data_loading/timeseries",
    )
    share: float = 0.5  # of the samples
    padded: float = 0.05  # of the positions of padded samples; fewer are no padding
    rows: int = 50  # samples

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = as_read(history)
        if found is None or found.read < self.rows:
            return
        for name, one in found.inputs.items():
            tokens = one.tokens
            if tokens is None or not is_ids(history, name):
                continue
            # blocks cut from one long text are all full: nothing was lost
            if not self.share < tokens.full < 1.0:
                continue
            if tokens.pad < self.padded * (1 - tokens.full):
                continue  # the id 0 is a token, as the end of a line
            yield self.diagnosis(
                f"{percent(tokens.full)} of the sequences of {subject(name)} fill all "
                f"{tokens.width} positions while others are shorter: most were likely cut",
                Evidence(Fact.DATASET, tokens.full, limit=self.share, unit="of samples", name=name),
                where=Where(input=name or None, split=TRAIN),
                location=history.run.place("tokenize") or place(history.run),
                confidence="likely",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        run, y = _run("pooling"), classes(300)
        yield fires("reviews cut at forty words", given(_ids(48, 40), y, run))
        yield fires("cut at a hundred", given(_ids(104, 100), y, run), severity=Severity.INFO)
        yield quiet("most fit", given(_ids(30, 40), y, run))
        full = _ids(400, 100)
        full[full == 0] = 1
        yield quiet("blocks of one long text", given(full, y, run))
        yield quiet("a table", given(_ids(48, 40), y))
        yield quiet("a few samples", given(_ids(48, 40)[:20], y[:20], run))
