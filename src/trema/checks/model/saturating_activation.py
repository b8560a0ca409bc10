"""Sigmoid or tanh in many hidden layers of a network that does not learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.graph import Graph
from trema.checks.kernels import activation_of, hidden_names
from trema.checks.progress import stuck
from trema.checks.sketch import dense, op
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training, with_weights
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity, Where
from trema.core.facts import Fact, Layer
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class SaturatingActivation(Check):
    """Three sigmoid or five tanh hidden layers without normalization or residual connections,
    while the loss stays at that of a constant prediction.

    Why it matters: sigmoid passes at most a quarter of the gradient and is never centred on zero;
    over several layers nothing is left for the first ones.
    May be wrong when: the loss is stuck for another reason.
    References: Glorot & Bengio (2010), section 3; Zhang et al. (2021), AUTOTRAINER; Goodfellow et
    al. (2016), Deep Learning, section 6.3.2.
    """

    id = "saturating-activation"
    title = "squashing activations in deep hidden layers"
    cause = Cause.ACTIVATION
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.LAYERS, Fact.LOSS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.GRAPH, Fact.METRIC})
    explains: ClassVar[frozenset[str]] = frozenset(
        {"loss-flat", "saturation", "underfitting", "vanishing-grad"}
    )
    fixes = (
        Fix("use ReLU or GELU in hidden layers", caution="changes the model"),
        Fix("put a normalization before each activation", caution="changes the model"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="sigmoid hidden layers vanishing gradient {framework}",
        torch="nn.ReLU",
        keras="layers/activations",
    )
    sigmoids: int = 3  # hidden layers
    tanhs: int = 5

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        run = history.run
        graph, hidden = Graph.of(run), hidden_names(run)
        if any(_eases(layer) for layer in run.layers):
            return
        limits = {"sigmoid": self.sigmoids, "tanh": self.tanhs}
        for function, limit in limits.items():
            own = [
                layer
                for layer in run.layers
                if activation_of(layer) == function
                and layer.kind != "recurrent"
                and layer.name in hidden
                and not _multiplies(graph, layer)
            ]
            if len(own) < limit or stuck(history) is None:
                continue
            first = own[0]
            yield self.diagnosis(
                f"{len(own)} hidden layers use {function}, from {first.label} on, without a "
                "normalization between, and the loss stays at that of a constant prediction",
                Evidence("squashing-layers", len(own), limit=limit, unit="layers"),
                where=Where(layer=first.name),
                location=first.location,
            )
            return

    @staticmethod
    def cases() -> Iterator[Case]:
        def deep(activation: str, count: int) -> History:
            return training(mlp(20, *[32] * count, CLASSES, activation=activation))

        yield fires("five sigmoid layers", deep("sigmoid", 5))
        yield fires("six tanh layers", deep("tanh", 6))
        yield quiet("two sigmoid layers", deep("sigmoid", 2))
        yield quiet("four tanh layers", deep("tanh", 4))
        yield quiet("ReLU", deep("relu", 6))
        run = mlp(20, *[32] * 5, CLASSES, activation="sigmoid")
        yield quiet("it learns", training(run, noisy(CHANCE, 0.4)))
        normal = [
            layer
            for i in range(4)
            for layer in (dense(f"fc{i}", 32, 32, "sigmoid"), op("normalization", f"n{i}"))
        ]
        yield quiet("normalized", training(with_weights(*normal, dense("out", 32, 10))))


def _eases(layer: Layer) -> bool:
    """A normalization or a sum of branches keeps gradients alive."""
    function = str(layer.config.get("function", ""))
    return layer.kind == "normalization" or (layer.kind == "merge" and "add" in function)


def _multiplies(graph: Graph | None, layer: Layer) -> bool:
    return graph is not None and any(
        graph.kind(reader) == "merge" for reader in graph.successors(layer.name)
    )
