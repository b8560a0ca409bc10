"""ReLU units that output zero for every sample over many steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import Activated, activated
from trema.checks.progress import stuck
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import percent

RELU = frozenset({"relu", "relu6"})


@register
@dataclass(frozen=True, kw_only=True)
class DeadUnits(Check):
    """ReLU units that give zero for every sample over a window of steps.

    Why it matters: a unit at zero passes no gradient, so that it hardly ever comes back; a layer
    of such units cuts everything before it off from learning.
    May be wrong when: the layer is sparse by design, or what its units look for is rare.
    References: Lu et al. (2019), Dying ReLU and Initialization, arXiv:1903.06733; Ben Braiek &
    Khomh (2022), TheDeepChecker (half of the layer); SageMaker Debugger, DeadRelu.
    """

    id = "dead-units"
    title = "units that no longer respond"
    cause = Cause.ACTIVATION
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.UNIT_MAX, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.GRAPH, Fact.LOSS})
    explains: ClassVar[frozenset[str]] = frozenset(
        {"loss-flat", "param-unchanged", "underfitting", "vanishing-grad"}
    )
    fixes = (
        Fix("try a learning rate 3 to 10 times lower"),
        Fix("scale the inputs, and keep the default initializers"),
        Fix("replace ReLU with leaky ReLU or GELU", caution="changes the model"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="dying relu {framework}",
        torch="nn.LeakyReLU",
        keras="layers/activation_layers/leaky_relu",
    )
    min_fraction: float = 0.5  # dead units of a layer (SageMaker Debugger, TheDeepChecker)
    window: int = 20  # observed steps; 16 samples of each are looked at

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = []
        for part in activated(history.run, history.names(Fact.UNIT_MAX), RELU):
            steps, highest = history.array(Fact.UNIT_MAX, part.layer.name, last=self.window)
            if len(steps) < self.window or highest.ndim != 2 or highest.shape[1] < 2:
                continue
            dead = np.asarray((highest <= 0).all(axis=0))
            if dead.mean() >= self.min_fraction:
                found.append((part, steps, dead))
        whole = [one for one in found if one[2].all()]
        if not whole and (not found or stuck(history) is None):
            return
        for part, steps, dead in found[:1] if not whole else whole[:1]:
            yield self._found(part, steps, dead, len(found))

    def _found(
        self, part: Activated, steps: np.ndarray, dead: np.ndarray, layers: int
    ) -> Diagnosis:
        units = "all" if dead.all() else f"{dead.sum()} of"
        message = (
            f"{units} {dead.size} units in {part.layer.label} give zero after ReLU for every "
            f"observed sample from step {steps[0]} to {steps[-1]}"
        )
        if layers > 1:
            message += f"; {layers} layers are concerned"
        return self.diagnosis(
            message,
            Evidence(
                Fact.UNIT_MAX,
                float(dead.mean()),
                limit=self.min_fraction,
                unit=f"of the units ({percent(float(dead.mean()))})",
                step=int(steps[-1]),
                name=part.layer.name,
            ),
            where=Where(layer=part.layer.name),
            location=part.layer.location,
            severity=Severity.ERROR if dead.all() else None,
            confidence="measured" if dead.all() else "likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        half = np.ones((320, 32)) * (np.arange(32) < 16)

        def case(first: np.ndarray, **more: object) -> History:
            return training(facts={(Fact.UNIT_MAX, "fc1"): first}, **more)  # type: ignore[arg-type]  # options

        yield fires("half of the units, and nothing is learned", case(half))
        yield fires("the whole layer", case(0 * half), severity=Severity.ERROR)
        sparse = np.zeros((320, 32))
        sparse[np.arange(320), np.arange(320) % 16] = 1.0
        sparse[:, 16:] = 1.0
        yield quiet("sparse: each unit fires once in the window", case(sparse))
        yield quiet("the run does well", case(half, losses=noisy(CHANCE, 0.3)))
        yield quiet("too few steps to tell", case(half[:5], losses=noisy(CHANCE, steps=5)))
        yield quiet("a quarter", case(np.ones((320, 32)) * (np.arange(32) >= 8)))
        last = training(facts={(Fact.UNIT_MAX, "fc3"): np.full((320, 10), -1.0)})
        yield quiet("logits below zero, without an activation", last)
