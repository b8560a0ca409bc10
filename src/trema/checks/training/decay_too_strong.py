"""Weight decay or penalties that pull the weights to zero faster than the data can hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import Kernel, kernels, series
from trema.checks.progress import RECENT, answers_improve, one_sided, waited
from trema.checks.sketch import Facts
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Location, Severity, Where
from trema.core.facts import Fact, OptimizerInfo, RunInfo
from trema.core.history import History
from trema.core.numbers import percent, show

_Found = tuple[str, Evidence, Where, Location | None]


@register
@dataclass(frozen=True, kw_only=True)
class DecayTooStrong(Check):
    """Weights that have shrunk to a fraction of their start under a decay or penalty that is
    far above usual, in a run that does no better than a constant prediction.

    Why it matters: a pull to zero that outweighs the gradient of the data leaves weights with
    which the model can say nothing but the mean.
    May be wrong when: nothing can be learned from these data, so that only the pull is left.
    References: Krogh & Hertz (1991), A simple weight decay can improve generalization;
    Loshchilov & Hutter (2019), arXiv:1711.05101 (decay of 0.01 to 0.1, times the rate).
    """

    id = "decay-too-strong"
    title = "regularization pulls the weights to zero"
    cause = Cause.REGULARIZATION
    severity = Severity.ERROR
    needs = frozenset({Fact.WEIGHT_NORM, Fact.LOSS, Fact.LOSS_KIND, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.GRADIENT_NORM, Fact.LEARNING_RATE, Fact.METRIC, Fact.OPTIMIZER}
    )
    explains: ClassVar[frozenset[str]] = frozenset(
        {"dead-units", "loss-flat", "plateau", "underfitting", "update-ratio", "vanishing-grad"}
    )
    fixes = (
        Fix("begin without it; then 1e-4 for an L2 penalty, 0.01 for a decoupled decay (AdamW)"),
        Fix("raise it only while the training loss is far below the validation loss"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="weight decay too high model predicts constant {framework}",
        torch="optim.AdamW",
        keras="layers/regularizers",
    )
    shrunk: float = 0.4  # of the norm of the beginning: geometric mean over the weight matrices
    each: float = 0.75  # the same, of every one of them
    decoupled: float = 0.5  # decay; AdamW trains with 0.01 to 0.3
    coupled: float = 0.1  # decay added to the gradient; 1e-5 to 1e-2 is usual
    pulled: float = 1.0  # sum of rate times decay over the run, from which weights fade by e
    outweighed: float = 2.0  # pull over the gradient of the data at the beginning
    penalty: float = 4.0  # penalty over the loss of a constant prediction, at the beginning
    near: float = 0.93  # of the loss of a constant prediction: not below
    steps: int = 60  # training steps
    epochs: int = 2

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        baseline = history.baseline_loss()
        if baseline is None or baseline <= 0 or one_sided(history):
            return
        if not waited(history, steps=self.steps, epochs=self.epochs, end=self.steps):
            return
        norms = [(k, series(history, Fact.WEIGHT_NORM, k)) for k in kernels(history.run)]
        if not norms or any(len(n) < 24 or not n[0] > 0 for _, n in norms):
            return
        left = [float(np.median(n[-4:]) / n[0]) for _, n in norms]
        rest = float(np.exp(np.log(np.maximum(left, 1e-12)).mean()))
        if rest > self.shrunk or max(left) > self.each or answers_improve(history):
            return
        found = self._penalty(history, baseline) or self._decay(history, norms, baseline)
        if found is None:
            return
        message, evidence, where, place = found
        yield self.diagnosis(
            f"{message}; the weights have shrunk to {percent(rest)} of their first norm, and the "
            f"loss on the data is no better than the {show(baseline)} of a constant prediction",
            evidence,
            Evidence(Fact.WEIGHT_NORM, rest, limit=self.shrunk, unit="of the beginning"),
            where=where,
            location=place,
            confidence="measured",
        )

    # penalties in the loss ------------------------------------------------------------------

    def _penalty(self, history: History, baseline: float) -> _Found | None:
        held = [k for k in kernels(history.run) if _factor(k) > 0]
        total: np.ndarray | None = None
        for kernel in held:
            own = _factor(kernel) * series(history, Fact.WEIGHT_NORM, kernel) ** 2
            total = own if total is None else total + own if len(own) == len(total) else None
            if total is None:
                return None
        losses = history.array(Fact.LOSS)[1]
        if total is None or len(losses) != len(total) or not np.isfinite(losses).all():
            return None
        data = float((losses - total)[-RECENT:].mean())
        if total[0] < self.penalty * baseline or not self._no_better(data, baseline):
            return None
        kernel = max(held, key=_factor)
        return (
            f"the L2 penalty of {show(_factor(kernel))} on {kernel.layer.label} began at "
            f"{show(float(total[0]))}",
            Evidence(
                "penalty", float(total[0]), limit=self.penalty * baseline, name=kernel.name, step=0
            ),
            Where(layer=kernel.layer.name),
            kernel.layer.location,
        )

    # decay in the optimizer -----------------------------------------------------------------

    def _decay(
        self, history: History, norms: list[tuple[Kernel, np.ndarray]], baseline: float
    ) -> _Found | None:
        if len(history.run.optimizers) != 1 or any(_factor(k) for k, _ in norms):
            return None
        optimizer = history.run.optimizers[0]
        decay = optimizer.config.get("weight_decay")
        if isinstance(decay, bool) or not isinstance(decay, int | float) or not decay > 0:
            return None
        losses = history.array(Fact.LOSS, last=RECENT)[1]
        if not np.isfinite(losses).all() or not self._no_better(float(losses.mean()), baseline):
            return None
        apart = _is_decoupled(history.run, optimizer)
        if decay < (self.decoupled if apart else self.coupled):
            return None
        if apart:
            rates = [
                history.array(Fact.LEARNING_RATE, n)[1]
                for n in history.names(Fact.LEARNING_RATE)[:1]
            ]
            rate = float(np.mean(rates[0])) if rates and len(rates[0]) else 0.0
            strength, limit = rate * decay * (history.step + 1), self.pulled
            name = "rate times decay over all steps"
        else:
            strength, limit = _pull(history, norms, float(decay)), self.outweighed
            name = "pull over the gradient of the data"
        if not strength > limit:
            return None
        return (
            f"the weight decay of {optimizer.kind} is {show(float(decay))} ({name}: "
            f"{show(strength)})",
            Evidence("decay", strength, limit=limit, unit=name),
            Where(),
            history.run.place("weight-decay") or optimizer.location,
        )

    def _no_better(self, loss: float, baseline: float) -> bool:
        return self.near * baseline < loss < 1.5 * baseline

    @staticmethod
    def cases() -> Iterator[Case]:
        fading = 5.0 * np.exp(-np.arange(320) / 60)

        def facts(norms: np.ndarray, gradient: float = 0.5) -> Facts:
            table: Facts = {(Fact.LEARNING_RATE, "0.0"): np.full(320, 5e-3)}
            for name in ("fc1", "fc2", "fc3"):
                table[Fact.WEIGHT_NORM, f"{name}.weight"] = norms
                table[Fact.GRADIENT_NORM, f"{name}.weight"] = np.full(320, gradient)
            return table

        def run(kind: str, decay: float) -> RunInfo:
            own = OptimizerInfo(
                name="0", kind=kind, learning_rates=(5e-3,), config={"weight_decay": decay}
            )
            return mlp(20, 32, 32, CLASSES, optimizers=(own,))

        def penalized(factor: float) -> RunInfo:
            plain = mlp(20, 32, 32, CLASSES)
            layers = tuple(
                replace(one, config={**one.config, "penalty": factor}) for one in plain.layers
            )
            return replace(plain, layers=layers)

        yield fires("20 under AdamW", training(run("adamw", 20.0), facts=facts(fading)))
        yield fires("5 under Adam", training(run("adam", 5.0), facts=facts(fading)))
        heavy = noisy(CHANCE, noise=0.01) + 9 * fading**2
        yield fires("an L2 penalty of 3", training(penalized(3.0), heavy, facts(fading)))
        yield quiet("the default", training(run("adamw", 0.01), facts=facts(fading)))
        yield quiet("it learns", training(run("adamw", 20.0), noisy(CHANCE, 0.4), facts(fading)))
        kept = np.full(320, 5.0)
        yield quiet("weights keep their size", training(run("adamw", 20.0), facts=facts(kept)))
        strong = facts(fading, 200.0)
        yield quiet("gradients outweigh it", training(run("adam", 0.2), facts=strong))
        light = noisy(CHANCE, noise=0.01) + 3e-4 * fading**2
        yield quiet("a light penalty", training(penalized(1e-4), light, facts(fading)))
        learned = noisy(CHANCE, 0.5) + 9 * fading**2
        yield quiet("beside a penalty it learns", training(penalized(3.0), learned, facts(fading)))


def _factor(kernel: Kernel) -> float:
    value = kernel.layer.config.get("penalty")
    return float(value) if isinstance(value, int | float) else 0.0


def _is_decoupled(run: RunInfo, optimizer: OptimizerInfo) -> bool:
    """Whether the decay is applied beside the gradient: always in Keras."""
    if run.framework == "keras" or optimizer.config.get("decoupled_weight_decay"):
        return True
    return optimizer.kind in ("adamw", "lion", "muon", "sgdw", "adafactor")


def _pull(history: History, norms: list[tuple[Kernel, np.ndarray]], decay: float) -> float:
    """Decay times weights over the gradient, at the first observed steps; the middle matrix."""
    found = []
    for kernel, weights in norms:
        gradients = series(history, Fact.GRADIENT_NORM, kernel)[:8]
        if len(gradients) == 8 and float(np.median(gradients)) > 0:
            found.append(decay * float(np.median(weights[:8])) / float(np.median(gradients)))
    return float(np.median(found)) if found else 0.0
