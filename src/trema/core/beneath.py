"""Arrays that a user's data set keeps in its attributes; none of its code is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

#: How inputs and targets are often called, in this order.
_INPUTS = ("data", "x", "X", "inputs", "images", "features", "samples", "sequences")
_TARGETS = ("targets", "y", "Y", "labels", "target", "label")


def arrays_beneath(
    dataset: object, as_array: Callable[[Any], np.ndarray | None], size: int | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Inputs and targets that a data set holds, when exactly one array can be each of them.

    Parameters
    ----------
    as_array : an attribute as a numeric array without a copy, or None
    size : samples of the data set, which both must have; None when it is not known
    """
    try:
        attributes = vars(dataset)
    except TypeError:
        return None
    found: dict[str, np.ndarray] = {}
    for name, value in list(attributes.items()):
        if isinstance(value, str | bytes | int | float | bool) or not hasattr(value, "shape"):
            continue
        array = as_array(value)
        if array is not None and array.ndim and len(array) > 1:
            found[name.strip("_")] = array
    sizes = {len(array) for array in found.values()}
    if size is not None:
        found = {name: array for name, array in found.items() if len(array) == size}
    elif len(sizes) != 1:
        return None
    y = [n for n in found if _is_target(found[n])]
    x = [n for n in found if n not in y and found[n].ndim >= 2]
    inputs = x if len(x) == 1 else [n for n in _INPUTS if n in x][:1]
    targets = y if len(y) == 1 else [n for n in _TARGETS if n in y][:1]
    if len(inputs) != 1 or len(targets) != 1:
        return None
    return found[inputs[0]], found[targets[0]]


def _is_target(array: np.ndarray) -> bool:
    return array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
