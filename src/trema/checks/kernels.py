"""The weight matrices of a model in the order in which it computes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.checks.graph import LINEAR_MAPS, Graph
from trema.core.facts import Fact, Layer, Parameter, RunInfo
from trema.core.history import History

#: Kinds of layers whose parameters of two axes or more multiply what comes in.
WEIGHTED = LINEAR_MAPS | {"recurrent", "attention"}


@dataclass(frozen=True)
class Kernel:
    """One trainable weight matrix.

    fan_in : values that each unit adds up, or None where the layer does not tell
    """

    parameter: Parameter
    layer: Layer
    fan_in: int | None

    @property
    def name(self) -> str:
        """The name of the parameter."""
        return self.parameter.name

    @property
    def size(self) -> int:
        """How many weights."""
        return math.prod(self.parameter.shape)


def kernels(run: RunInfo) -> list[Kernel]:
    """Every trainable weight matrix of linear, convolutional, recurrent and attention layers."""
    by_layer: dict[str, list[Parameter]] = {}
    for parameter in run.parameters:
        if parameter.layer is not None and parameter.trainable and len(parameter.shape) >= 2:
            by_layer.setdefault(parameter.layer, []).append(parameter)
    return [
        Kernel(parameter, layer, _fan_in(layer))
        for layer in run.layers
        if layer.kind in WEIGHTED
        for parameter in by_layer.get(layer.name, ())
    ]


def _fan_in(layer: Layer) -> int | None:
    inputs, groups = layer.config.get("inputs"), layer.config.get("groups", 1) or 1
    if layer.kind not in ("linear", "conv") or not isinstance(inputs, int):
        return None
    kernel: tuple[int, ...] = tuple(layer.config.get("kernel", ()))
    return max(1, inputs * math.prod(kernel) // int(groups))


def hidden_names(run: RunInfo) -> frozenset[str]:
    """Names of the layers that some later layer of weights reads."""
    graph = Graph.of(run)
    weighted = [layer.name for layer in run.layers if layer.kind in WEIGHTED]
    if graph is not None:
        return frozenset(graph.upstream(weighted))
    names = [layer.name for layer in run.layers]
    last = max((names.index(name) for name in weighted), default=0)
    return frozenset(names[:last])


def series(
    history: History, fact: Fact, kernel: Kernel, last: int | None = None
) -> NDArray[np.float64]:
    """The finite values of a fact of this parameter, oldest first."""
    _, values = history.array(fact, kernel.name, last=last)
    return values[np.isfinite(values)] if values.ndim == 1 else np.empty(0)


def update_ratios(history: History, kernel: Kernel, last: int) -> NDArray[np.float64]:
    """Norm of the update over norm of the weights at the last observed steps; steps in which
    the weights are zero are left out."""
    _, updates = history.array(Fact.UPDATE_NORM, kernel.name, last=last)
    _, weights = history.array(Fact.WEIGHT_NORM, kernel.name, last=last)
    size = min(len(updates), len(weights))
    if not size:
        return np.empty(0)
    updates, weights = updates[-size:], weights[-size:]
    keep = np.isfinite(updates) & np.isfinite(weights) & (weights > 0)
    return np.asarray(updates[keep] / weights[keep])


def total_gradients(history: History, last: int | None = None) -> NDArray[np.float64]:
    """The norm of the whole gradient at observed steps, oldest first; empty when parameters
    were observed at different steps."""
    total: NDArray[np.float64] | None = None
    for name in history.names(Fact.GRADIENT_NORM):
        _, norms = history.array(Fact.GRADIENT_NORM, name, last=last)
        if norms.ndim != 1 or (total is not None and len(norms) != len(total)):
            return np.empty(0)
        total = norms**2 if total is None else total + norms**2
    if total is None:
        return np.empty(0)
    return np.sqrt(total[np.isfinite(total)])


def activation_of(layer: Layer) -> str | None:
    """The activation that a layer applies: its own function or one built in; else None."""
    key = "function" if layer.kind == "activation" else "activation"
    value = layer.config.get(key)
    return None if value is None else str(value).lower()


def activated(run: RunInfo, names: tuple[str, ...], wanted: frozenset[str]) -> Iterator[Activated]:
    """Layers with facts whose output, or whose only reader, is one of these activations.

    names : layers that were observed
    """
    graph = Graph.of(run)
    observed = set(names)
    for name in names:
        layer = run.layer(name)
        if layer is None:
            continue
        own = activation_of(layer)
        if own in wanted:
            yield Activated(layer, own, before=False)
        elif graph is not None and layer.kind in LINEAR_MAPS:
            after = set(graph.successors(name))
            readers = [run.layer(follower) for follower in after]
            functions = {activation_of(r) for r in readers if r is not None}
            unseen = not after & observed  # a functional activation is not observed itself
            if len(functions) == 1 and len(readers) == len(after) and unseen:
                (function,) = functions
                if function in wanted:
                    yield Activated(layer, str(function), before=True)


@dataclass(frozen=True)
class Activated:
    """A layer with an activation; ``before``: its facts are of the values before it."""

    layer: Layer
    function: str
    before: bool
