"""The reductions of :mod:`trema.core.reduce` in ``keras.ops``, for traced back ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from trema.core.facts import Fact
from trema.core.reduce import SATURATION, sample_quantiles, sample_stride, unit_stride

Key = tuple[Fact, str]

#: Rows of a batch used for activation statistics.
ACTIVATION_ROWS = 16


def is_float(x: Any) -> bool:
    """Whether a tensor holds real floating-point values."""
    name = getattr(x.dtype, "name", None) or str(x.dtype)
    return "float" in str(name)


def tensor_statistics(x: Any) -> Any:
    """The eight batch statistics and whether a NaN is there: shape (9,), float32."""
    v = ops.cast(x, "float32")
    if len(v.shape) == 0:
        v = ops.reshape(v, (1,))
    finite = ops.isfinite(v)
    count = ops.sum(ops.cast(finite, "float32"))
    total = ops.maximum(count, 1.0)
    safe = ops.where(finite, v, ops.zeros_like(v))
    mean = ops.sum(safe) / total
    spread = ops.sum(ops.square(ops.where(finite, v - mean, ops.zeros_like(v)))) / total
    low = ops.min(ops.where(finite, v, ops.full_like(v, float("inf"))))
    high = ops.max(ops.where(finite, v, ops.full_like(v, float("-inf"))))
    size = ops.cast(ops.size(v), "float32")
    integer = ops.cast(ops.all(safe == ops.round(safe)), "float32")
    nan = ops.full((), float("nan"), dtype="float32")
    bad = size - count
    sum_low, sum_high = nan, nan
    if len(v.shape) >= 2 and v.shape[-1] is not None and v.shape[-1] > 1:
        sums = ops.sum(v, axis=-1)
        sum_low = ops.where(bad > 0, nan, ops.min(sums))
        sum_high = ops.where(bad > 0, nan, ops.max(sums))
    head = [ops.where(count > 0, number, nan) for number in (low, high, mean, ops.sqrt(spread))]
    has_nan = ops.cast(ops.any(ops.isnan(v)), "float32")
    integer = ops.where(count > 0, integer, nan)
    return ops.stack([*head, bad, integer, sum_low, sum_high, has_nan])


def activation_statistics(x: Any) -> Any:
    """The five activation statistics and whether a NaN is there: shape (6,), float32."""
    v = ops.cast(x[:ACTIVATION_ROWS], "float32")
    finite = ops.isfinite(v)
    count = ops.sum(ops.cast(finite, "float32"))
    total = ops.maximum(count, 1.0)
    safe = ops.where(finite, v, ops.zeros_like(v))
    mean = ops.sum(safe) / total
    spread = ops.sum(ops.square(ops.where(finite, v - mean, ops.zeros_like(v)))) / total
    zeros = ops.sum(ops.cast(ops.logical_and(v == 0, finite), "float32")) / total
    saturated = ops.sum(ops.cast(ops.abs(safe) > SATURATION, "float32")) / total
    nan = ops.full((), float("nan"), dtype="float32")
    head = [ops.where(count > 0, n, nan) for n in (mean, ops.sqrt(spread), zeros, saturated)]
    bad = ops.cast(ops.size(v), "float32") - count
    # rows beyond the first tell by their sum whether one is not finite
    whole = ops.sum(ops.cast(x, "float32"))
    bad = ops.maximum(bad, ops.cast(ops.logical_not(ops.isfinite(whole)), "float32"))
    return ops.stack([*head, bad, ops.cast(ops.isnan(whole), "float32")])


def unit_max(x: Any, axis: int | None) -> Any:
    """The greatest value of each unit, of wide layers of some; None where there is no such
    axis."""
    if axis is None or len(x.shape) < 2 or not x.shape[axis]:
        return None
    v = ops.cast(x[:ACTIVATION_ROWS], "float32")
    axis %= len(v.shape)
    stride = unit_stride(int(x.shape[axis]))
    if stride > 1:
        v = v[(slice(None),) * axis + (slice(None, None, stride),)]
    return ops.max(v, axis=[i for i in range(len(v.shape)) if i != axis])


class Samples:
    """Values of tensors that quantiles are taken of, joined so that one copy brings them all."""

    def __init__(self) -> None:
        self.lengths: dict[Key, int] = {}
        self._parts: list[Any] = []

    def add(self, fact: Fact, name: str, x: Any) -> None:
        """Sample a tensor; one whose size is not known while tracing is left out."""
        if not is_float(x) or any(size is None for size in x.shape):
            return
        size = math.prod(x.shape)
        stride = sample_stride(size)
        self.lengths[fact, name] = len(range(0, size, stride))
        self._parts.append(ops.cast(ops.reshape(x, (-1,))[::stride], "float32"))

    def joined(self) -> Any:
        """All values: shape (value,), float32."""
        return ops.concatenate(self._parts) if self._parts else ops.zeros((0,))


def distributions(values: Any, lengths: Mapping[Key, int]) -> dict[Key, Any]:
    """The quantiles of joined samples, which are copied to the host at once."""
    ends = np.cumsum(list(lengths.values()))[:-1]
    parts = np.split(ops.convert_to_numpy(values), ends) if lengths else []
    return {key: sample_quantiles(part) for key, part in zip(lengths, parts, strict=True)}


def norms(tensors: Sequence[Any]) -> Any:
    """Euclidean norms: shape (len, ), float32."""
    return ops.stack([ops.sqrt(ops.sum(ops.square(ops.cast(t, "float32")))) for t in tensors])


def bad_counts(tensors: Sequence[Any]) -> Any:
    """How many elements of each are not finite: shape (len,), float32."""
    counts = [
        ops.cast(ops.size(t), "float32") - ops.sum(ops.cast(ops.isfinite(t), "float32"))
        for t in tensors
    ]
    return ops.stack(counts)
