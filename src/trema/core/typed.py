"""Values from files and variables, made to fit the default they replace."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Unfit(ValueError):
    """A value of the wrong type; the text says what was expected."""


def fitted(value: Any, default: Any) -> Any:
    """The value in the type of the default.

    A whole number is fine for a fraction, a list for a tuple; nothing else is converted.

    Raises
    ------
    Unfit
        Saying what was expected, as in "a whole number".
    """
    if default is None or (isinstance(value, bool) and isinstance(default, bool)):
        return value
    if isinstance(default, Enum):
        words = [str(one.value) for one in type(default)]
        if value not in words:
            raise Unfit(f"one of {', '.join(words)}")
        return type(default)(value)
    if isinstance(value, bool):
        raise Unfit(expected(default))
    if isinstance(default, bool):
        raise Unfit(expected(default))
    if isinstance(default, float) and isinstance(value, int | float):
        return float(value)
    if isinstance(default, int) and isinstance(value, int):
        return value
    if isinstance(default, str) and isinstance(value, str):
        return value
    if isinstance(default, tuple | frozenset) and isinstance(value, list | tuple | frozenset | set):
        first = next(iter(default), "")
        return type(default)(fitted(one, first) for one in value)
    if isinstance(default, Mapping) and isinstance(value, Mapping):
        return dict(value)
    raise Unfit(expected(default))


def expected(default: Any) -> str:
    """What a value must be, in words."""
    words: tuple[tuple[Any, str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "a text"),
        (tuple | frozenset, "a list"),
        (Mapping, "a table"),
    )
    return next((text for kind, text in words if isinstance(default, kind)), "another value")


def read_word(word: str, default: Any) -> Any:
    """The value that an environment variable means.

    Raises
    ------
    Unfit
        Saying what was expected.
    """
    word = word.strip()
    if isinstance(default, bool):
        if word.lower() not in _YES + _NO:
            raise Unfit("1 or 0")
        return word.lower() in _YES
    if isinstance(default, int | float):
        try:
            return type(default)(word)
        except ValueError:
            raise Unfit(expected(default)) from None
    if isinstance(default, tuple):
        return tuple(part for part in word.replace(",", " ").split() if part)
    return word
