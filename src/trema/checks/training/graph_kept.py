"""Graphs of earlier batches that something keeps alive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import loop_values, looped
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class GraphKept(Check):
    """The graphs of many earlier losses are alive: ``total += loss`` or ``losses.append(loss)``.

    Why it matters: memory grows with every batch; with ``retain_graph=True`` also all
    activations stay, and training ends out of memory after minutes or hours.
    May be wrong when: a loss over many steps is built up to be used later.
    References: PyTorch, Frequently asked questions, "My model reports cuda runtime error(2)".
    """

    id = "graph-kept"
    title = "graphs of earlier batches are kept alive"
    cause = Cause.TRAINING_LOOP
    severity = Severity.WARNING
    needs = frozenset({Fact.LOOP})
    fixes = (
        Fix("sum numbers: `total += loss.item()`, or `loss.detach()` on an accelerator"),
        Fix("keep `output.detach()` in lists, not `output`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="total_loss += loss memory grows every iteration {framework}",
        torch="Tensor.detach",
        keras="models/model_training_apis",
    )
    least_kept: int = 30  # graphs of earlier sampled steps that are alive at once, of at most 62

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, kept = loop_values(history, "kept")
        if not len(kept) or kept.max() < self.least_kept:
            return
        at = int(kept.argmax())
        yield self.diagnosis(
            f"at step {steps[at]} the graphs of {int(kept[at])} earlier losses are still alive: "
            "something sums or stores losses with their history",
            Evidence(
                Fact.LOOP,
                float(kept[at]),
                limit=float(self.least_kept),
                unit="graphs",
                step=int(steps[at]),
                name="kept",
            ),
            location=history.run.place("backward", "step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        growing = [float(max(0, i - 1)) for i in range(60)]
        yield fires("a running sum over the epoch", looped(steps=60, kept=growing))
        yield fires(
            "begun anew each epoch", looped(steps=80, kept=[float(i % 40) for i in range(80)])
        )
        yield quiet("only the last one", looped(kept=0.0))
        yield quiet(
            "back through 16 steps", looped(steps=60, kept=[float(i % 16) for i in range(60)])
        )
        yield quiet("a short run", looped(steps=12, kept=[float(i) for i in range(12)]))
