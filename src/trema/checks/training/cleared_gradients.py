"""Gradients that are cleared between backward and step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import first_value, looped, share_of
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ClearedGradients(Check):
    """``zero_grad`` runs after ``backward`` and before ``step``.

    Why it matters: the step finds no gradient, so no weight moves (momentum and weight decay
    aside), and no error tells.
    May be wrong when: gradients are taken elsewhere before they are cleared, as some custom
    optimizers do.
    References: PyTorch, Zeroing out gradients (recipe).
    """

    id = "cleared-gradients"
    title = "gradients are cleared before the step uses them"
    cause = Cause.TRAINING_LOOP
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOOP})
    fixes = (Fix("move `zero_grad()` before `loss.backward()`, or after `optimizer.step()`"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="zero_grad between backward and step {framework}",
        torch="optim.Optimizer.zero_grad",
        keras="optimizers",
    )
    least_steps: int = 5  # observed steps with a backward
    min_share: float = 0.5  # of them

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        count, share = share_of(history, "cleared")
        if count < self.least_steps or share < self.min_share:
            return
        if first_value(history, "backwards") == 0:  # the step came first: another check tells
            return
        yield self.diagnosis(
            f"backward left gradients, but in {share:.0%} of {count} observed steps none was there "
            "when `step` began: `zero_grad` runs between the two",
            Evidence(Fact.LOOP, share, limit=self.min_share, unit="of steps", name="cleared"),
            location=history.run.place("step", "backward"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("always", looped(cleared=1.0))
        yield fires("in most steps", looped(cleared=[1.0, 1.0, 0.0, 1.0] * 5))
        yield quiet("the usual order", looped(cleared=0.0))
        yield quiet("the step came first", looped(cleared=1.0, backwards=[0.0] + [1.0] * 19))
        yield quiet("too few steps", looped(steps=3, cleared=1.0))
