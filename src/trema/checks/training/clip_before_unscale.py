"""Gradients that are clipped while they still carry the loss scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import loop_values, looped
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class ClipBeforeUnscale(Check):
    """Clipping between ``scaler.scale(loss).backward()`` and ``scaler.unscale_``.

    Why it matters: the scaler multiplied all gradients, often by 65,536, so every one is clipped;
    divided by the scale afterwards, next to nothing is left for the step.
    May be wrong when: the limit itself was multiplied by the scale.
    References: PyTorch, Automatic mixed precision examples, working with unscaled gradients.
    """

    id = "clip-before-unscale"
    title = "scaled gradients are clipped"
    cause = Cause.TRAINING_LOOP
    severity = Severity.ERROR
    needs = frozenset({Fact.LOOP})
    fixes = (Fix("call `scaler.unscale_(optimizer)` before `clip_grad_norm_`"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="GradScaler unscale_ clip_grad_norm_ {framework}",
        torch="nn.utils.clip_grad_norm_",
        keras="mixed_precision",
    )
    least_steps: int = 3  # observed steps
    min_share: float = 0.5  # of all observed steps

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, scale = loop_values(history, "clipped-scaled")
        wrong = scale > 1
        if wrong.sum() < self.least_steps or wrong.mean() < self.min_share:
            return
        last = float(scale[wrong][-1])
        yield self.diagnosis(
            f"gradients were clipped while multiplied by the loss scale {show(last)} in "
            f"{int(wrong.sum())} of {len(steps)} observed steps: after unscaling at most 1/"
            f"{show(last)} of the limit is left",
            Evidence(Fact.LOOP, last, limit=1.0, name="clipped-scaled", step=int(steps[wrong][-1])),
            location=history.run.place("clip", "step", "backward"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("the default scale", looped(clipped_scaled=65536.0))
        yield fires("a scale that fell", looped(clipped_scaled=[1024.0] * 10 + [512.0] * 10))
        yield quiet("unscaled first", looped(clipped_scaled=0.0))
        yield quiet("a scale of 1", looped(clipped_scaled=1.0))
        yield quiet("once", looped(clipped_scaled=[65536.0] + [0.0] * 19))
