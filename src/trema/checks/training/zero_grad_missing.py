"""Gradients of earlier batches that are still there when the next backward begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import loop_values, looped
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ZeroGradMissing(Check):
    """No ``zero_grad`` between a step and the backward that follows, in many steps.

    Why it matters: backward adds to the gradients that are there, so each step follows the sum
    of all batches so far; steps grow, old directions never fade and the loss often rises.
    May be wrong when: a running sum of gradients is the method itself.
    Gradient accumulation is no such case: there the sum starts anew after each step.
    References: PyTorch, Zeroing out gradients (recipe); TrainCheck (Jiang et al., OSDI 2025).
    """

    id = "zero-grad-missing"
    title = "gradients are never cleared"
    cause = Cause.TRAINING_LOOP
    severity = Severity.ERROR
    needs = frozenset({Fact.LOOP})
    explains: ClassVar[frozenset[str]] = frozenset({"nonfinite-loss", "learning-rate-range"})
    fixes = (
        Fix("call `optimizer.zero_grad()` before `loss.backward()` in every step"),
        Fix("to accumulate over k batches, call `step()` and `zero_grad()` every k batches"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="zero_grad missing gradients accumulate loss {framework}",
        torch="optim.Optimizer.zero_grad",
        keras="models/model_training_apis",
    )
    least_steps: int = 8  # observed steps after the first
    min_share: float = 0.4  # of them; zeroing at every second step only is told too

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, carried = loop_values(history, "carried")
        late = carried >= 0.5  # most gradients looked at; a part that is unused stands still
        if len(steps) < self.least_steps or late.mean() < self.min_share:
            return
        share = float(late.mean())
        how = "none of them" if share > 0.95 else f"only {1 - share:.0%} of them"
        seen = Evidence(
            Fact.LOOP,
            share,
            limit=self.min_share,
            unit="of steps",
            name="carried",
            step=int(steps[-1]),
        )
        yield self.diagnosis(
            f"backward began with the gradients of earlier steps in {int(late.sum())} of "
            f"{len(steps)} observed steps: `zero_grad` came before {how}, so each step "
            "uses a sum over earlier batches",
            seen,
            location=history.run.place("step", "backward"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("never cleared", looped(carried=1.0))
        yield fires("cleared at every fourth step", looped(carried=[1.0, 1.0, 1.0, 0.0] * 5))
        yield quiet("cleared in every step", looped(carried=0.0))
        yield quiet("accumulation over four batches", looped(backwards=4.0, carried=0.0))
        yield quiet("a part of the model is left alone", looped(carried=0.25))
        yield quiet("too few steps", looped(steps=4, carried=1.0))
