"""What a visualizer is, and which there are.

A visualizer is a module with a function ``fit(frames, heads, *, seed, device, report, cache,
**options)`` that gives a :class:`Projector`, and a function ``restore(state, frames, heads)`` that
makes it again; frames and heads may be None there. Options are keyword arguments of ``fit`` with
defaults, or the fields of a dataclass ``Options``, so that ``build(..., method=..., **options)``
can name them. ``VERSION`` changes when results do. Frames come in an order that the samples'
contents decide, so that a method need not care how they stood. A projector is
deterministic: with one seed and one device, fitting twice gives the same numbers.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import MissingExtra, UsageError
from trema.travel.frames import Frames
from trema.travel.heads import Heads

Floats = NDArray[np.float32]
#: Told what is done and how much of the whole, from 0 to 1.
Report = Callable[[str, float], None]

#: The modules of the methods; each has ``fit`` and ``restore``.
METHODS = {
    "trema": "trema.travel.visualizers.neighbours",
    "dvi": "trema.travel.visualizers.dvi",
    "timevis": "trema.travel.visualizers.timevis",
    "pca": "trema.travel.visualizers.pca",
}


@runtime_checkable
class Projector(Protocol):
    """Maps representations to the canvas and back, at each epoch it was fitted to."""

    def project(self, x: Floats, epoch: int) -> Floats:
        """Positions (n, 2) of representations (n, D); a fitted sample lies where it was laid."""

    def invert(self, xy: Floats, epoch: int) -> Floats:
        """Representations (n, D) of positions (n, 2)."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Plain arrays from which ``restore`` of its module makes the same projector."""


@runtime_checkable
class Placed(Protocol):
    """A projector that knows the positions (epoch, sample, 2) of what it was fitted to."""

    positions: Floats


class Growing(Protocol):
    """A projector that takes one more epoch without touching those before."""

    def extended(self, frames: Frames, heads: Heads | None, *, report: Report) -> Projector:
        """The projector of ``frames``, whose last epoch is new."""


def module_of(method: str) -> Any:
    """The module of a method; the extra it needs is named when it is not installed."""
    if method not in METHODS:
        raise UsageError(f"expected a method of {', '.join(METHODS)} but got {method!r}")
    try:
        return importlib.import_module(METHODS[method])
    except ImportError as error:
        raise MissingExtra(f"the method {method!r}", "travel") from error
