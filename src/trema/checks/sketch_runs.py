"""Small trainings in a few words, for the cases of checks about dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import situation
from trema.checks.sketch import Facts, cross_entropy, dense, optimizer
from trema.core.facts import Fact, Layer, Parameter, RunInfo, TensorSeen
from trema.core.history import History

CLASSES = 10
CHANCE = float(np.log(CLASSES))


def mlp(*units: int, activation: str | None = "relu", **run: Any) -> RunInfo:
    """A classifier of dense layers `fc1`, `fc2`, … with their weights and an optimizer; the
    last one has no activation."""
    sizes = list(pairwise(units))
    layers = tuple(
        dense(f"fc{i}", low, high, activation if i < len(sizes) else None)
        for i, (low, high) in enumerate(sizes, 1)
    )
    return with_weights(*layers, **run)


def with_weights(*layers: Layer, **run: Any) -> RunInfo:
    """A chain of layers in which each linear map owns `NAME.weight` and `NAME.bias`."""
    names = [layer.name for layer in layers]
    given = {
        "layers": layers,
        "edges": tuple(pairwise(names)),
        "parameters": tuple(p for layer in layers for p in _weights(layer)),
        "optimizers": (optimizer("adam", 1e-3),),
        "loss": cross_entropy("logits"),
        "framework": "torch",
    }
    return RunInfo(**{**given, **run})


def _weights(layer: Layer) -> tuple[Parameter, ...]:
    units, inputs = layer.config.get("units"), layer.config.get("inputs")
    if units is None or inputs is None:
        return ()
    own: dict[str, Any] = {"dtype": "float32", "layer": layer.name, "groups": ("0.0",)}
    kernel = tuple(layer.config.get("kernel", ()))
    return (
        Parameter(name=f"{layer.name}.weight", shape=(units, inputs, *kernel), **own),
        Parameter(name=f"{layer.name}.bias", shape=(units,), **own),
    )


def noisy(
    start: float, end: float | None = None, *, steps: int = 320, noise: float = 0.03, seed: int = 0
) -> NDArray[np.float64]:
    """Losses that fall like an exponential from ``start`` to ``end``, with relative noise."""
    end = start if end is None else end
    level = end + (start - end) * np.exp(-5 * np.arange(steps) / steps)
    return level * (1 + noise * np.random.default_rng(seed).standard_normal(steps))


def training(
    run: RunInfo | None = None,
    losses: NDArray[Any] | list[float] | None = None,
    facts: Mapping[Any, Any] | None = None,
    *,
    epochs: int = 4,
    finished: bool = True,
    batch: int = 32,
    **more: Any,
) -> History:
    """A classifier of ten classes whose losses are these; by default it stays at chance."""
    run = mlp(20, 32, 32, CLASSES) if run is None else run
    losses = noisy(CHANCE) if losses is None else np.asarray(losses, dtype=np.float64)
    means = [float(np.nanmean(part)) for part in np.array_split(losses, epochs)] if epochs else []
    width = more.pop("classes", CLASSES)
    output = TensorSeen(
        role="output", name="", phase="train", shape=(batch, width), dtype="float32", step=0
    )
    table: Facts = {Fact.LOSS: losses, Fact.BATCH_SIZE: np.full(len(losses), float(batch))}
    return situation(
        run,
        facts={**table, **(facts or {})},
        metrics={"loss": means, **more.pop("metrics", {})},
        tensors=[output, *more.pop("tensors", ())],
        finished=finished,
        **more,
    )
