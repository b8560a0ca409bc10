"""Epochs as the Trainer counts them: its callbacks tell, and loaders are not asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from trema.adapters.torch.attach import as_number
from trema.adapters.torch.epochs import Epochs
from trema.core.facts import VALIDATION

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: What the Trainer reports beside the metrics of a model.
_TIMES = ("runtime", "per_second", "preparation_time", "mem_")


class TrainerEpochs(Epochs):
    """Sums over an epoch of the Trainer.

    The loss of a step is the sum of what its micro-batches gave: the Trainer has divided each by
    their number, or by the number of labels of all of them. Models that take the number of labels
    and do not use it give undivided losses: then the mean is told, as in the evaluation.
    """

    def __init__(self, observer: Observer, loader: DataLoader[Any] | None) -> None:
        super().__init__(observer.segment, observer._relocate)
        self._observer = observer
        self.train_loader = loader
        self._sum: float | Tensor = 0.0
        self._last: float | Tensor = 0.0
        self._parts = 0  # micro-batches of the step …
        self._whole: int | Tensor = 0  # … of which so many gave a loss function's value as it is

    def see_loss(self, value: float | Tensor, training: bool) -> None:
        """A loss function ran: in training it may give the sum over all labels, or just what
        ``backward`` was called on."""
        if training:
            self._whole = self._whole + (value == self._last)
        else:
            super().see_loss(value, training)

    def see_backward(self, value: float | Tensor, *, same: bool = False) -> None:
        """``backward`` ran on the loss of a micro-batch."""
        self._sum, self._last = self._sum + value, value
        self._parts += 1
        self._whole = self._whole + same

    def stepped(self, step: int) -> None:
        """The optimizer made a step with what was accumulated."""
        self._stepped, self._last_step = True, step
        if self._parts:
            mean = self._step_loss()
            self._observer.loss_value = mean
            self._backward.add(mean)
        self._sum, self._whole, self._parts = 0.0, 0, 0

    def _step_loss(self) -> float | Tensor:
        total, mean = self._sum, self._sum / self._parts
        if isinstance(self._whole, Tensor) and isinstance(total, Tensor):  # without a wait
            return torch.where(self._whole == self._parts, mean, total)
        return mean if self._whole == self._parts else total

    def loader_begins(self, loader: DataLoader[Any]) -> None:
        """A loader is iterated; after a resumption the training one is a new one."""
        self._latest = loader
        mine = self.train_loader
        if mine is not None and loader.dataset is mine.dataset and not self._stepped:
            self.train_loader = loader

    def loader_ends(self, loader: DataLoader[Any]) -> None:
        """The Trainer itself says when an epoch is over."""

    def evaluated(self, metrics: Mapping[str, Any], prefix: str = "eval_") -> None:
        """The Trainer evaluated; several times in an epoch, the last one counts."""
        values = {}
        for name, value in metrics.items():
            number = as_number(value)
            if name.startswith(prefix) and number is not None:
                key = name.removeprefix(prefix)
                if not any(part in key for part in _TIMES):
                    values[key] = number
        self.log(VALIDATION, values)
