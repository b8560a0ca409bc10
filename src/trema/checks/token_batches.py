"""What the checks of token sequences share: the facts of :data:`TOKEN_NAMES`, and cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from trema.checks.base import situation
from trema.core.diagnosis import Location
from trema.core.facts import TOKEN_NAMES, Fact, Observation, RunInfo
from trema.core.history import History


def mean_share(history: History, name: str) -> tuple[int, float]:
    """Sequences of the sampled steps that tell a share, and its mean over these sequences."""
    steps, values = history.array(Fact.TOKENS, name)
    at, counts = history.array(Fact.TOKENS, "rows")
    rows = dict(zip(at.tolist(), counts.tolist(), strict=True))
    weights = np.array([rows.get(step, 0.0) for step in steps.tolist()])
    if not len(values) or weights.sum() <= 0:
        return 0, 0.0
    return int(weights.sum()), float(np.average(values, weights=weights))


def total(history: History, name: str) -> float:
    """The sum of a count over the sampled steps."""
    _, values = history.array(Fact.TOKENS, name)
    return float(values.sum())


def always(history: History, name: str) -> bool:
    """Whether a flag was set in every batch, and at least in one."""
    _, values = history.array(Fact.TOKENS, name)
    return bool(len(values) and (values > 0).all())


def labels_place(run: RunInfo) -> Location | None:
    """The line that makes the labels, else what hands them on."""
    return run.place("labels", "collator", "targets", "tokenize", "data", "fit", "loss", "step")


def tokens_place(run: RunInfo) -> Location | None:
    """The line that makes the sequences, else what hands them on."""
    return run.place("tokenize", "collator", "load", "data", "inputs", "fit", "step")


# for cases --------------------------------------------------------------------------------


def batches(
    *,
    run: RunInfo | None = None,
    steps: int = 20,
    rows: float = 16.0,
    facts: dict[Any, Any] | None = None,
    said: tuple[dict[str, Any], ...] = (),
    finished: bool = False,
    **numbers: Any,  # float, or one for each step; ``_`` stands for ``-``
) -> History:
    """A history of batches of token sequences: those of a healthy causal language model, changed
    by these numbers."""
    healthy: dict[str, Any] = {
        "rows": rows, "width": 64.0, "causal": 1.0, "inside": 1.0, "padding": 0.2, "unmasked": 0.0,
        "unmasked-rows": 0.0, "labelled": 0.8, "empty-rows": 0.0, "labelled-padding": 0.0,
        "same": 1.0, "next": 0.03, "ends": rows, "ends-labelled": rows, "longest": 64.0,
        "full": 0.1, "rows-seen": rows * steps,
    }  # fmt: skip
    table: dict[Any, Any] = dict(facts or {})
    for key, value in numbers.items():
        name = key.replace("_", "-")
        if name not in TOKEN_NAMES:
            raise ValueError(f"{name!r} is no number of token sequences")
        healthy[name] = value
    for name, value in healthy.items():
        if value is not None:
            table[Fact.TOKENS, name] = (
                [value] * steps if isinstance(value, int | float) else list(value)
            )
    observations = [Observation(fact=Fact.TOKENS, step=1, epoch=0, data=data) for data in said]
    return situation(
        run or RunInfo(framework="torch", inputs="text"),
        facts=table,
        observations=observations,
        finished=finished,
    )
