"""A pooling or convolution that takes the features of the layer before it for positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.graph import Graph
from trema.checks.sketch import chain, dense, op
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer
from trema.core.history import History

_READERS = frozenset({"pooling", "conv", "conv-transpose"})
#: Kinds that leave every axis where it is.
_KEEPS = frozenset({"normalization", "activation", "dropout", "scale"})
#: Kinds whose features stand on the last axis.
_LAST = frozenset({"embedding", "recurrent"})
#: What a one-dimensional pooling of PyTorch does inside, without moving an axis.
_INSIDE = frozenset({"Unsqueeze", "Squeeze", "Mean", "MaxPool2DWithIndices", "AvgPool2D"})


@register
@dataclass(frozen=True, kw_only=True)
class ChannelsContradict(Check):
    """A layer expects channels on another axis than the layer before it puts them.

    Why it matters: it pools or convolves over the features of one position, and never over the
    positions; the shapes fit, so that nothing fails.
    May be wrong when: the features are meant to be pooled for every position.
    References: Keras, `data_format`; PyTorch, nn.AdaptiveAvgPool1d (N, C, L).
    """

    id = "channels-contradict"
    title = "features are taken for positions"
    cause = Cause.ARCHITECTURE
    severity = Severity.ERROR
    needs = frozenset({Fact.LAYERS, Fact.GRAPH})
    fixes = (
        Fix("remove `data_format`, so that all layers have the same order"),
        Fix("or move the axis in between: `x.transpose(1, 2)`, `layers.Permute((2, 1))`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="channels_first channels_last pooling 1d embedding {framework}",
        torch="nn.AdaptiveAvgPool1d",
        keras="layers/pooling_layers/global_average_pooling1d",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        graph = Graph.of(history.run)
        if graph is None:
            return
        for layer in history.run.layers:
            wants = layer.config.get("channels")
            if layer.kind not in _READERS or wants is None:
                continue
            before = _layout(graph, layer)
            if before is None or before[1] == wants:
                continue
            yield self.diagnosis(
                f"{layer.label} expects channels {wants}, but {before[0].label} gives them "
                f"{before[1]}: it runs over the features of each position and not over the "
                "positions",
                Evidence(Fact.GRAPH, 1.0, unit="contradictions", name=layer.name),
                where=Where(layer=layer.name),
                location=layer.location or history.run.place("model"),
                confidence="measured",
            )
            return  # what follows is out of order too

    @staticmethod
    def cases() -> Iterator[Case]:
        words = Layer(name="emb", kind="embedding", class_name="Embedding")
        norm = op("normalization", "norm")

        def seen(*between: Layer, channels: str = "first") -> History:
            pool = op("pooling", "pool", channels=channels, function="average")
            return situation(chain(words, *between, pool, dense("fc", 80, 1)))

        inside = Layer(name="mean#1", kind="pooling", class_name="Mean", functional=True)
        first = op("conv", "conv", channels="first")
        yield fires("the mean of each word", seen(norm))
        yield fires("PyTorch without a transpose", seen(inside))
        wrong = chain(first, op("activation", "relu"), op("pooling", "pool", channels="last"))
        yield fires("a pooling of another order than the convolution", situation(wrong))
        yield quiet("channels last throughout", seen(norm, channels="last"))
        yield quiet("an axis is moved in between", seen(op("reshape", "permute")))
        yield quiet("channels first throughout", situation(chain(first, op("pooling", "pool"))))


def _layout(graph: Graph, layer: Layer) -> tuple[Layer, str] | None:
    """The layer before that says where the features stand, and where; None where none does."""
    name = layer.name
    for _ in range(12):
        before = graph.before.get(name, ())
        known = graph.layers.get(before[0]) if len(before) == 1 else None
        if known is None:
            return None
        if known.kind in _LAST:
            return known, "last"
        if known.kind in _READERS and not known.functional:
            channels = known.config.get("channels")
            return (known, str(channels)) if channels else None
        passes = known.kind in _KEEPS or (known.functional and known.class_name in _INSIDE)
        if not passes:
            return None
        name = known.name
    return None
