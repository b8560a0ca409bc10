"""A sudden jump of the training loss, with its step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.progress import one_sided, step_losses
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class LossSpike(Check):
    """A training loss that jumped far above everything seen shortly before.

    Why it matters: a single bad batch or a step that is too long can throw a run back by hours;
    the step tells which batch to look at.
    May be wrong when: the task has rare samples that are simply hard.
    References: Chowdhery et al. (2022), PaLM, arXiv:2204.02311, section 5.1 (loss spikes).
    """

    id = "loss-spike"
    title = "the loss jumped"
    cause = Cause.NUMERICS
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.LOSS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.GRADIENT_NORM})
    fixes = (
        Fix("look at the batch of this step: wrong labels, odd lengths, values out of range"),
        Fix("clip the norm of the gradient"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="loss spike training {framework}",
        torch="nn.utils.clip_grad_norm_",
        keras="optimizers",
    )
    window: int = 32  # observed steps before, to compare with
    deviations: float = 20.0  # robust standard deviations above their median
    times: float = 3.0  # times the largest of them

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, losses = step_losses(history)
        if len(losses) <= self.window or one_sided(history):
            return
        views = np.lib.stride_tricks.sliding_window_view(losses[:-1], self.window)
        median = np.median(views, axis=1)
        spread = 1.4826 * np.median(np.abs(views - median[:, None]), axis=1)
        largest = views.max(axis=1)
        limits = np.maximum(median + self.deviations * spread, self.times * largest)
        now = losses[self.window :]
        jumps = np.flatnonzero((now > limits) & (median > 0))
        if not len(jumps) or len(jumps) > 5:
            return  # more are the way of this loss
        at = int(jumps[np.argmax(now[jumps] / median[jumps])])
        near = (self.window + jumps[:, None] + np.arange(-5, 6)).clip(0, len(losses) - 1)
        if now[at] < self.times * np.delete(losses, near.ravel()).max():
            return  # a loss with heavy tails reaches that far by itself
        size, limit = float(now[at] / median[at]), float(limits[at])
        step = int(steps[self.window + at])
        others = f"; {len(jumps)} jumps in all" if len(jumps) > 1 else ""
        yield self.diagnosis(
            f"the training loss of step {step} is {show(float(now[at]))}, {show(size)} times the "
            f"median of the {self.window} observed steps before{others}",
            Evidence(Fact.LOSS, float(now[at]), limit=limit, step=step),
            location=history.run.place("loop", "step", "fit"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        losses = noisy(CHANCE, 0.4)
        losses[200] = 40.0
        yield fires("one bad batch", training(losses=losses))
        early = noisy(CHANCE)
        early[40] = 90.0
        yield fires("early", training(losses=early))
        yield quiet("noise", training(losses=noisy(CHANCE, 0.4, noise=0.3)))
        heavy = 0.1 + np.random.default_rng(0).pareto(2.5, 320)
        yield quiet("heavy tails are the way of this loss", training(losses=heavy))
        first = noisy(CHANCE)
        first[3] = 90.0
        yield quiet("at the very beginning", training(losses=first))
        twice = noisy(CHANCE)
        twice[100] *= 2
        yield quiet("twice as large", training(losses=twice))
