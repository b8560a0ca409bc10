"""The head of a model as the loss sees it: output function, last linear layer, measured values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trema.checks.graph import LINEAR_MAPS, plain
from trema.core.facts import TRAIN, VALIDATION, Fact, Layer, Phase, RunInfo
from trema.core.history import History

#: A softmax in float16 sums to one within about 0.002 for a thousand classes.
SUM_TOLERANCE = 0.01
EDGE = 1e-3  # rounding at the borders 0 and 1


@dataclass(frozen=True)
class Head:
    """What stands between the last weights and the loss.

    function : ``softmax``, ``log-softmax``, ``sigmoid``, ``relu``, ``linear``, … or None when
        the last operation is not known
    layer : the layer that applies it
    before : an activation right before the output function, with its layer
    last : the last layer with weights
    """

    function: str | None = None
    layer: Layer | None = None
    before: tuple[str, Layer] | None = None
    last: Layer | None = None


def read_head(run: RunInfo) -> Head:
    """The head of the model from :attr:`RunInfo.head`, last layer first."""
    applied: list[tuple[str, Layer]] = []
    for name in run.head:
        layer = run.layer(name)
        if layer is None:
            break
        if layer.kind in LINEAR_MAPS:
            own = layer.config.get("activation")
            if not plain(own):
                applied.append((_word(own), layer))
            return _head(applied, layer)
        function = _function(layer)
        if function is None:
            break
        if function:
            applied.append((function, layer))
    return _head(applied, None)


def _head(applied: list[tuple[str, Layer]], last: Layer | None) -> Head:
    if not applied:
        return Head("linear", last, None, last) if last is not None else Head()
    before = applied[1] if len(applied) > 1 else None
    return Head(applied[0][0], applied[0][1], before, last)


def _function(layer: Layer) -> str | None:
    """The function of a layer without weights: empty when values are only moved, None when
    its effect is not known."""
    if layer.kind in ("softmax", "log-softmax"):
        return layer.kind
    if layer.kind == "activation":
        function = layer.config.get("function")
        return "" if plain(function) else _word(function)
    return "" if layer.kind == "reshape" else None


def _word(activation: object) -> str:
    return str(activation).lower().replace("_", "-").replace("logsoftmax", "log-softmax")


@dataclass(frozen=True)
class Outputs:
    """The output tensor over all observed steps.

    minimum, maximum : over every observed step
    sums : least and greatest row sum, or None where rows are not distributions over classes
    steps : how many were observed
    """

    name: str
    minimum: float
    maximum: float
    sums: tuple[float, float] | None
    steps: int
    first_step: int

    @property
    def within_unit(self) -> bool:
        """Whether every value lies in 0…1."""
        return self.minimum >= -EDGE and self.maximum <= 1 + EDGE

    @property
    def sums_to_one(self) -> bool | None:
        """Whether every row sums to one; None when rows have no such meaning."""
        if self.sums is None:
            return None
        return abs(self.sums[0] - 1) <= SUM_TOLERANCE and abs(self.sums[1] - 1) <= SUM_TOLERANCE


def read_outputs(history: History) -> Outputs | None:
    """The single output tensor as measured, or None when there are several or none."""
    for phase in (TRAIN, VALIDATION):
        names = history.names(Fact.OUTPUT_MIN, phase)
        if len(names) == 1:
            return _outputs(history, names[0], phase)
        if names:
            return None
    return None


def _outputs(history: History, name: str, phase: Phase) -> Outputs | None:
    steps, low = history.array(Fact.OUTPUT_MIN, name, phase)
    _, high = history.array(Fact.OUTPUT_MAX, name, phase)
    low, high, at = _finite(low), _finite(high), steps
    if len(low) == 0 or len(high) == 0:
        return None
    least = _finite(history.array(Fact.OUTPUT_ROW_SUM_MIN, name, phase)[1])
    most = _finite(history.array(Fact.OUTPUT_ROW_SUM_MAX, name, phase)[1])
    sums = None
    if len(least) and len(most) and _rows_are_classes(history, name, phase):
        sums = (float(least.min()), float(most.max()))
    return Outputs(name, float(low.min()), float(high.max()), sums, len(low), int(at[0]))


def _rows_are_classes(history: History, name: str, phase: Phase) -> bool:
    """Row sums run over the last axis; torch has classes on axis 1, so only matrices count."""
    shapes = [t.shape for t in history.tensors("output", phase) if t.name == name]
    if not shapes:
        return history.run.framework != "torch"
    return history.run.framework != "torch" or all(len(shape) == 2 for shape in shapes)


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)] if values.ndim == 1 else np.empty(0)


def several_outputs(history: History) -> bool:
    """Whether the model gives several outputs, so that one loss does not describe them all."""
    return any(len(history.names(Fact.OUTPUT_MIN, phase)) > 1 for phase in (TRAIN, VALIDATION))
