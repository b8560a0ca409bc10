"""One ``fit`` of a Trainer: an observer for each optimizer, told what the Trainer does."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from trema.adapters.lightning.control import tell_monitors
from trema.adapters.lightning.metrics import training_metrics, validation_metrics
from trema.adapters.lightning.observer import ModuleObserver
from trema.adapters.lightning.parts import part_of
from trema.adapters.torch.crash import tell_shapes
from trema.adapters.torch.owners import Owners, held
from trema.adapters.torch.travel import follow
from trema.core.facts import VALIDATION, Phase
from trema.engine.session import Session
from trema.travel.record.options import RecordOptions


class Fit:
    """What is watched from the start of a training to its end.

    The observers listen between the beginning and the end of a batch only, so that nothing else
    that a Trainer or a callback does is taken for training or validation.
    """

    def __init__(
        self,
        session: Session,
        trainer: Any,
        module: nn.Module,
        recording: tuple[Any, RecordOptions] | None = None,
    ) -> None:
        self.session = session
        self._endless = math.isinf(trainer.num_training_batches)
        # few batches are learned by heart on purpose, in order: the data say nothing
        self._alone = bool(trainer.overfit_batches)
        self._validation: list[DataLoader[Any] | None] = []
        self.observers: list[ModuleObserver] = []
        optimizers = _optimizers(trainer, module)
        for index, optimizer in enumerate(optimizers):
            part = part_of(module, optimizer) if len(optimizers) > 1 else module
            observer = ModuleObserver(session, module, part, optimizer, index)
            if index == 0 and part is not module:  # what no optimizer holds is told once
                observer.loop._owners = Owners(module, optimizer)
            self._keep(observer, trainer)
        session.framework = "lightning"
        if getattr(trainer, "ckpt_path", None) and trainer.global_step:
            session.notes.append(
                f"resumed at epoch {trainer.current_epoch}, step {trainer.global_step}: epochs "
                "and steps count from there"
            )
        self._know_data(trainer)
        if self.observers:
            first = self.observers[0]
            session.guarded("callbacks", lambda: tell_monitors(first, trainer))
            if recording is not None:
                planned = trainer.max_epochs if (trainer.max_epochs or 0) > 0 else None
                first.travel = session.guarded(
                    "time travel", lambda: follow(session, module, *recording, planned)
                )

    def record(self) -> None:
        """Time travel keeps the epoch that is over."""
        for observer in self.observers[:1]:
            if observer.travel is not None:
                observer.travel.epoch_over(observer.epochs.epoch)

    def _keep(self, observer: ModuleObserver, trainer: Any) -> None:
        self.observers.append(observer)
        self.session.before_finish.append(observer.close)
        self.session.before_crash.append(lambda: tell_shapes(observer))
        info = observer.segment.info
        changes: dict[str, Any] = {}
        if trainer.max_epochs and trainer.max_epochs > 0:
            changes["epochs_planned"] = trainer.max_epochs
        if trainer.gradient_clip_val:  # under the names of Keras, which the checks know
            value = trainer.gradient_clip_algorithm == "value"
            clip = {"clipvalue" if value else "clipnorm": float(trainer.gradient_clip_val)}
            changes["optimizers"] = tuple(
                dataclasses.replace(one, config={**one.config, **clip}) for one in info.optimizers
            )
        if changes:
            observer.segment.update(**changes)

    def _know_data(self, trainer: Any) -> None:
        """Note the loaders, which a Trainer may make anew for any epoch."""
        if self._alone:
            return
        loaders = _loaders(trainer.train_dataloader)
        train = loaders[0] if len(loaders) == 1 else None
        self._validation = _loaders(trainer.val_dataloaders)
        for observer in self.observers:
            observer.epochs.know(train, self._validation)

    # training -----------------------------------------------------------------------------

    def epoch_begins(self, trainer: Any) -> None:
        """A pass over the training data begins; the one before is complete."""
        self.epoch_ends(trainer)
        self._know_data(trainer)
        for observer in self.observers:
            loader = observer.epochs.train_loader
            if loader is not None:
                observer.ranks.loader_begins(loader)

    def epoch_ends(self, trainer: Any) -> None:
        """Hand on the epoch with the metrics of its training."""
        self._hand_on(training_metrics(trainer))

    def _hand_on(self, values: dict[Phase, dict[str, float]]) -> None:
        for observer in self.observers:
            observer._validation_seen = 0
            if not observer.epochs.started:
                continue
            for phase in values:
                observer.epochs.log(phase, values[phase])
            observer.guard(observer.epochs.flush)

    def data_end(self) -> None:
        """The training data are exhausted."""
        self.shut()
        for observer in self.observers:
            observer.guard(observer.ranks.loader_ends)

    def batch_begins(self) -> None:
        """A training batch begins."""
        for observer in self.observers:
            observer.open(observer.epochs.train_loader)

    def before_update(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients are complete, and this optimizer will use them."""
        for observer in self.observers:
            if observer._optimizer() is optimizer:
                observer.before_update(optimizer)

    def shut(self) -> None:
        """A batch is over."""
        for observer in self.observers:
            observer.shut()

    # validation ---------------------------------------------------------------------------

    def validation_begins(self, trainer: Any) -> None:
        """A pass over the validation data begins; it replaces one before in this epoch."""
        self.shut()
        self._know_data(trainer)
        for observer in self.observers:
            observer.epochs.validation_begins()
            observer._validation_seen = 0

    def validation_batch_begins(self, number: int) -> None:
        """A batch of a validation loader begins."""
        loader = self._validation[number] if number < len(self._validation) else None
        for observer in self.observers:
            own = observer.epochs.validation_loader
            if not self._alone and (loader is own if own is not None else not number):
                observer.open(loader)

    def validation_ends(self, trainer: Any) -> None:
        """The validation is over and its metrics are known."""
        self.shut()
        own = self.observers[0].epochs.validation_loader if self.observers else None
        number = next((i for i, v in enumerate(self._validation) if v is own), 0)
        values = {} if self._alone else validation_metrics(trainer, number)
        for observer in self.observers:
            observer.epochs.log(VALIDATION, values)
        if self._endless:
            self._hand_on({})

    def close(self) -> None:
        """The fit is over."""
        self.shut()
        for observer in self.observers:
            observer.close()


def _optimizers(trainer: Any, module: nn.Module) -> list[torch.optim.Optimizer]:
    """The optimizers of torch that hold something of the module; Lightning makes a mock of none."""
    own = {id(p) for p in module.parameters()}
    given = [o for o in trainer.optimizers if isinstance(o, torch.optim.Optimizer)]
    return [o for o in given if held([o]) & own]


def _loaders(given: Any) -> list[Any]:
    """The loaders in what a Trainer was given; None in place of what is no DataLoader."""
    if given is None:
        return []
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, list | tuple):
        return [one for part in given for one in _loaders(part) or [None]]
    return [given if isinstance(given, DataLoader) else None]
