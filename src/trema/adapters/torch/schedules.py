"""The rates that were in force in each epoch, and those that the schedules multiply."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import torch

from trema.adapters.torch import calls, locate
from trema.adapters.torch.describe import learning_rates
from trema.core.facts import Fact, Observation

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: Epochs whose rates are kept.
KEPT = 4096


class Schedules:
    """Reads the rates of one optimizer once an epoch, and tells them when the run is over."""

    def __init__(self, observer: Observer, optimizer: torch.optim.Optimizer) -> None:
        self._observer = observer
        self._optimizer = weakref.ref(optimizer)
        self._rates: list[float] = []

    def epoch_begins(self) -> None:
        """The first batch of a further epoch is about to be trained on."""
        optimizer = self._optimizer()
        if optimizer is not None and len(self._rates) < KEPT:
            self._rates.append(max(learning_rates(optimizer), default=0.0))

    def close(self) -> None:
        """The run is over."""
        optimizer, observer = self._optimizer(), self._observer
        if optimizer is None or not observer.step:
            return
        schedulers = calls.schedulers_of(optimizer)
        if not schedulers and len(set(self._rates)) < 2:
            return
        known = [rates for s in schedulers if (rates := getattr(s, "base_lrs", None))]
        body = next((b for s in schedulers if (b := locate.factor_of(s)) is not None), None)
        if body is not None:
            observer.known_places.setdefault("schedule", body)
            observer._relocate()
        observer.segment.observe(
            Observation(
                fact=Fact.CONTROL,
                step=observer.step,
                epoch=observer.epochs.epoch,
                data={
                    "kind": "schedule",
                    "bases": [max(map(float, rates)) for rates in zip(*known, strict=False)],
                    "rates": learning_rates(optimizer),
                    "epochs": self._rates,
                    "steps": observer.step,
                    "calls": max((calls.scheduled(s) for s in schedulers), default=0),
                },
                segment=observer.segment.number,
            )
        )
