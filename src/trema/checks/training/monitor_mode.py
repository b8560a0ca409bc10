"""Early stopping, checkpoints and schedules that wait for the wrong direction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.control import controlled, observed_calls
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact
from trema.core.history import History

_FALLS = frozenset(
    ("loss", "losses", "error", "err", "mse", "mae", "rmse", "mape", "nll", "perplexity", "ppl")
)
_RISES = frozenset(
    ("acc", "accuracy", "auc", "auroc", "f1", "precision", "recall", "iou", "dice", "bleu", "r2")
)
#: A sign that may turn the number around, but not that of an index such as ``[-1]``.
_TURNED = re.compile(r"(?<!\[)-|\bneg|reward|return|score")
_DOES = {
    "EarlyStopping": "stops the training and keeps weights",
    "ModelCheckpoint": "keeps the weights",
    "ReduceLROnPlateau": "cuts the rate",
}


@register
@dataclass(frozen=True, kw_only=True)
class MonitorMode(Check):
    """``mode="min"`` for a number that is to rise, such as an accuracy, or ``mode="max"`` for a
    loss.

    Why it matters: each improvement counts as none. Training stops after a few epochs, the worst
    weights are kept as the best, or the rate is cut while the model learns.
    May be wrong when: a number carries a name that says the opposite of what it is.
    References: Keras, EarlyStopping; PyTorch, ReduceLROnPlateau (``mode="min"`` is its default).
    """

    id = "monitor-mode"
    title = "the monitored number is to go the other way"
    cause = Cause.TRAINING_LOOP
    severity = Severity.ERROR
    needs = frozenset({Fact.CONTROL})
    fixes = (
        Fix("`mode='max'` for accuracies and scores, `mode='min'` for losses and errors"),
        Fix("monitor the validation loss, for which the default is right"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="{framework} EarlyStopping ReduceLROnPlateau mode min max val_accuracy",
        torch="optim.lr_scheduler.ReduceLROnPlateau",
        keras="callbacks/early_stopping",
    )
    same: float = 0.03  # relative difference up to which a value is the loss of its epoch
    least: int = 3  # epochs in which it must be

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        told: set[str] = set()
        for call in reversed(observed_calls(history, "monitor")):
            role = str(call.get("role", ""))
            goes = self._goes(call, history)
            if role in told or goes is None or (call["mode"] == "max") == (goes == "rise"):
                continue
            told.add(role)
            watcher = str(call["watcher"])
            name = f"`{call['monitor']}`" if call["monitor"] else "the loss"
            rate = watcher == "ReduceLROnPlateau"
            meant = "a loss, which is to fall" if goes == "fall" else "which is to rise"
            yield self.diagnosis(
                f"`{watcher}` watches {name}, {meant}, with `mode={call['mode']!r}`: it "
                f"{_DOES.get(watcher, 'acts')} as if each improvement were none",
                Evidence(Fact.CONTROL, 1.0, limit=0.0, name=watcher),
                where=Where(config_key=f"monitor.{watcher}"),
                location=history.run.place(role, "scheduler", "fit"),
                cause=Cause.LEARNING_RATE if rate else None,
                confidence="measured",
            )

    def _goes(self, call: dict[str, Any], history: History) -> str | None:
        """``rise`` or ``fall``, the better way of what is monitored; None when not known."""
        values = np.asarray(call.get("values", ()), dtype=np.float64)
        if "values" in call and (len(values) < 2 or not np.isfinite(values).all()):
            return None
        if len(values) and values.min() < 0:
            return None  # perhaps turned around
        goes = direction(str(call["monitor"]))
        if goes == "rise" and len(values) and values.max() > 100:
            return None
        if goes is not None or not len(values):
            return goes
        return "fall" if self._is_loss(call, values, history) else None

    def _is_loss(self, call: dict[str, Any], values: np.ndarray, history: History) -> bool:
        """Whether the values are the mean losses that were seen in these epochs."""
        if len(set(np.round(values, 6))) < self.least:
            return False
        for phase in (VALIDATION, TRAIN):
            at, losses = history.array(Fact.METRIC, "loss", phase)
            known = dict(zip(at.tolist(), losses.tolist(), strict=True))
            pairs = [
                (v, known[e])
                for e, v in zip(call["epochs"], values.tolist(), strict=True)
                if e in known
            ]
            close = [abs(v - loss) <= self.same * abs(loss) for v, loss in pairs]
            if len(close) >= self.least and sum(close) >= 0.9 * len(close):
                return True
        return False

    @staticmethod
    def cases() -> Iterator[Case]:
        def watched(watcher: str, monitor: str, mode: str, *values: float, **more: Any) -> History:
            data: dict[str, Any] = {"watcher": watcher, "monitor": monitor, "mode": mode}
            data["role"] = "monitor"
            if values:
                data |= {"values": list(values), "epochs": list(range(len(values)))}
            return controlled("monitor", data, **more)

        plateau, losses = "ReduceLROnPlateau", (0.7, 0.6, 0.5, 0.45)
        yield fires("accuracy is to fall", watched("EarlyStopping", "val_accuracy", "min"))
        yield fires("a loss is to rise", watched("ModelCheckpoint", "val_loss", "max"))
        yield fires("a schedule", watched(plateau, "val_loss", "max", *losses))
        yield fires("the default", watched(plateau, "history['val_acc'][-1]", "min", 0.4, 0.6))
        yield fires(
            "known by its values",
            watched(plateau, "found", "max", *losses, val_metrics={"loss": losses}),
        )
        yield quiet("accuracy is to rise", watched("EarlyStopping", "val_accuracy", "max"))
        yield quiet("a loss is to fall", watched(plateau, "val_loss", "min", *losses))
        yield quiet("turned around", watched(plateau, "1 - accuracy", "min", 0.6, 0.4))
        yield quiet("a negative loss", watched(plateau, "val_loss", "max", -0.7, -0.5))
        yield quiet(
            "another number",
            watched(plateau, "found", "max", 0.4, 0.6, 0.7, 0.8, val_metrics={"loss": losses}),
        )


def direction(text: str) -> str | None:
    """Where a number of this name, or expression, is better: ``rise``, ``fall``, or None."""
    if _TURNED.search(text.lower()):
        return None
    words = {word for word in re.split(r"[^a-z0-9]+|_", text.lower()) if word}
    if words & _FALLS:
        return "fall"
    return "rise" if words & _RISES else None
