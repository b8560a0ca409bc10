"""Exceptions that Trema raises to its callers, never inside a training loop.

TremaError
├── UsageError            a call that cannot be right: says what was expected, what came, what to do
│   ├── UnknownOption     a setting that does not exist
│   ├── UnknownCheck      a check id that does not exist
│   └── RunActive         the run is still being written, so it cannot be deleted
├── MissingExtra          an optional dependency is not installed; names the install command
├── NotAllowed            the caller may read but not do this
└── NotFound              nothing of this name or id
    └── RunNotFound       no run of this name or id in the folder
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TremaError(Exception):
    """Base of everything that Trema raises on purpose."""


class UsageError(TremaError, ValueError):
    """A call that cannot be right."""


class UnknownOption(UsageError):
    """A setting that does not exist."""


class UnknownCheck(UsageError):
    """A check id that does not exist."""


class RunActive(UsageError):
    """The run is still being written."""


class MissingExtra(TremaError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed: run pip install 'trema[{extra}]'"
        )


class NotAllowed(TremaError):
    """The caller may read but not do this."""


class NotFound(TremaError, LookupError):
    """Nothing of this name or id."""


class RunNotFound(NotFound):
    """No run of this name or id."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A closing clause that names the nearest known word, or all of them when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(names)}"
