"""What the checks of the training loop share: the facts of :data:`LOOP_NAMES`, and cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import situation
from trema.core.facts import LOOP_NAMES, TRAIN, Fact, Observation, Phase, RunInfo
from trema.core.history import History


def loop_values(
    history: History, name: str, phase: Phase = TRAIN
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps (n,) and values (n,) of one number of the loop, oldest first."""
    return history.array(Fact.LOOP, name, phase)


def share_of(history: History, name: str, least: float = 0.5) -> tuple[int, float]:
    """Number of observed steps, and the share of them whose value is at least ``least``."""
    _, values = loop_values(history, name)
    return len(values), float((values >= least).mean()) if len(values) else 0.0


def first_value(history: History, name: str) -> float | None:
    """The value at the very first step; None when it was not observed there."""
    steps, values = loop_values(history, name)
    return float(values[0]) if len(steps) and steps[0] == 0 else None


def said(history: History, kind: str) -> dict[str, Any] | None:
    """The newest observation of the loop of this kind."""
    found = [o.data for o in history.observations(Fact.LOOP) if o.data.get("kind") == kind]
    return dict(found[-1]) if found else None


def wiring(history: History) -> dict[str, Any] | None:
    """The newest observation of parameters and their optimizers."""
    found = history.observations(Fact.WIRING)
    return dict(found[-1].data) if found else None


def looped(
    run: RunInfo | None = None,
    *,
    steps: int = 20,
    validation: dict[str, Sequence[float]] | None = None,
    said: Sequence[dict[str, Any]] = (),
    wiring: dict[str, Any] | None = None,
    facts: dict[Any, Any] | None = None,
    finished: bool = False,
    **numbers: Any,  # float, or one for each step
) -> History:
    """A history of a loop, for cases: a number stands for every step; ``_`` stands for ``-``."""
    table: dict[Any, Any] = dict(facts or {})
    if steps:
        numbers = {"backwards": 1.0, "closure": 0.0, "late": 0.0} | numbers
    for key, value in numbers.items():
        name = key.replace("_", "-")
        if name not in LOOP_NAMES:
            raise ValueError(f"{name!r} is no number of the loop")
        rows = [value] * steps if isinstance(value, int | float) else list(value)
        table[Fact.LOOP, name] = rows
    observations = [Observation(fact=Fact.LOOP, step=0, epoch=0, data=data) for data in said]
    if wiring is not None:
        observations.append(Observation(fact=Fact.WIRING, step=5, epoch=0, data=wiring))
    judged: dict[Any, Any] = {
        (Fact.LOOP, name): list(values) for name, values in (validation or {}).items()
    }
    return situation(
        run, facts=table, validation=judged, observations=observations, finished=finished
    )
