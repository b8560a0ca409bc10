"""Epochs as the Trainer tells them, not as loaders are exhausted."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from trema.adapters.torch.epochs import Epochs, Mean
from trema.core.facts import TRAIN, VALIDATION

#: Validation loaders that are compared with the training data.
LOADERS = 8


class TrainerEpochs(Epochs):
    """Sums over an epoch, handed on when the Trainer begins the next."""

    _theirs = False  # the losses that the module logged are used, as ours cannot be compared

    @property
    def started(self) -> bool:
        """Whether a step was made in this epoch."""
        return self._stepped

    def know(self, train: DataLoader[Any] | None, validation: list[Any]) -> None:
        """The loaders of this epoch."""
        self.train_loader = train
        known = [loader for loader in validation if loader is not None and loader is not train]
        self.validation_loaders = known[:LOADERS]

    def uses(self, loader: DataLoader[Any] | None) -> None:
        """The batch that begins comes from this loader."""
        self._latest = loader

    def validation_begins(self) -> None:
        """Forget a validation pass before in the same epoch."""
        self._validation = Mean()
        self._extra[VALIDATION] = {}

    def stepped(self, step: int) -> None:
        """The optimizer made a step."""
        self._stepped = True
        self._last_step = step

    def see_loss(self, value: float | Tensor, training: bool) -> None:
        """A loss function gave this mean over a batch."""
        (self._train if training else self._validation).add(value)

    def flush(self) -> None:
        """Hand the epoch on.

        Losses that the module logged stand for the measured ones only where those of training and
        validation cannot be compared, and both were logged.
        """
        train, validation = self._extra[TRAIN], self._extra[VALIDATION]
        compared = 0 < self._train.count == self._backward.count and self._validation.count > 0
        if not compared and "loss" in train and "loss" in validation:
            self._theirs = True
        if not self._theirs:
            train.pop("loss", None)
            validation.pop("loss", None)
        super().flush()
