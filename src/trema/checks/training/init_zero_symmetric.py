"""Hidden units that begin equal and therefore stay equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import WEIGHTED, hidden_names, kernels
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer
from trema.core.history import History

EQUAL = 1e-5  # relative; units that compute the same differ by rounding at most
NAMED = 4  # layers named in the message


@register
@dataclass(frozen=True, kw_only=True)
class InitZeroSymmetric(Check):
    """Hidden layers whose units all compute the same value, because their weights began equal.

    Why it matters: equal units get equal gradients, so that they stay equal: a layer of a hundred
    units can express what one unit can, or nothing at all.
    May be wrong when: every unit reads inputs that were constant so far.
    References: Goodfellow et al. (2016), Deep Learning, section 8.4; Nikanjam et al. (2021),
    NeuraLint, arXiv:2004.00014.
    """

    id = "init-zero-symmetric"
    title = "all units of a layer are equal"
    cause = Cause.INITIALIZATION
    severity = Severity.CRITICAL
    needs = frozenset({Fact.UNIT_MAX, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.WEIGHT_NORM, Fact.UPDATE_NORM, Fact.LEARNING_RATE, Fact.GRAPH}
    )
    explains: ClassVar[frozenset[str]] = frozenset(
        {
            "dead-units", "init-variance", "loss-flat", "param-unchanged", "saturation",
            "underfitting", "update-ratio", "vanishing-grad",
        }
    )  # fmt: skip
    fixes = (
        Fix("keep the default initializers; zeros suit biases only"),
        Fix("draw weights at random: `HeNormal()` (Keras) or `nn.init.kaiming_normal_` (PyTorch)"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="why not initialize weights to zero {framework}",
        torch="nn.init",
        keras="layers/initializers",
    )
    steps: int = 4  # observed steps, all with equal units; one update parts units that can part

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        if not _moved(history, self.steps):
            return
        hidden = hidden_names(history.run)
        equal = [
            layer
            for layer in history.run.layers
            if layer.kind in WEIGHTED and layer.name in hidden and self._equal(history, layer)
        ]
        if not equal:
            return
        first = equal[0]
        units = history.array(Fact.UNIT_MAX, first.name, last=1)[1].shape[-1]
        names = ", ".join(layer.label for layer in equal[:NAMED])
        more = f" and {len(equal) - NAMED} more" if len(equal) > NAMED else ""
        steps, _ = history.array(Fact.UNIT_MAX, first.name)
        kernel = _kernel(history, first)
        yield self.diagnosis(
            f"all {units} units of {first.label} give the same value in every observed step up to "
            f"step {steps[-1]}; layers concerned: {names}{more}",
            Evidence("distinct-units", 1, limit=units, unit="units", name=first.name),
            where=Where(layer=first.name, parameter=kernel),
            location=history.run.place(f"initial:{kernel}") or first.location,
            confidence="measured",
        )

    def _equal(self, history: History, layer: Layer) -> bool:
        """Whether every unit had the same greatest value in every step from the first on: units
        that saturate become equal later. Where all are zero, the weights must have begun at zero,
        for a dead layer looks alike."""
        observed, highest = history.array(Fact.UNIT_MAX, layer.name)
        if len(observed) and observed[0] > 0:
            return False
        if highest.ndim != 2 or highest.shape[1] < 2 or len(highest) < self.steps:
            return False
        if not np.isfinite(highest).all():
            return False
        spread = np.ptp(highest, axis=1)
        size = np.abs(highest).max(axis=1)
        if (spread > EQUAL * size).any():
            return False
        return bool((size > 0).any()) or _began_at_zero(history, layer)

    @staticmethod
    def cases() -> Iterator[Case]:
        rng = np.random.default_rng(0)
        moving = {(Fact.LEARNING_RATE, "0.0"): [1e-3] * 8}
        same = np.repeat(rng.random((8, 1)), 32, axis=1)

        def case(first: np.ndarray, **weights: list[float]) -> History:
            facts = {**moving, (Fact.UNIT_MAX, "fc1"): first, (Fact.UNIT_MAX, "fc3"): same[:, :10]}
            for name, values in weights.items():
                facts[Fact(name.replace("_", "-")), "fc1.weight"] = values
            return training(losses=noisy(CHANCE, steps=8), facts=facts, finished=False)

        yield fires("constant weights", case(same), cause=Cause.INITIALIZATION)
        zeros = np.zeros((8, 32))
        yield fires("zero weights behind a ReLU", case(zeros, weight_norm=[0.0] * 8))
        yield fires(
            "zero weights that moved only by their updates",
            case(zeros, weight_norm=[0.3, 0.6], update_norm=[0.3, 0.3]),
        )
        yield quiet("random weights", case(rng.random((8, 32))))
        yield quiet("a dead layer", case(zeros, weight_norm=[2.0] * 8, update_norm=[0.0] * 8))
        parted = np.concatenate([same[:1], rng.random((7, 32))])
        yield quiet("zeros that one update parts, as in a residual branch", case(parted))
        yield quiet("only the output layer began at zero", case(rng.random((8, 32))))
        yield quiet("two steps", case(same[:2]))
        saturated = np.concatenate([rng.random((1, 32)), np.ones((11, 32))])
        yield quiet("different at first, then all at the end of tanh", case(saturated))
        late = training(
            losses=noisy(CHANCE, steps=8),
            facts={(Fact.UNIT_MAX, "fc1"): same, (Fact.LEARNING_RATE, "0.0"): [0.0] * 8},
        )
        yield quiet("a warm-up that has not moved anything", late)


def _moved(history: History, steps: int) -> bool:
    """Whether updates were made in several observed steps: nothing parts at a rate of zero."""
    for name in history.names(Fact.LEARNING_RATE):
        _, rates = history.array(Fact.LEARNING_RATE, name)
        if (rates[:-1] > 0).sum() >= steps - 1:
            return True
    return not history.names(Fact.LEARNING_RATE)


def _kernel(history: History, layer: Layer) -> str | None:
    """The name of the layer's first weight matrix."""
    own = (kernel.name for kernel in kernels(history.run) if kernel.layer.name == layer.name)
    return next(own, None)


def _began_at_zero(history: History, layer: Layer) -> bool:
    own = [kernel for kernel in kernels(history.run) if kernel.layer.name == layer.name]
    for kernel in own:
        steps, weights = history.array(Fact.WEIGHT_NORM, kernel.name)
        _, updates = history.array(Fact.UPDATE_NORM, kernel.name)
        if not len(weights):
            return False
        if not (weights == 0).all() and not (
            len(updates) and steps[0] == 0 and abs(weights[0] - updates[0]) <= 1e-5 * weights[0]
        ):
            return False
    return bool(own)
