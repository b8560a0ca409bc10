"""NumPy reference definition of every reduction.

Adapters compute the same numbers on their device; ``AdapterContract`` compares them with these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: |activation| of tanh above this, or a sigmoid this near to 0 or 1 (scaled to −1…1), passes
#: less than 2 % of the gradient: 1 − 0.99² (tanh), source: derivative of the functions.
SATURATION = 0.99
#: Units of a layer that have a greatest value of their own, at most.
UNITS = 1024


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


def norm(values: ArrayLike) -> float:
    """The Euclidean norm over all elements; NaN or inf when an element is."""
    return float(np.linalg.norm(np.asarray(values, dtype=np.float64).ravel()))


def nonfinite_count(values: ArrayLike) -> int:
    """How many elements are NaN or infinite."""
    x = np.asarray(values)
    return int(x.size - np.isfinite(x).sum())
