"""NumPy reference definition of every reduction.

Adapters compute the same numbers on their device; ``AdapterContract`` compares them with these.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: |activation| of tanh above this, or a sigmoid this near to 0 or 1 (scaled to −1…1), passes
#: less than 2 % of the gradient: 1 − 0.99² (tanh), source: derivative of the functions.
SATURATION = 0.99
#: The quantiles that describe a distribution, from the least to the greatest value.
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
#: Values of a tensor that its quantiles are taken of, at most.
SAMPLE = 4096
#: Units of a layer that have a greatest value of their own, at most.
UNITS = 1024

_QUANTILES = np.array(QUANTILES)


def tensor_statistics(values: ArrayLike) -> NDArray[np.float64]:
    """min, max, mean, std, nonfinite, integer, row-sum-min, row-sum-max of a batch tensor.

    Parameters
    ----------
    values : array of shape (batch, …), any numeric dtype

    Returns
    -------
    ndarray of shape (8,), float64
        min, max, mean and standard deviation (population) over the finite values; the count of
        non-finite values; 1.0 if all finite values are integers; the least and greatest sum over
        the last axis (NaN when the tensor has one axis or a last axis of one). With no finite
        value the first four are NaN.
    """
    x = np.asarray(values).astype(np.float64)
    finite = np.isfinite(x)
    good = x[finite]
    out = np.full(8, np.nan)
    out[4] = x.size - good.size
    if good.size:
        out[:4] = good.min(), good.max(), good.mean(), good.std()
        out[5] = float((good == np.round(good)).all())
    if x.ndim >= 2 and x.shape[-1] > 1 and good.size == x.size and x.size:
        sums = x.sum(axis=-1)
        out[6:] = sums.min(), sums.max()
    return out


def activation_statistics(values: ArrayLike) -> NDArray[np.float64]:
    """mean, std, zero fraction, saturated fraction, non-finite count of an activation.

    Mean and standard deviation are over finite values; the zero fraction counts exact zeros;
    the saturated fraction counts \\|x\\| > :data:`SATURATION` and is meant for tanh and for
    sigmoid outputs mapped to −1…1.
    """
    x = np.asarray(values, dtype=np.float64)
    good = x[np.isfinite(x)]
    if not good.size:
        return np.array([np.nan, np.nan, np.nan, np.nan, float(x.size)])
    return np.array(
        [
            good.mean(),
            good.std(),
            (good == 0).mean(),
            (np.abs(good) > SATURATION).mean(),
            float(x.size - good.size),
        ]
    )


def unit_max(values: ArrayLike, axis: int) -> NDArray[np.float64]:
    """The greatest value of each unit over batch and positions.

    Parameters
    ----------
    values : array of shape (batch, …)
    axis : the axis of the units (features, or channels of a convolution)

    Returns
    -------
    ndarray of shape (unit,), float64
        One for every unit; of more than :data:`UNITS` units only every
        :func:`unit_stride`-th.
    """
    x = np.moveaxis(np.asarray(values, dtype=np.float64), axis, -1)
    x = x[..., :: unit_stride(x.shape[-1])]
    return np.asarray(x.reshape(-1, x.shape[-1]).max(axis=0))


def unit_stride(units: int) -> int:
    """The smallest stride that leaves at most :data:`UNITS` units."""
    return max(1, -(-units // UNITS))


def quantiles(values: ArrayLike) -> NDArray[np.float64]:
    """The distribution of a tensor: its quantiles at :data:`QUANTILES`.

    They are of the finite values of a fixed sample, every :func:`sample_stride`-th value in C
    order; least and greatest are of the sample too. Nothing is drawn.

    Returns
    -------
    ndarray of shape (9,), float64
        Interpolated linearly between neighbours; NaN when no value of the sample is finite.
    """
    flat = np.asarray(values).reshape(-1)
    return sample_quantiles(flat[:: sample_stride(flat.size)])


def sample_stride(size: int) -> int:
    """The smallest stride that leaves at most :data:`SAMPLE` values and has no divisor in common
    with the size, so that every unit, channel and position is met equally often."""
    stride = max(1, -(-size // SAMPLE))
    while math.gcd(stride, size) > 1:
        stride += 1
    return stride


def sample_quantiles(sample: NDArray[np.number]) -> NDArray[np.float64]:
    """The quantiles of a sample of shape (value,) that was taken already."""
    x = sample[np.isfinite(sample)]
    if not x.size:
        return np.full(len(QUANTILES), np.nan)
    x.sort()
    place = _QUANTILES * (x.size - 1)
    low = place.astype(np.intp)
    least = x[low].astype(np.float64)
    most = x[np.minimum(low + 1, x.size - 1)].astype(np.float64)
    between = place - low
    # no difference is taken: it would overflow between extreme numbers of both signs
    return np.asarray(least * (1 - between) + most * between)


def norm(values: ArrayLike) -> float:
    """The Euclidean norm over all elements; NaN or inf when an element is."""
    return float(np.linalg.norm(np.asarray(values, dtype=np.float64).ravel()))


def nonfinite_count(values: ArrayLike) -> int:
    """How many elements are NaN or infinite."""
    x = np.asarray(values)
    return int(x.size - np.isfinite(x).sum())
