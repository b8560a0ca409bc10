"""What a caller gives to ``build`` beside representations and heads, checked before any work."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UnknownOption, UsageError, did_you_mean
from trema.travel.frames import LARGEST, Frames, plain

#: Samples without which an epoch has no neighbours and no spread.
LEAST = 2

#: Options of which there must be one.
_COUNTS = ("neighbours", "repeats")


def numbers_of(given: ArrayLike, what: str) -> NDArray[np.float32]:
    """What a caller gives as numbers, in float32."""
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which the caller judges
            return np.asarray(plain(given), dtype=np.float32)
    except (TypeError, ValueError):
        raise UsageError(f"expected {what} as numbers but got {type(given).__name__}") from None


def whole_of(given: Any, what: str) -> int:
    """What a caller gives as a whole number: what ``operator.index`` takes."""
    try:
        return operator.index(given)
    except TypeError:
        raise UsageError(f"{what} must be a whole number but got {given!r}") from None


def labels_of(labels: ArrayLike | None, samples: int) -> NDArray[Any] | None:
    """Labels (sample, …) as numbers or unicode strings; never as Python objects."""
    if labels is None:
        return None
    try:
        given = np.asarray(plain(labels))
    except ValueError:
        raise UsageError("expected labels as numbers but got rows of unequal lengths") from None
    if given.ndim == 0 or len(given) != samples:
        count = len(given) if given.ndim else "one number"
        raise UsageError(f"expected {samples} labels but got {count}")
    if given.dtype.kind in "biufUS":
        return given
    if all(isinstance(label, str) for label in given.ravel().tolist()):
        return given.astype(np.str_)
    raise UsageError(f"expected labels that are numbers or strings but got {given.dtype}")


def epochs_of(epochs: Sequence[int] | None, count: int, *, ascending: bool = True) -> list[int]:
    """The epochs' own numbers, strictly ascending; 0, 1, … unless they are said.

    ascending : False for movies that were saved before this was asked
    """
    if epochs is None:
        return list(range(count))
    listed = list(epochs) if isinstance(epochs, Iterable) else [epochs]
    if len(listed) != count:
        raise UsageError(f"expected {count} numbers of epochs but got {len(listed)}")
    try:
        numbers = [operator.index(number) for number in listed]
    except TypeError:
        raise UsageError(f"expected whole numbers of epochs but got {listed}") from None
    for first, second in pairwise(numbers):
        if ascending and second <= first:
            raise UsageError(
                f"expected strictly ascending numbers of epochs but {second} comes after {first}: "
                "give the epochs in their order, each once"
            )
    return numbers


def next_epoch(epochs: Sequence[int], number: int | None) -> int:
    """The number of one more epoch: as said, else as far on as the last is from the one before."""
    if number is None:
        return epochs[-1] + (epochs[-1] - epochs[-2] if len(epochs) > 1 else 1)
    said = whole_of(number, "epoch")
    if said <= epochs[-1]:
        raise UsageError(f"expected an epoch after {epochs[-1]} but got {said}")
    return said


def seed_of(seed: Any) -> int:
    """A seed that generators take."""
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise UsageError(f"seed must be a whole number of at least 0 but got {seed!r}")
    return number


def enough(frames: Frames, epochs: Sequence[int], since: int = 0) -> None:
    """Refuse epochs, counted from ``since``, in which hardly a representation is finite."""
    few = np.flatnonzero(frames.finite[since:].sum(axis=1) < LEAST) + since
    if len(few):
        numbers = ", ".join(str(epochs[at]) for at in few.tolist())
        none = not frames.finite[few].any()
        large = any(frames.large(at) for at in few.tolist())
        raise UsageError(
            f"{'no representation is' if none else 'fewer than two representations are'} finite "
            f"at {'epoch' if len(few) == 1 else 'epochs'} {numbers}: leave "
            f"{'it' if len(few) == 1 else 'them'} out"
            + (f", or scale down what is beyond {LARGEST:g}" if large else "")
        )


def options_of(module: Any, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options that the method has, of the kind that it takes."""
    known = _defaults(module)
    for name, value in given.items():
        if not known:
            raise UnknownOption(f"the method {method!r} has no options but got {name!r}")
        if name not in known:
            hint = did_you_mean(name, known)
            raise UnknownOption(f"the method {method!r} has no option {name!r}: {hint}")
        kind = int if isinstance(known[name], int) else Real
        wrong = isinstance(value, bool) or not isinstance(value, (kind, np.integer))
        least = 1 if name in _COUNTS else 0
        if wrong or not np.isfinite(value) or value < least:
            whole = "whole " if kind is int else ""
            raise UsageError(
                f"option {name} must be a {whole}number of at least {least} but got {value!r}"
            )
    return dict(given)


def _defaults(module: Any) -> dict[str, Any]:
    """The options of a method and their defaults: of ``fit``, or the fields of ``Options``."""
    if hasattr(module, "Options"):
        return {field.name: field.default for field in fields(module.Options)}
    parameters = inspect.signature(module.fit).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
