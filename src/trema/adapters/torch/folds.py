"""Cross-validation by scikit-learn's splitters: whether one model goes on from fold to fold."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trema.adapters.torch.hooks import silence
from trema.core.facts import Fact, Observation
from trema.source.frames import is_user_file

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: Parameters, and values of each, by which weights are compared.
LOOKED_AT, VALUES = 8, 256

watching: list[Folds] = []
_patched: set[type] = set()


def install() -> None:
    """See from now on which rows the splitters that are loaded give."""
    module = sys.modules.get("sklearn.model_selection._split")
    for kind in list(vars(module).values()) if module is not None else ():
        if isinstance(kind, type) and "split" in vars(kind) and kind not in _patched:
            _patched.add(kind)
            _patch(kind)


def _patch(kind: Any) -> None:
    original = kind.split

    @functools.wraps(original)
    def split(self: Any, *args: Any, **options: Any) -> Any:
        found = original(self, *args, **options)
        if not watching or not is_user_file(sys._getframe(1).f_code.co_filename):
            return found  # one splitter asks another
        return _told(found)

    kind.split = split


def _told(found: Any) -> Iterator[Any]:
    series = object()  # stands for this walk through the folds
    for pair in found:
        for watcher in tuple(watching):
            watcher.fold_begins(series, pair)
        yield pair


class Folds:
    """The folds in which one optimizer went on with the weights of the fold before."""

    def __init__(self, observer: Observer, optimizer: torch.optim.Optimizer) -> None:
        self._observer = observer
        self._optimizer = weakref.ref(optimizer)
        self._series: object = None
        self._fold: tuple[Any, Any] | None = None
        self._trained: list[np.ndarray] = []  # rows of folds in which steps were made
        self._began = 0
        self._weights: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._handle: Any = None
        self._told = False
        install()
        watching.append(self)

    def fold_begins(self, series: object, pair: Any) -> None:
        """The program is given the rows of a fold: training and test."""
        if not self._told:
            self._observer.guard(lambda: self._begins(series, pair))

    def _begins(self, series: object, pair: Any) -> None:
        optimizer = self._optimizer()
        if series is not self._series:
            self._series, self._fold, self._trained = series, None, []
        if self._fold is not None and self._observer.step > self._began:
            self._trained.append(np.asarray(self._fold[0]))
        self._fold, self._began = pair, self._observer.step
        if optimizer is None or not self._trained:
            return
        held = [p for group in optimizer.param_groups for p in group["params"]]
        looked = [p for p in held if p.requires_grad and p.numel()][:LOOKED_AT]
        self._weights = [(p, _head(p)) for p in looked]
        if self._handle is not None:
            silence(self._handle)
        self._handle = optimizer.register_step_pre_hook(self._steps)

    def _steps(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """The first step in a further fold."""
        silence(self._handle)
        self._observer.guard(self._compare)

    def _compare(self) -> None:
        weights, self._weights = self._weights, []
        if self._fold is None or not weights or self._told:
            return
        if not all(torch.equal(_head(p), before) for p, before in weights):
            return  # begun anew
        test = np.asarray(self._fold[1])
        seen = int(np.isin(test, np.concatenate(self._trained)).sum())
        if not seen:
            return  # as folds of time, which only go on
        self._told = True
        self._observer.segment.observe(
            Observation(
                fact=Fact.CONTROL,
                step=self._observer.step,
                epoch=self._observer.epochs.epoch,
                data={
                    "kind": "folds",
                    "fold": len(self._trained) + 1,
                    "test": len(test),
                    "seen": seen,
                    "steps": self._began,
                },
                segment=self._observer.segment.number,
            )
        )

    def close(self) -> None:
        """The run is over."""
        self._told = True
        self._weights, self._trained, self._fold = [], [], None
        if self in watching:
            watching.remove(self)


def _head(parameter: torch.Tensor) -> torch.Tensor:
    return parameter.detach().reshape(-1)[:VALUES].clone()
