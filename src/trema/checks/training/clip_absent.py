"""A recurrent network with bursts of gradient that nothing clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import total_gradients
from trema.checks.sketch import dense, op
from trema.checks.sketch_runs import CLASSES, mlp, training, with_weights
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class ClipAbsent(Check):
    """Gradient norms of a recurrent network with single steps tens of times above the usual ones.

    Why it matters: one such step can undo an epoch; clipping the norm costs nothing.
    May be wrong when: the optimizer divides by the size of gradients and takes bursts well.
    References: Pascanu et al. (2013), arXiv:1211.5063; Zhang et al. (2020), Why gradient clipping
    accelerates training, arXiv:1905.11881.
    """

    id = "clip-absent"
    title = "gradients come in bursts and are not clipped"
    cause = Cause.OPTIMIZER
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.GRADIENT_NORM, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.OPTIMIZER})
    fixes = (
        Fix("clip the norm: `clipnorm=1.0` (Keras), `clip_grad_norm_(parameters, 1.0)` (PyTorch)"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="gradient clipping rnn {framework}",
        torch="nn.utils.clip_grad_norm_",
        keras="optimizers",
    )
    burst: float = 30.0  # largest norm over the median
    least: int = 50  # observed steps, without the first ones
    skip: int = 10

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        run = history.run
        recurrent = [layer for layer in run.layers if layer.kind == "recurrent"]
        clipped = any(
            optimizer.config.get(key)
            for optimizer in run.optimizers
            for key in ("clipnorm", "clipvalue", "global_clipnorm")
        )
        if not recurrent or clipped:
            return
        norms = total_gradients(history)[self.skip :]
        if len(norms) < self.least:
            return
        usual, most = float(np.median(norms)), float(norms.max())
        if usual <= 0 or most < self.burst * usual:
            return
        yield self.diagnosis(
            f"the norm of the gradient is {show(usual)} in most steps and reached {show(most)}; "
            f"`{recurrent[0].name}` is recurrent and nothing limits the norm",
            Evidence(Fact.GRADIENT_NORM, most, limit=self.burst * usual, step=history.step),
            where=Where(),
            location=run.place("step", "fit"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        lstm = with_weights(op("recurrent", "lstm"), dense("fc", 32, CLASSES))
        usual = np.exp(0.4 * np.random.default_rng(0).standard_normal(320))
        bursts = usual * np.where(np.arange(320) % 100 == 50, 80.0, 1.0)
        name = (Fact.GRADIENT_NORM, "fc.weight")
        yield fires("a burst every hundred steps", training(lstm, facts={name: bursts}))
        yield fires("one burst", training(lstm, facts={name: np.where(usual > 2.8, 90.0, usual)}))
        yield quiet("even norms", training(lstm, facts={name: usual}))
        yield quiet("clipped by the loop", training(lstm, facts={name: bursts.clip(max=1.0)}))
        yield quiet("not recurrent", training(mlp(20, 32, CLASSES), facts={name: bursts}))
        first = usual.copy()
        first[:3] = 200.0
        yield quiet("only at the beginning", training(lstm, facts={name: first}))
