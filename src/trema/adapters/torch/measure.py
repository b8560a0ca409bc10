"""The facts of one observed step, as values by fact and name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from trema.adapters.torch import reduce
from trema.core.facts import TENSOR_STATISTICS, Fact, Phase, TensorSeen
from trema.core.reduce import sample_quantiles
from trema.engine.session import Segment

Values = dict[tuple[Fact, str], float | np.ndarray]

_FACTS = {fact.value: fact for fact in Fact}
_ROLE_FACTS = {
    role: [_FACTS.get(f"{role}-{stat}") for stat in TENSOR_STATISTICS]
    for role in ("input", "target", "output")
}
_ACTIVATION = (
    Fact.ACTIVATION_MEAN,
    Fact.ACTIVATION_STD,
    Fact.ACTIVATION_ZEROS,
    Fact.ACTIVATION_SATURATED,
    Fact.ACTIVATION_NONFINITE,
)


def tensor_facts(
    segment: Segment, step: int, role: str, tensors: Mapping[str, Tensor], phase: Phase
) -> Values:
    """Statistics of the inputs, targets or outputs; new forms are noted in the segment."""
    values: Values = {}
    for name, tensor in tensors.items():
        seen = TensorSeen(
            role=role,  # type: ignore[arg-type]  # one of the three
            name=name,
            phase=phase,
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            step=step,
        )
        segment.seen(seen)
        statistics = reduce.tensor_statistics(tensor).tolist()
        for fact, number in zip(_ROLE_FACTS[role], statistics, strict=True):
            absent = math.isnan(number) and fact is not None and fact.endswith(("max", "min"))
            if fact is not None and not absent:
                values[fact, name] = number
    return values


def layer_facts(activations: Mapping[str, tuple[Tensor, Tensor | None]]) -> Values:
    """Statistics of activations by layer, copied to the host at once.

    activations : layer -> (statistics of shape (5,), greatest value of each unit or None)
    """
    values: Values = {}
    if not activations:
        return values
    table = torch.stack([statistics for statistics, _ in activations.values()]).tolist()
    for name, row in zip(activations, table, strict=True):
        for fact, number in zip(_ACTIVATION, row, strict=True):
            values[fact, name] = number
    units = {name: units for name, (_, units) in activations.items() if units is not None}
    for name, array in zip(units, reduce.to_host(list(units.values())), strict=True):
        values[Fact.UNIT_MAX, name] = array
    return values


def distributions(
    activations: Mapping[str, Tensor], parameters: Sequence[tuple[str, Tensor]]
) -> Values:
    """Quantiles of activations by layer, of weights and gradients by parameter.

    Samples of at most 4,096 values each are copied to the host at once and sorted there: one
    copy and NumPy's sort cost less than a sort on the device for each tensor.

    activations : layer -> sample of its output
    """
    samples = {(Fact.ACTIVATION_QUANTILES, name): part for name, part in activations.items()}
    for name, p in parameters:
        for fact, tensor in ((Fact.WEIGHT_QUANTILES, p), (Fact.GRADIENT_QUANTILES, p.grad)):
            if tensor is not None and (part := reduce.sample(tensor)) is not None:
                samples[fact, name] = part
    arrays = reduce.to_host(list(samples.values()))
    return {key: sample_quantiles(array) for key, array in zip(samples, arrays, strict=True)}


def parameter_facts(
    parameters: Sequence[tuple[str, Tensor]], before: Sequence[Tensor], share: int
) -> Values:
    """Norms of weights, gradients and updates, and non-finite counts, by parameter.

    before : every ``share``-th element of each parameter before the update; empty if not kept
    """
    values: Values = {}
    weights = reduce.numbers(reduce.norms([p for _, p in parameters]))
    for (name, _), norm in zip(parameters, weights, strict=True):
        values[Fact.WEIGHT_NORM, name] = norm
        values[Fact.WEIGHT_NONFINITE, name] = float(not math.isfinite(norm))
    graded = [(name, p.grad) for name, p in parameters if p.grad is not None]
    gradients = reduce.numbers(reduce.norms([g for _, g in graded]))
    for (name, gradient), norm in zip(graded, gradients, strict=True):
        values[Fact.GRADIENT_NORM, name] = norm
        bad = 0.0 if math.isfinite(norm) else float((~torch.isfinite(gradient)).sum())
        values[Fact.GRADIENT_NONFINITE, name] = bad
    if len(before) == len(parameters):
        moved = [part(p, share) - b for (_, p), b in zip(parameters, before, strict=True)]
        for (name, _), norm in zip(parameters, reduce.numbers(reduce.norms(moved)), strict=True):
            values[Fact.UPDATE_NORM, name] = norm * math.sqrt(share)
    return values


def part(p: Tensor, share: int) -> Tensor:
    """Every ``share``-th element of the flattened tensor; all of them for a share of 1."""
    flat = p.detach().reshape(-1)
    return flat if share == 1 else flat[::share]
