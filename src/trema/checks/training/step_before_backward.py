"""A step that comes before the backward of its batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import first_value, looped, share_of
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class StepBeforeBackward(Check):
    """``step`` runs between the forward pass and ``backward``.

    Why it matters: the step finds no gradient, or that of the batch before. When ``zero_grad``
    stands at the top of the loop, no step ever has a gradient and nothing is learned.
    May be wrong when: delayed updates are meant, as in some pipelined training.
    A second forward pass for metrics between ``backward`` and ``step`` is no such case.
    References: PyTorch, Optimization tutorial; TrainCheck (Jiang et al., OSDI 2025).
    """

    id = "step-before-backward"
    title = "the step comes before its gradients"
    cause = Cause.TRAINING_LOOP
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOOP})
    explains: ClassVar[frozenset[str]] = frozenset({"cleared-gradients"})
    fixes = (Fix("call `loss.backward()` before `optimizer.step()`"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="optimizer.step before loss.backward {framework}",
        torch="optim.Optimizer.step",
        keras="optimizers",
    )
    least_steps: int = 5  # observed steps
    min_share: float = 0.9  # of them with a forward pass since the last backward

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        count, late = share_of(history, "late")
        _, cleared = share_of(history, "cleared")
        _, passes = share_of(history, "backwards", least=1)
        if count < self.least_steps or late < self.min_share or passes < 0.5:
            return
        if first_value(history, "backwards") != 0:  # the first step tells the order
            return
        empty = cleared > 0.5
        what = "no gradient at all" if empty else "the gradient of the batch before"
        yield self.diagnosis(
            f"`step` ran before the backward of its batch in {late:.0%} of {count} observed steps "
            f"and found {what}",
            Evidence(Fact.LOOP, late, limit=self.min_share, unit="of steps", name="late"),
            location=history.run.place("step", "backward"),
            severity=Severity.CRITICAL if empty else Severity.WARNING,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        order = [0.0] + [1.0] * 19
        yield fires(
            "cleared at the top of the loop",
            looped(late=1.0, backwards=order, cleared=1.0),
            severity=Severity.CRITICAL,
        )
        yield fires(
            "cleared after the step",
            looped(late=1.0, backwards=order, cleared=0.0),
            severity=Severity.WARNING,
        )
        yield quiet("the usual order", looped(cleared=0.0))
        yield quiet("a forward for metrics before the step", looped(late=1.0, cleared=0.0))
        yield quiet("backward is never called", looped(late=1.0, backwards=0.0))
        yield quiet("a step to please a scheduler", looped(backwards=order, cleared=0.0))
