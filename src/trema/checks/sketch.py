"""Small models in a few words, for the cases of checks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from trema.core.facts import Fact, Layer, LossInfo, OptimizerInfo, RunInfo

#: Facts of a situation: values of one step, or rows of many.
Facts = dict[Fact | tuple[Fact, str], Any]


def op(kind: str, name: str = "", **config: Any) -> Layer:
    """A layer of this kind, named for it unless a name is given."""
    return Layer(name=name or kind, kind=kind, config=config)


def dense(name: str, inputs: int, units: int, activation: str | None = None) -> Layer:
    """A fully connected layer."""
    config = {"inputs": inputs, "units": units, "activation": activation}
    return Layer(name=name, kind="linear", class_name="Dense", config=config)


def conv(
    name: str,
    inputs: int,
    units: int,
    activation: str | None = None,
    *,
    groups: int = 1,
    channels: str = "last",
) -> Layer:
    """A two-dimensional convolution."""
    config = {
        "inputs": inputs,
        "units": units,
        "activation": activation,
        "groups": groups,
        "channels": channels,
    }
    return Layer(name=name, kind="conv", class_name="Conv2D", config=config)


def relu(name: str) -> Layer:
    """A separate ReLU."""
    return Layer(name=name, kind="activation", config={"function": "relu"})


def chain(*layers: Layer, **run: Any) -> RunInfo:
    """A model whose layers follow one another; ``run`` are other fields of RunInfo."""
    names = [layer.name for layer in layers]
    edges = tuple(pairwise(names))
    return RunInfo(**{"layers": layers, "edges": edges, **run})


def optimizer(kind: str, *rates: float, scheduled: bool = False) -> OptimizerInfo:
    """An optimizer with one group for each rate."""
    return OptimizerInfo(name="0", kind=kind, learning_rates=rates, scheduled=scheduled)


def cross_entropy(reads: str, kind: str = "cross-entropy") -> LossInfo:
    """A loss over classes that reads its outputs as logits, probabilities, …"""
    return LossInfo(kind=kind, reads=reads, name=kind)


def classifier(*layers: Layer, loss: LossInfo, head: int = 2, **run: Any) -> RunInfo:
    """A chain with a loss whose head is the last ``head`` layers."""
    names = tuple(layer.name for layer in reversed(layers[-head:]))
    return chain(*layers, loss=loss, head=names, **run)
