"""Passes over the loaders of a loop: which data are trained on, and in which mode of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from trema.adapters.torch.hooks import silence
from trema.core.facts import Fact, Observation
from trema.source.frames import call_site

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: Data sets that are told apart.
KEPT = 16
#: Passes with steps, of each of two data sets, after which their modes are told.
LEAST = 2


class Passes:
    """Counts passes with optimizer steps by data set and by the model's mode at their end."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._begun: dict[int, int] = {}  # loader -> steps when its pass began
        self._modes: dict[int, list[int]] = {}  # data set -> passes in train and in eval mode
        self._data: list[Any] = []  # the data sets, so that none takes the place of another
        self._handle: Any = None
        self._told = False

    def begins(self, loader: DataLoader[Any]) -> None:
        """A loader is iterated."""
        if self._told:
            return
        self._begun[id(loader)] = self._observer.step
        optimizer = self._observer._optimizer()
        if self._suspicious(loader) and self._handle is None and optimizer is not None:
            self._handle = optimizer.register_step_post_hook(self._stepped)

    def _suspicious(self, loader: DataLoader[Any]) -> bool:
        return self._modes.get(id(loader.dataset), [0, 0])[1] > 0

    def _stepped(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """The first step of a further pass in eval mode: its line."""
        silence(self._handle)
        if not self._observer.inner.training and (site := call_site()) is not None:
            self._observer._places.setdefault("foreign-step", site)

    def ends(self, loader: DataLoader[Any]) -> None:
        """A loader is exhausted."""
        began = self._begun.pop(id(loader), None)
        observer = self._observer
        if self._told or began is None or observer.step == began:
            return
        data = loader.dataset
        if id(data) not in self._modes:
            if len(self._data) >= KEPT:
                return
            self._data.append(data)
            self._modes[id(data)] = [0, 0]
        self._modes[id(data)][not observer.inner.training] += 1
        trained = [n for n, other in self._modes.values() if not other]
        judged = [n for other, n in self._modes.values() if not other]
        whole = len(trained) + len(judged) == len(self._modes)
        if whole and max(trained, default=0) >= LEAST and max(judged, default=0) >= LEAST:
            self._told = True
            steps = observer.step - began
            observer._relocate()
            observer.segment.observe(
                Observation(
                    fact=Fact.CONTROL,
                    step=observer.step,
                    epoch=observer.epochs.epoch,
                    data={"kind": "trained-in-eval", "passes": max(judged), "steps": steps},
                    segment=observer.segment.number,
                )
            )

    def close(self) -> None:
        """The run is over."""
        self._told = True
        self._data.clear()
        if self._handle is not None:
            silence(self._handle)
