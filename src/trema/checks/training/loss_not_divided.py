"""Gradient accumulation over batches whose losses are summed, not averaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import loop_values, looped
from trema.checks.sketch import optimizer
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact, RunInfo
from trema.core.history import History

#: Optimizers whose steps keep their size when all gradients are scaled alike.
_SCALE_FREE = frozenset(
    {"adam", "adamw", "nadam", "radam", "adamax", "rmsprop", "adagrad", "adadelta", "lion",
     "adafactor", "lamb", "muon", "rprop", "sparseadam"}
)  # fmt: skip


@register
@dataclass(frozen=True, kw_only=True)
class LossNotDivided(Check):
    """Several backward passes a step on one line, each on the mean loss of its batch.

    Why it matters: the gradient is k times that of one batch of the same samples, so SGD works
    at k times the learning rate, and clipping by norm and weight decay weigh differently.
    May be wrong when: the rate was chosen for it, or the passes are parts of one loss. Optimizers
    that divide by the size of the gradient do not mind and get it as information.
    References: PyTorch, Automatic mixed precision examples, gradient accumulation.
    """

    id = "loss-not-divided"
    title = "accumulated losses are not divided"
    cause = Cause.TRAINING_LOOP
    severity = Severity.WARNING
    preview = True
    needs = frozenset({Fact.LOOP, Fact.OPTIMIZER})
    uses: ClassVar[frozenset[Fact]] = frozenset()
    fixes = (
        Fix("divide each loss by the number of batches: `(loss / k).backward()`"),
        Fix("or divide the learning rate by it", caution="clipping still sees the sum"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="gradient accumulation divide loss {framework}",
        torch="Tensor.backward",
        keras="optimizers",
    )
    least_steps: int = 5  # observed steps
    min_share: float = 0.9  # of them with several undivided passes

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        _, undivided = loop_values(history, "undivided")
        _, backwards = loop_values(history, "backwards")
        _, wasted = loop_values(history, "wasted")
        if len(undivided) < self.least_steps or undivided.mean() < self.min_share:
            return
        if wasted.any():  # those are thrown away: another check tells
            return
        k = int(np.median(backwards))
        kind = history.run.optimizers[0].kind
        free = kind in _SCALE_FREE
        effect = "the gradient is" if free else f"`{kind}` steps as with a learning rate"
        yield self.diagnosis(
            f"{k} backward passes a step, each on an undivided loss: {effect} {k} times as large",
            Evidence(Fact.LOOP, float(k), limit=1.0, unit="times", name="undivided"),
            location=history.run.place("backward", "step"),
            severity=Severity.INFO if free else Severity.WARNING,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def run(kind: str) -> RunInfo:
            return RunInfo(optimizers=(optimizer(kind, 0.1),))

        four: dict[str, Any] = {"backwards": 4.0, "undivided": 1.0}
        yield fires("SGD", looped(run("sgd"), wasted=0.0, **four), severity=Severity.WARNING)
        yield fires("Adam", looped(run("adam"), wasted=0.0, **four), severity=Severity.INFO)
        yield quiet("divided", looped(run("sgd"), backwards=4.0, undivided=0.0, wasted=0.0))
        yield quiet("one pass a step", looped(run("sgd"), undivided=0.0))
        yield quiet("thrown away", looped(run("sgd"), wasted=3.0, **four))
        yield quiet("too few steps", looped(run("sgd"), steps=3, wasted=0.0, **four))
