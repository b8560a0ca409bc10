"""Initial weights far larger or smaller than their number of inputs asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.graph import normalized_next
from trema.checks.kernels import Kernel, activation_of, hidden_names, kernels
from trema.checks.progress import stuck
from trema.checks.sketch import Facts
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show

SQUASHING = frozenset({"tanh", "sigmoid"})


@register
@dataclass(frozen=True, kw_only=True)
class InitVariance(Check):
    """Weights of a hidden layer that begin with a spread that blows values up or lets them die.

    Why it matters: a unit adds up as many products as it has inputs, so weights must begin near
    one over the root of that number; ten times that in each layer multiplies up over the depth.
    May be wrong when: weights were loaded from another training.
    References: Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward
    neural networks; He et al. (2015), arXiv:1502.01852.
    """

    id = "init-variance"
    title = "initial weights are of the wrong size"
    cause = Cause.INITIALIZATION
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    preview = True
    needs = frozenset({Fact.WEIGHT_NORM, Fact.UPDATE_NORM, Fact.LAYERS, Fact.LOSS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.ACTIVATION_STD, Fact.GRAPH})
    explains: ClassVar[frozenset[str]] = frozenset(
        {
            "dead-units", "exploding-grad", "init-loss", "loss-flat", "loss-diverging",
            "nonfinite-loss", "saturation", "underfitting", "update-ratio", "vanishing-grad",
        }
    )  # fmt: skip
    fixes = (
        Fix("keep the default initializers of the framework"),
        Fix("scale with the inputs: He for ReLU, Glorot for tanh and sigmoid"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="weight initialization he glorot {framework}",
        torch="nn.init",
        keras="layers/initializers",
    )
    large: float = 6.0  # spread times the root of the inputs; He gives 1.4, PyTorch 0.6
    small: float = 0.02  # the same; 0.05 for weights of 0.02 behind few inputs
    blown: float = 5.0  # standard deviation of the outputs of a layer that was blown up
    observed: int = 8  # observed steps before it is told

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, losses = history.array(Fact.LOSS)
        if len(losses) < self.observed or steps[0] != 0:
            return
        hidden = hidden_names(history.run)
        own = [k for k in kernels(history.run) if k.fan_in and k.layer.name in hidden]
        gains = [(gain, k) for k in own if (gain := _gain(history, k)) is not None]
        large = [(g, k) for g, k in gains if g > self.large and self._blows_up(history, k)]
        small = [(g, k) for g, k in gains if g < self.small]
        if large:
            yield self._found(history, *max(large, key=lambda one: one[0]), self.large)
        elif small and stuck(history) is not None:
            yield self._found(history, *min(small, key=lambda one: one[0]), self.small)

    def _blows_up(self, history: History, kernel: Kernel) -> bool:
        if normalized_next(history.run, kernel.layer):
            return False
        if activation_of(kernel.layer) in SQUASHING:
            return True
        _, std = history.array(Fact.ACTIVATION_STD, kernel.layer.name)
        return bool(len(std) and std[0] > self.blown)

    def _found(self, history: History, gain: float, kernel: Kernel, limit: float) -> Diagnosis:
        inputs = kernel.fan_in or 1
        spread, usual = gain / inputs**0.5, inputs**-0.5
        return self.diagnosis(
            f"the weights of {kernel.layer.label} begin with a spread of {show(spread)}; with "
            f"{inputs} inputs to a unit about {show(usual)} keeps values at their size",
            Evidence("initial-gain", gain, limit=limit, name=kernel.name, step=0),
            where=Where(layer=kernel.layer.name),
            location=history.run.place(f"initial:{kernel.name}") or kernel.layer.location,
            confidence="measured" if gain > limit else "likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = mlp(100, 64, 64, CLASSES)

        def facts(rms: float, std: float = 12.0, update: float = 0.01) -> Facts:
            norm = rms * (100 * 64) ** 0.5
            return {
                (Fact.WEIGHT_NORM, "fc1.weight"): norm,
                (Fact.UPDATE_NORM, "fc1.weight"): update * norm,
                (Fact.ACTIVATION_STD, "fc1"): std,
            }

        yield fires("drawn from N(0, 1)", training(run, noisy(80.0, 30.0), facts(1.0)))
        yield fires("drawn from N(0, 0.0001)", training(run, facts=facts(1e-4, 1e-3)))
        yield quiet("He", training(run, noisy(3.0, 2.3), facts(0.14, 1.0)))
        yield quiet("large, but what follows is normal", training(run, facts=facts(1.0, 0.9)))
        yield quiet("small, but it learns", training(run, noisy(CHANCE, 0.4), facts(1e-4, 1e-3)))
        moved = facts(1.0, update=0.9)
        yield quiet("made large by the first update", training(run, noisy(80.0, 30.0), moved))
        early = training(run, noisy(80.0, 30.0, steps=4), facts(1.0))
        yield quiet("four steps", early)


def _gain(history: History, kernel: Kernel) -> float | None:
    """Root mean square of the first weights times the root of the inputs; None when the first
    update had already made them anew, or the beginning was not seen."""
    steps, weights = history.array(Fact.WEIGHT_NORM, kernel.name)
    _, updates = history.array(Fact.UPDATE_NORM, kernel.name)
    if not len(weights) or not len(updates) or steps[0] != 0 or not kernel.fan_in:
        return None
    weight, update = float(weights[0]), float(updates[0])
    if not weight > 0 or update > 0.5 * weight:
        return None
    return float(weight * (kernel.fan_in / kernel.size) ** 0.5)
