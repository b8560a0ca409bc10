"""What the checks of checkpoints, schedules and early stopping share: observed calls, and cases."""

from __future__ import annotations

from typing import Any

from trema.checks.base import situation
from trema.core.facts import CONTROL_KINDS, Fact, Observation, RunInfo
from trema.core.history import History


def observed_calls(history: History, kind: str) -> list[dict[str, Any]]:
    """The observations of this kind, oldest first."""
    return [dict(o.data) for o in history.observations(Fact.CONTROL) if o.data.get("kind") == kind]


def controlled(
    kind: str, *calls: dict[str, Any], run: RunInfo | None = None, **more: Any
) -> History:
    """A history with such calls, for cases; ``more`` as in :func:`trema.checks.base.situation`."""
    if kind not in CONTROL_KINDS:
        raise ValueError(f"{kind!r} is no kind of call")
    seen = [
        Observation(fact=Fact.CONTROL, step=0, epoch=0, data={"kind": kind, **data})
        for data in calls
    ]
    return situation(run, observations=seen, **more)
