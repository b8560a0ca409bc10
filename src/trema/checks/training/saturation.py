"""Tanh or sigmoid layers stuck at the ends of their range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.graph import Graph
from trema.checks.kernels import Activated, activated, hidden_names
from trema.checks.progress import stuck, waited
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity, Where
from trema.core.facts import Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import percent
from trema.core.reduce import QUANTILES

#: Ends of the range of a function, after it and before it: beyond them less than 2 % (tanh) or
#: 4 % (sigmoid, of its greatest slope) of the gradient passes.
ENDS = {"tanh": (-0.99, 0.99, -2.647, 2.647), "sigmoid": (0.01, 0.99, -4.595, 4.595)}


def share_outside(quantiles: NDArray[np.float64], low: float, high: float) -> float:
    """The share of values outside of low…high, by interpolation between quantiles.

    quantiles : ndarray of shape (9,), at :data:`trema.core.reduce.QUANTILES`
    """
    levels = np.asarray(QUANTILES)
    below = float(levels[quantiles < low].max(initial=0.0))
    above = float(1.0 - levels[quantiles > high].min(initial=1.0))
    return below + above


@register
@dataclass(frozen=True, kw_only=True)
class Saturation(Check):
    """Hidden tanh or sigmoid units of which most outputs lie at the ends of the range.

    Why it matters: at its ends the function is flat, so that next to no gradient gets through and
    the layers before stay as they are.
    May be wrong when: the layer is a gate, which shall be open or shut, or codes bits on purpose.
    References: Glorot & Bengio (2010); Wardat et al. (2022), DeepDiagnosis (half of the values);
    SageMaker Debugger, SaturatedActivation.
    """

    id = "saturation"
    title = "hidden units are saturated"
    cause = Cause.ACTIVATION
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    preview = True
    needs = frozenset({Fact.ACTIVATION_QUANTILES, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.GRAPH, Fact.LOSS})
    explains: ClassVar[frozenset[str]] = frozenset({"loss-flat", "underfitting", "vanishing-grad"})
    fixes = (
        Fix("scale the inputs to about one, and keep the default initializers"),
        Fix("try a learning rate 3 to 10 times lower"),
        Fix("use ReLU or GELU in hidden layers", caution="changes the model"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="saturated tanh sigmoid units {framework}",
        torch="nn.Tanh",
        keras="layers/activations",
    )
    min_share: float = 0.5  # of the outputs of a layer, DeepDiagnosis
    window: int = 5  # observed distributions, the last ones

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        if not waited(history, steps=200, epochs=3):
            return
        hidden = hidden_names(history.run)
        names = history.names(Fact.ACTIVATION_QUANTILES)
        found = []
        for part in activated(history.run, names, frozenset(ENDS)):
            if part.layer.name not in hidden or _gate(history.run, part.layer.name):
                continue
            steps, rows = history.array(
                Fact.ACTIVATION_QUANTILES, part.layer.name, last=self.window
            )
            if len(steps) < self.window or rows.ndim != 2 or not np.isfinite(rows).all():
                continue
            ends = ENDS[part.function]
            low, high = ends[2:] if part.before else ends[:2]
            shares = [share_outside(row, low, high) for row in rows]
            if min(shares) >= self.min_share:
                found.append((float(np.median(shares)), part, int(steps[-1])))
        if not found or stuck(history) is None:
            return
        yield self._found(*max(found, key=lambda one: one[0]), len(found))

    def _found(self, share: float, part: Activated, step: int, layers: int) -> Diagnosis:
        message = f"{percent(share)} of the outputs of {part.layer.label} lie at the ends of "
        message += part.function
        if layers > 1:
            message += f"; {layers} layers are concerned"
        return self.diagnosis(
            message,
            Evidence(
                Fact.ACTIVATION_QUANTILES,
                share,
                limit=self.min_share,
                unit="of the outputs",
                step=step,
                name=part.layer.name,
            ),
            where=Where(layer=part.layer.name),
            location=part.layer.location,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = mlp(20, 32, 32, CLASSES, activation="tanh")
        ends = np.tile([-1, -1, -1, -1, 0.3, 1, 1, 1, 1.0], (320, 1))
        inner = np.tile([-1, -0.9, -0.8, -0.3, 0, 0.3, 0.8, 0.9, 1.0], (320, 1))

        def case(
            rows: np.ndarray, run: RunInfo = run, name: str = "fc1", **more: object
        ) -> History:
            table = {(Fact.ACTIVATION_QUANTILES, name): rows}
            return training(run, facts=table, **more)  # type: ignore[arg-type]  # options

        yield fires("tanh at both ends, and nothing is learned", case(ends))
        sigmoid = mlp(20, 32, 32, CLASSES, activation="sigmoid")
        yield fires("sigmoid at zero", case(np.tile([0] * 7 + [0.2, 0.9], (320, 1)), sigmoid))
        yield quiet("it learns", case(ends, losses=noisy(CHANCE, 0.3)))
        yield quiet("spread over the range", case(inner))
        yield quiet("the output layer", case(ends, name="fc3"))
        yield quiet("one look", case(ends[:1]))
        yield quiet("ReLU has no ends", case(ends, mlp(20, 32, 32, CLASSES)))


def _gate(run: RunInfo, name: str) -> bool:
    """Whether the outputs multiply something: a gate may be open or shut."""
    graph = Graph.of(run)
    if graph is None:
        return False
    readers = [graph.layers.get(reader) for reader in graph.successors(name)]
    return any(
        r is not None and r.kind == "merge" and "mul" in str(r.config.get("function"))
        for r in readers
    )
