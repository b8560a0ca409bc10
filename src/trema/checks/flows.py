"""What checks of the flow of values share: the observation of :data:`FLOW_NAMES`, and cases."""

from __future__ import annotations

from typing import Any

from trema.checks.base import situation
from trema.core.diagnosis import Location
from trema.core.facts import FLOW_NAMES, Fact, Observation, RunInfo
from trema.core.history import History


def flow(history: History, name: str) -> Any:
    """One part of the newest observation that has it; None where it was not looked at."""
    for one in reversed(history.observations(Fact.FLOW)):
        if name in one.data:
            return one.data[name]
    return None


def flow_place(run: RunInfo, found: dict[str, Any]) -> Location | None:
    """The place of a part, else that of its layer or of the model's call."""
    layer = run.layer(str(found.get("layer")))
    own = run.place(str(found.get("place", "")))
    return own or (layer.location if layer is not None else None) or run.place("model")


def flowing(run: RunInfo | None = None, facts: Any = None, **parts: Any) -> History:
    """A history of one observation, for cases."""
    if unknown := set(parts) - set(FLOW_NAMES):
        raise ValueError(f"{unknown} are no parts of the flow")
    told = Observation(fact=Fact.FLOW, step=0, epoch=0, data=parts)
    return situation(run, facts=facts, observations=[told])
