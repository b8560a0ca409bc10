"""The one place that encodes and decodes NaN and ±inf for JSON, which has no words for them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode(value: Any) -> Any:
    """The value as plain JSON data: arrays become lists, NaN and ±inf become strings."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else number_word(value)
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, np.ndarray):
        return encode(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [encode(item) for item in value]
    return str(value)


def short_list(array: np.ndarray) -> list[Any]:
    """An array of measured numbers as nested lists, each rounded to six significant digits.

    Facts are computed in float32, which has about seven; written in full, a float32 as a
    double takes 17. Everything else that is encoded stays exact.
    """
    if array.ndim > 1:
        return [short_list(row) for row in array]
    return [float(f"{value:.6g}") for value in array.reshape(-1).tolist()]


def number_word(value: float) -> str:
    """``nan``, ``inf`` or ``-inf``."""
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def decode(value: Any) -> float:
    """A number from JSON; the three words stand for non-finite values.

    Raises
    ------
    ValueError
        For any other string.
    """
    if isinstance(value, str):
        if value not in _NON_FINITE:
            raise ValueError(f"expected a number, 'nan', 'inf' or '-inf' but got {value!r}")
        return _NON_FINITE[value]
    return float(value)


def decode_array(value: Any) -> np.ndarray:
    """A number or nested list of numbers as float64; the three words stand for non-finite."""
    try:
        return np.asarray(value, dtype=np.float64)  # numpy reads 'nan' and 'inf' itself
    except (ValueError, TypeError):
        return np.asarray([decode(item) for item in value], dtype=np.float64)


def dumps(value: Any, *, indent: int | None = None) -> str:
    """JSON text that every reader accepts: non-finite numbers are strings."""
    separators = (",", ":") if indent is None else None
    return json.dumps(
        encode(value), allow_nan=False, ensure_ascii=False, indent=indent, separators=separators
    )


def show(value: float) -> str:
    """A number for a person: three significant digits, no needless exponent.

    >>> show(0.12345), show(250.0), show(-1000.0), show(3e-07)
    ('0.123', '250', '-1000', '3e-07')
    """
    value = float(value)
    if not math.isfinite(value):
        return number_word(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if abs(value) >= 1000:
        return f"{value:.0f}" if abs(value) < 1e6 else f"{value:.3g}"
    return f"{value:.3g}"


def percent(fraction: float) -> str:
    """A fraction as a percentage: ``0.853`` reads ``85.3 %``."""
    return f"{100 * fraction:.3g} %" if math.isfinite(fraction) else number_word(fraction)
