"""What one observed step showed, in plain numbers, whatever the back end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trema.core.facts import TENSOR_STATISTICS, Fact, Phase, TensorSeen

Values = dict[tuple[Fact, str], Any]

#: The ninth number of a batch tensor and the sixth of an activation: 1 when it holds a NaN.
HAS_NAN = -1
_FACTS = {fact.value: fact for fact in Fact}
ROLE_FACTS = {
    role: [_FACTS.get(f"{role}-{stat}") for stat in TENSOR_STATISTICS]
    for role in ("input", "target", "output")
}
ACTIVATION = (
    Fact.ACTIVATION_MEAN,
    Fact.ACTIVATION_STD,
    Fact.ACTIVATION_ZEROS,
    Fact.ACTIVATION_SATURATED,
    Fact.ACTIVATION_NONFINITE,
)


@dataclass
class Seen:
    """Facts of one training step.

    tensors : role and name to the eight batch statistics and whether a NaN is among the values
    activations : layer to the five activation statistics and the same flag, in call order
    quantiles : distributions by fact and name; on some sampled steps
    shapes : layer to the shape of its output
    bad_weights : parameters that were not finite before the step, to their norm
    """

    tensors: dict[tuple[str, str], Any] = field(default_factory=dict)
    forms: list[tuple[str, str, tuple[int, ...], str]] = field(default_factory=list)
    activations: dict[str, Any] = field(default_factory=dict)
    units: dict[str, Any] = field(default_factory=dict)
    quantiles: dict[tuple[Fact, str], Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    loss: float | None = None
    gradients: dict[str, tuple[float, float]] = field(default_factory=dict)
    bad_weights: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    updates: dict[str, float] = field(default_factory=dict)
    rate: float | None = None
    loss_scale: float | None = None
    head: str | None = None  # the layer whose output the loss reads

    def values(self) -> Values:
        """As facts of a snapshot."""
        values: Values = {}
        if self.loss is not None:
            values[Fact.LOSS, ""] = self.loss
        if self.rate is not None:
            values[Fact.LEARNING_RATE, "0.0"] = self.rate
        if self.loss_scale is not None:
            values[Fact.LOSS_SCALE, ""] = self.loss_scale
        for role, _, shape, _ in self.forms:
            if role == "input" and shape:
                values.setdefault((Fact.BATCH_SIZE, ""), float(shape[0]))
        for (role, name), row in self.tensors.items():
            add_tensor(values, role, name, row)
        for name, row in self.activations.items():
            for fact, number in zip(ACTIVATION, row, strict=False):
                values[fact, name] = float(number)
        for name, units in self.units.items():
            values[Fact.UNIT_MAX, name] = units
        for name, (norm, bad) in self.gradients.items():
            values[Fact.GRADIENT_NORM, name] = norm
            values[Fact.GRADIENT_NONFINITE, name] = bad
        for name, norm in self.weights.items():
            values[Fact.WEIGHT_NORM, name] = norm
            values[Fact.WEIGHT_NONFINITE, name] = float(not math.isfinite(norm))
        for name, norm in self.updates.items():
            values[Fact.UPDATE_NORM, name] = norm
        return values | self.quantiles

    def unscale(self, scale: float) -> None:
        """Take the loss scale out of the gradients."""
        self.loss_scale = scale
        self.gradients = {n: (norm / scale, bad) for n, (norm, bad) in self.gradients.items()}
        for key in self.quantiles:
            if key[0] is Fact.GRADIENT_QUANTILES:
                self.quantiles[key] = self.quantiles[key] / scale

    def origin(self) -> dict[str, Any] | None:
        """The first non-finite tensor in the order of computation, or None."""
        for role in ("input", "target"):
            for (kind, name), row in self.tensors.items():
                if kind == role and row[4] > 0:
                    return _found(role, name, bool(row[HAS_NAN]))
        for name, norm in self.bad_weights.items():
            return _found("parameter", name, math.isnan(norm))
        for name, row in self.activations.items():
            if row[4] > 0:
                return _found("layer", name, bool(row[HAS_NAN]))
        if self.loss is not None and not math.isfinite(self.loss):
            return _found("loss", "", math.isnan(self.loss))
        if self.loss_scale is not None:
            return None  # a scaled gradient may overflow: that step is skipped
        for name in reversed(self.gradients):  # backward visits the last layer first
            norm, bad = self.gradients[name]
            if bad > 0:
                return _found("gradient", name, math.isnan(norm))
        return None


def _found(kind: str, name: str, nan: bool) -> dict[str, Any]:
    return {"kind": kind, "name": name, "value": "nan" if nan else "inf"}


def add_tensor(values: Values, role: str, name: str, row: Any) -> None:
    """The eight statistics of a batch tensor as facts; row sums only where there are any."""
    for fact, number in zip(ROLE_FACTS[role], row, strict=False):
        number = float(number)
        if fact is not None and not (math.isnan(number) and fact.endswith(("max", "min"))):
            values[fact, name] = number


def form(role: str, name: str, phase: Phase, shape: tuple[int, ...], dtype: str, step: int) -> Any:
    """A form in which a tensor came."""
    return TensorSeen(
        role=role,  # type: ignore[arg-type]  # one of the three
        name=name,
        phase=phase,
        shape=shape,
        dtype=dtype,
        step=step,
    )


def named(structure: Any) -> dict[str, Any]:
    """Tensors of a batch by name: ``""`` for the only one, else index or key."""
    if structure is None:
        return {}
    if hasattr(structure, "shape"):
        return {"": structure}
    if isinstance(structure, dict):
        found = {
            f"{key}/{name}" if name else str(key): value
            for key in structure
            for name, value in named(structure[key]).items()
        }
    elif isinstance(structure, list | tuple):
        found = {
            f"{index}/{name}" if name else str(index): value
            for index, part in enumerate(structure)
            for name, value in named(part).items()
        }
    else:
        return {}
    return {"": next(iter(found.values()))} if len(found) == 1 else found


def dtype_name(tensor: Any) -> str:
    """The dtype without the framework's prefix."""
    name = getattr(tensor.dtype, "name", None) or str(tensor.dtype)
    return str(name).removeprefix("torch.")


def finite_array(row: Any) -> Any:
    """A host array of a small device array."""
    return np.asarray(row, dtype=np.float64)
