"""Why a sample is recommended, in words and with its own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.travel.dynamics import Dynamics

#: Features of one kind give one reason.
_KIND = {
    "margin_last": "margin",
    "margin_mean": "margin",
    "loss_last": "margin",
    "loss_mean": "margin",
    "belief_mean": "margin",
    "loss_variance": "loss",
    "learned": "learned",
    "wrong": "learned",
    "forgetting": "forgetting",
    "other_label": "neighbours",
    "other_label_last": "neighbours",
    "other_prediction": "neighbours",
    "confidence_last": "confidence",
    "confidence_mean": "confidence",
    "gap_last": "confidence",
    "gap_mean": "confidence",
    "flips": "changes",
    "unsettled": "changes",
    "path": "movement",
    "jolt": "movement",
    "speed_last": "movement",
    "rare_location": "movement",
    "rare_velocity": "movement",
    "rare_acceleration": "movement",
    "rare_confidence": "course",
    "rare_logits": "course",
}
_PLAIN = {
    "margin_last": "margin {}",
    "margin_mean": "average margin {}",
    "loss_last": "loss {} at the last epoch",
    "loss_mean": "average loss {}",
    "loss_variance": "variance of the loss {}",
    "belief_mean": "average probability of its label {}",
    "confidence_last": "confidence {}",
    "confidence_mean": "average confidence {}",
    "gap_last": "best two logits only {} apart",
    "gap_mean": "best two logits only {} apart on average",
}
_MOVES = {
    "path": "its way is",
    "jolt": "its changes of pace are",
    "speed_last": "its last step is",
}
_MOST = 3


@dataclass(frozen=True)
class Words:
    """Says features of single samples in words.

    values : features by name, each (N,); epochs : the epochs' own numbers; names : of classes
    """

    movement: Dynamics
    values: Mapping[str, NDArray[Any]]
    epochs: Sequence[int]
    names: Sequence[str] | None

    def reason(self, sample: int, features: Sequence[str]) -> str:
        """At most three parts, one of a kind; ``features`` come in order of their weight."""
        parts: dict[str, str] = {}
        for feature in features:
            kind, value = _KIND[feature], float(self.values[feature][sample])
            if kind in parts or not np.isfinite(value):
                continue
            if said := self.say(feature, sample, value):
                parts[kind] = said
            if len(parts) == _MOST:
                break
        return ", ".join(parts.values()) or "scores above most by several features together"

    def say(self, feature: str, sample: int, value: float) -> str:
        """One feature of one sample; empty when there is nothing to say."""
        if feature.startswith("rare_"):
            what = feature.removeprefix("rare_")
            rarer = "are rarer than those" if what == "logits" else "is rarer than that"
            return f"its {what} {rarer} of {value * 100:.1f} % of samples"
        if feature in ("path", "jolt", "speed_last"):
            usual = float(np.nanmedian(self.values[feature]))
            return f"{_MOVES[feature]} {value / usual:.1f} times the usual" if usual > 0 else ""
        if feature in _PLAIN:
            return _PLAIN[feature].format(_number(value))
        if feature == "learned":
            return self._learned(value)
        if feature in ("other_label", "other_label_last", "other_prediction"):
            return self._neighbours(feature, sample, value)
        return self._counted(feature, value)

    def name(self, label: int) -> str:
        """The name of a class, its number without names."""
        if self.names is not None and 0 <= label < len(self.names):
            return str(self.names[label])
        return str(label)

    def _learned(self, epoch: float) -> str:
        if epoch >= len(self.epochs):
            return "never predicted as labelled"
        late = epoch > float(np.nanmedian(self.values["learned"]))
        return f"learned {'late, ' if late else ''}at epoch {self.epochs[int(epoch)]}"

    def _counted(self, feature: str, value: float) -> str:
        count = len(self.epochs)
        if feature == "wrong":
            return f"predicted otherwise than labelled in {round(value * count)} of {count} epochs"
        if feature == "unsettled":
            return f"predicted otherwise than now in {round(value * count)} of {count} epochs"
        times = "once" if round(value) == 1 else f"{round(value)} times"
        return f"{'forgotten' if feature == 'forgetting' else 'prediction changed'} {times}"

    def _neighbours(self, feature: str, sample: int, share: float) -> str:
        movement = self.movement
        verb = "predicted" if movement.labels is None else "labelled"
        if feature == "other_prediction":
            mine = int(movement.predicted[sample])
        elif movement.labels is not None and movement.labels.ndim == 1:
            mine = int(movement.labels[sample])
        else:
            mine = -1
        common = mine if movement.common is None else int(movement.common[sample])
        if common != mine and movement.kind != "multilabel":
            return f"its neighbours are {verb} {self.name(common)}"
        if movement.kind == "multilabel" or mine < 0:
            return f"{round(share * 100)} % of its neighbours are {verb} otherwise"
        return f"{round(share * 100)} % of its neighbours are not {verb} {self.name(mine)}"


def _number(value: float) -> str:
    return (f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}").replace("-", "−")
