"""The learning rate of each epoch of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from trema.adapters.keras.describe import inner_optimizer
from trema.core.facts import Fact

if TYPE_CHECKING:
    from trema.adapters.keras.observer import Observer

#: Epochs whose rates are kept.
KEPT = 4096


class EpochRates:
    """Reads the rate in force at the end of each epoch, and tells them when the fit is over."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._rates: list[float] = []

    def epoch_ends(self) -> None:
        """An epoch is over."""
        optimizer = inner_optimizer(getattr(self._observer.model, "optimizer", None))
        if optimizer is None or len(self._rates) >= KEPT:
            return
        try:
            self._rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
        except Exception:  # an optimizer of the user without a readable rate
            return

    def close(self) -> None:
        """The fit is over."""
        rates, self._rates = self._rates, []
        if len(set(rates)) < 2:
            return
        data = {"kind": "schedule", "bases": [], "rates": rates[-1:], "epochs": rates[:-1]}
        self._observer._observe(Fact.CONTROL, {**data, "steps": self._observer.step}, None)
