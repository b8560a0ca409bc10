"""Epochs as the Trainer counts them: its callbacks tell, and loaders are not asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
    their number, or by the number of labels of all of them.
    """

    def __init__(self, observer: Observer, loader: DataLoader[Any] | None) -> None:
        super().__init__(observer.segment, observer._relocate)
        self._observer = observer
        self.train_loader = loader
        self._sum: float | Tensor = 0.0
        self._seen = False

    def see_loss(self, value: float | Tensor, training: bool) -> None:
        """A loss function ran: in training it may give the sum over all labels."""
        if not training:
            super().see_loss(value, training)

    def see_backward(self, value: float | Tensor, *, same: bool = False) -> None:
        """``backward`` ran on the loss of a micro-batch."""
        self._sum, self._seen = self._sum + value, True

    def stepped(self, step: int) -> None:
        """The optimizer made a step with what was accumulated."""
        self._stepped, self._last_step = True, step
        if self._seen:
            self._observer.loss_value = self._sum
            self._backward.add(self._sum)
        self._sum, self._seen = 0.0, False

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
