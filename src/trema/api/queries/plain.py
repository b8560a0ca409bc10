"""Values out of records as what they should be: a training script wrote them, so any may be odd.

Each function gives a value of its type and of a bounded size, or None (or an empty one).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.api.models import Number
from trema.core.numbers import number_word

WORD = 500  # characters of a name
SENTENCES = 20_000  # characters of a message
ITEMS = 100  # of a list that a card shows
_WORDS = ("nan", "inf", "-inf")
_SAFE = 2**53  # integers beyond are not exact in a browser
_DEPTH = 6
_WEB = re.compile(r"https?://[^\s\x00-\x20]{1,4000}")


def text(value: Any, limit: int = WORD) -> str:
    """The value as a string; empty when it is no scalar."""
    if isinstance(value, str):
        # a lone surrogate cannot be sent as UTF-8
        return value[:limit].encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)[:limit]
    return ""


def maybe_text(value: Any, limit: int = WORD) -> str | None:
    """The value as a string, None when it is missing or empty."""
    return text(value, limit) or None


def whole(value: Any) -> int | None:
    """The value when it is an integer that a browser keeps exactly."""
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _SAFE
    return value if fits else None


def count(value: Any, default: int = 0) -> int:
    """The value when it is an integer of 0 or more, else the default."""
    number = whole(value)
    return number if number is not None and number >= 0 else default


def real(value: Any) -> float | None:
    """The value when it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def number(value: Any) -> Number | None:
    """The value when it is a number, or one of the words for NaN and ±inf."""
    if isinstance(value, str):
        return value if value in _WORDS else None  # type: ignore[return-value]  # one of the words
    if isinstance(value, float) and not math.isfinite(value):
        return word(value)
    return real(value)


def word(value: float) -> Number:
    """A number as the API has it."""
    return value if math.isfinite(value) else number_word(value)  # type: ignore[return-value]  # a word


def numbers(values: NDArray[np.float64]) -> list[Number]:
    """Numbers as the API has them."""
    plain: list[Any] = values.tolist()
    if not np.isfinite(values).all():
        return [word(value) for value in plain]
    return plain


def mapping(value: Any) -> Mapping[str, Any]:
    """The value when it is an object of JSON, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any, limit: int = ITEMS) -> Sequence[Any]:
    """The first items of a list; empty when it is none."""
    return value[:limit] if isinstance(value, list | tuple) else ()


def words(value: Any, limit: int = ITEMS) -> list[str]:
    """The strings in a list."""
    return [text(item) for item in sequence(value, limit) if isinstance(item, str)]


def bounded(value: Any, depth: int = _DEPTH) -> Any:
    """JSON data with long lists, long strings and deep nesting cut."""
    if isinstance(value, str):
        return text(value, SENTENCES)
    if isinstance(value, float) and not math.isfinite(value):
        return word(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        return None
    if isinstance(value, Mapping):
        items = list(value.items())[:ITEMS]
        return {text(str(key)): bounded(item, depth - 1) for key, item in items}
    return [bounded(item, depth - 1) for item in sequence(value)]


def encoded(value: Any, depth: int = 50) -> Any:
    """JSON data as it is, but for what cannot be sent: lone surrogates, NaN, endless nesting."""
    if isinstance(value, str):
        return text(value, len(value))
    if isinstance(value, float) and not math.isfinite(value):
        return word(value)
    if isinstance(value, Mapping):
        return {
            text(str(key)): encoded(item, depth - 1) if depth else None
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [encoded(item, depth - 1) for item in value] if depth else None
    return value if value is None or isinstance(value, bool | int | float) else text(str(value))


def web_link(value: Any) -> str | None:
    """The value when it is an address of the web: no ``javascript:`` gets through."""
    return value if isinstance(value, str) and _WEB.fullmatch(value) else None
