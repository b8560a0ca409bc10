"""Steps without any gradient, because backward is never called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import looped, share_of
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class BackwardMissing(Check):
    """``step`` runs in every batch, ``backward`` in none, and no parameter has a gradient.

    Why it matters: optimizers skip parameters without a gradient and say nothing.
    May be wrong when: an optimizer of one's own computes its direction without gradients.
    References: PyTorch, Optimization tutorial.
    """

    id = "backward-missing"
    title = "backward is never called"
    cause = Cause.TRAINING_LOOP
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOOP})
    fixes = (Fix("call `loss.backward()` before `optimizer.step()`"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="loss.backward missing model does not learn {framework}",
        torch="Tensor.backward",
        keras="optimizers",
    )
    least_steps: int = 8  # observed steps; a step or two before training may please a scheduler

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        count, called = share_of(history, "backwards", least=1)
        _, closures = share_of(history, "closure")
        if count < self.least_steps or called or closures or history.names(Fact.GRADIENT_NORM):
            return
        if _moved(history):
            return
        yield self.diagnosis(
            f"in {count} observed steps backward was never called and no parameter had a gradient: "
            "`step` changes nothing",
            Evidence(Fact.LOOP, 0.0, limit=1.0, unit="passes", name="backwards"),
            location=history.run.place("step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        still = {(Fact.UPDATE_NORM, "w"): [0.0] * 20}
        yield fires("never", looped(backwards=0.0, facts=still))
        yield fires("never, with a model that runs", looped(backwards=0.0, late=1.0, facts=still))
        yield quiet("usual", looped())
        yield quiet("a closure calls it", looped(closure=1.0))
        moving = {(Fact.UPDATE_NORM, "w"): [0.1] * 20}
        yield quiet("an optimizer without gradients", looped(backwards=0.0, facts=moving))
        graded = {(Fact.GRADIENT_NORM, "w"): [1.0] * 20}
        yield quiet("gradients are set by hand", looped(backwards=0.0, facts=graded))


def _moved(history: History) -> bool:
    return any(
        bool((history.array(Fact.UPDATE_NORM, name)[1] > 0).any())
        for name in history.names(Fact.UPDATE_NORM)
    )
