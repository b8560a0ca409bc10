"""Dropout right before a batch normalization."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.graph import LINEAR_MAPS, Graph
from trema.checks.model.bn_small_batch import is_batch_norm
from trema.checks.sketch import chain, dense, op, relu
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer
from trema.core.history import History

#: What may stand between without ending the effect of dropped values on the variance.
PASSES = frozenset({"reshape", "pooling", "activation", "scale"}) | LINEAR_MAPS


def batch_norm(name: str) -> Layer:
    """A batch normalization for the cases."""
    return Layer(name=name, kind="normalization", class_name="BatchNorm1d")


@register
@dataclass(frozen=True, kw_only=True)
class BnDropoutOrder(Check):
    """Dropout whose output reaches a batch normalization, at most one layer of weights later.

    Why it matters: dropout raises the variance in training only, so that the running variance
    that the normalization keeps does not fit evaluation.
    May be wrong when: the rate is small or layers are wide, which makes the shift small.
    References: Li et al. (2019), Understanding the Disharmony between Dropout and Batch
    Normalization by Variance Shift, arXiv:1801.05134; Nikanjam et al. (2021), NeuraLint.
    """

    id = "bn-dropout-order"
    title = "dropout before batch normalization"
    cause = Cause.ARCHITECTURE
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.LAYERS, Fact.GRAPH})
    fixes = (
        Fix("move dropout behind the last batch normalization", caution="changes the model"),
        Fix("use one of the two", caution="changes the model"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="order of dropout and batch normalization {framework}",
        torch="nn.Dropout",
        keras="layers/regularization_layers/dropout",
    )
    rate: float = 0.2  # of the values; below it the shift is small

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        graph = Graph.of(history.run)
        if graph is None:
            return
        found = [
            (layer, norm)
            for layer in history.run.layers
            if layer.kind == "dropout"
            and float(layer.config.get("rate") or 0.0) >= self.rate
            and (norm := _reached(graph, layer)) is not None
        ]
        if not found:
            return
        layer, norm = found[0]
        more = f"; so do {len(found) - 1} others" if len(found) > 1 else ""
        yield self.diagnosis(
            f"{layer.label} drops {layer.config['rate']} of the values before {norm.label} "
            f"normalizes them over the batch{more}",
            Evidence("rate", float(layer.config["rate"]), limit=self.rate, name=layer.name),
            where=Where(layer=layer.name),
            location=layer.location,
            confidence="possible",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        drop, bn = op("dropout", rate=0.5), batch_norm("bn")
        first, last = dense("fc1", 20, 32, "relu"), dense("fc2", 32, 10)
        yield fires("right before", situation(chain(first, drop, bn, last)))
        between = chain(first, drop, dense("fc", 32, 32), bn, relu("r"), last)
        yield fires("a layer of weights between", situation(between))
        yield quiet("behind", situation(chain(first, bn, relu("r"), drop, last)))
        small = chain(first, op("dropout", rate=0.1), bn, last)
        yield quiet("a small rate", situation(small))
        norm = Layer(name="ln", kind="normalization", class_name="LayerNorm")
        yield quiet("layer normalization", situation(chain(first, drop, norm, last)))
        yield quiet("no normalization", situation(chain(first, drop, last)))


def _reached(graph: Graph, dropout: Layer) -> Layer | None:
    """The batch normalization that reads the dropped values, over at most one linear map."""
    name, maps = dropout.name, 0
    for _ in range(len(graph.layers)):
        after = graph.successors(name)
        if len(after) != 1:
            return None
        name = after[0]
        layer = graph.layers.get(name)
        if layer is None:
            return None
        if is_batch_norm(layer):
            return layer
        maps += layer.kind in LINEAR_MAPS
        if layer.kind not in PASSES or maps > 1:
            return None
    return None
