"""Biases that a batch normalization right behind takes out again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.graph import Graph, is_linear_map
from trema.checks.model.bn_dropout_order import batch_norm
from trema.checks.model.bn_small_batch import is_batch_norm
from trema.checks.sketch import chain, dense, relu
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class BiasBeforeBn(Check):
    """Layers with a bias whose only reader is a batch normalization.

    Why it matters: the normalization subtracts the mean of each channel, and the bias with it: it
    gets no gradient and has no effect. It costs memory and time only.
    May be wrong when: the normalization is meant to be taken out or frozen later.
    References: Ioffe & Szegedy (2015), arXiv:1502.03167, section 3.2; Nikanjam et al. (2021),
    NeuraLint.
    """

    id = "bias-before-bn"
    title = "a bias before batch normalization"
    cause = Cause.ARCHITECTURE
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.LAYERS, Fact.GRAPH})
    fixes = (Fix("leave the bias out: `use_bias=False` (Keras) or `bias=False` (PyTorch)"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="bias before batch normalization {framework}",
        torch="nn.Conv2d",
        keras="layers/normalization_layers/batch_normalization",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        graph = Graph.of(history.run)
        if graph is None:
            return
        found = [layer for layer in history.run.layers if _in_vain(graph, layer)]
        if not found:
            return
        first = found[0]
        message = f"the bias of {first.label} has no effect, for a batch normalization follows"
        if len(found) > 1:
            message += f"; so it is with {len(found) - 1} other layers"
        yield self.diagnosis(
            message,
            Evidence("biases", len(found), limit=0, unit="layers", name=first.name),
            where=Where(layer=first.name),
            location=first.location,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        bn, last = batch_norm("bn"), dense("fc2", 32, 10)
        with_bias = _biased(dense("fc1", 20, 32))
        yield fires("right before", situation(chain(with_bias, bn, relu("r"), last)))
        two = chain(with_bias, bn, _biased(dense("fc3", 32, 32)), batch_norm("bn2"), last)
        yield fires("two of them", situation(two))
        yield quiet("without a bias", situation(chain(dense("fc1", 20, 32), bn, last)))
        active = chain(_biased(dense("fc1", 20, 32, "relu")), bn, last)
        yield quiet("an activation between", situation(active))
        norm = Layer(name="ln", kind="normalization", class_name="LayerNorm")
        yield quiet("layer normalization", situation(chain(with_bias, norm, last)))


def _biased(layer: Layer) -> Layer:
    return Layer(name=layer.name, kind=layer.kind, config={**layer.config, "bias": True})


def _in_vain(graph: Graph, layer: Layer) -> bool:
    if not is_linear_map(layer) or layer.config.get("bias") is not True:
        return False
    after = graph.successors(layer.name)
    reader = graph.layers.get(after[0]) if len(after) == 1 else None
    return reader is not None and is_batch_norm(reader)
