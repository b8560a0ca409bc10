"""The callback that watches one Trainer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trema.adapters.torch import patches
from trema.adapters.torch.attach import as_number, observe
from trema.adapters.torch.loop import stateful
from trema.adapters.torch.observer import Observer
from trema.adapters.torch.travel import follow
from trema.adapters.transformers import places
from trema.adapters.transformers.epochs import TrainerEpochs
from trema.adapters.travel import checked
from trema.adapters.wiring import wire
from trema.core.config import Config, disabled
from trema.core.diagnosis import Location
from trema.core.facts import Fact, Observation
from trema.engine import active
from trema.engine.session import Session
from trema.source.frames import CallSite, call_site
from trema.source.syntax import argument
from trema.travel.record.options import RecordOptions


class Watch(TrainerCallback):  # type: ignore[misc]  # transformers has no types for mypy here
    """Watches a Trainer: ``Trainer(..., callbacks=[trema.transformers.Watch()])``.

    Each ``train`` is a segment of the run. Under ``trema run`` every Trainer has one already.

    Parameters
    ----------
    name : of the run; by default the script's
    travel : samples whose way through the training is recorded, see :func:`trema.watch`; lists of
        tokens are made into batches by the Trainer's own collator
    travel_options : see :class:`trema.travel.record.options.RecordOptions`
    options : see :class:`trema.Config`, for example ``inputs="text"``

    Raises
    ------
    UnknownOption
        For an option that does not exist.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        travel: Any = None,
        travel_options: Mapping[str, Any] | RecordOptions | None = None,
        **options: Any,
    ) -> None:
        Config.of(**options)  # what cannot be is told here, and never in the training
        self._recording = checked(travel, travel_options)
        self._name = name
        self._options = options
        self._session: Session | None = None
        self._observer: Observer | None = None
        self._trainer: CallSite | None = None
        self._given = False  # the user made the optimizer

    def __deepcopy__(self, memo: dict[int, Any]) -> Watch:
        return Watch(self._name, **self._given_again())  # of a run there is only one

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (self._name, self._given_again())

    def _given_again(self) -> dict[str, Any]:
        data, settings = self._recording or (None, None)
        return {"travel": data, "travel_options": settings, **self._options}

    # what the Trainer tells ---------------------------------------------------------------

    def on_init_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The Trainer is made: its line is noted."""
        if self._trainer is None:
            self._trainer = call_site()
        self._given = given.get("optimizer") is not None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """A training begins: a new segment."""
        if disabled():
            return
        try:
            wire()
            self._session = active.start(self._name, framework="torch", **self._options)
        except Exception:  # a run that ended, or settings that changed: never the training's loss
            return
        site = call_site()
        self._guarded(lambda: self._begin(args, state, given, site))

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """An epoch is over; the evaluation that follows belongs to it."""
        if self._observer is not None:
            self._observer.epochs.begins = True
            if self._observer.travel is not None:
                self._observer.travel.epoch_over(self._observer.epochs.epoch)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Metrics of the validation data."""
        epochs = self._observer.epochs if self._observer is not None else None
        if isinstance(epochs, TrainerEpochs):
            self._guarded(lambda: epochs.evaluated(given.get("metrics") or {}))

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """What the Trainer logs, kept by step."""
        self._guarded(lambda: self._log(given.get("logs") or {}))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """The training is over; a last evaluation may follow."""
        if self._observer is not None:
            self._guarded(self._observer.rest)

    def made_at(self, site: CallSite | None) -> None:
        """The call that made the Trainer."""
        self._trainer = site

    # ours ---------------------------------------------------------------------------------

    def _guarded(self, action: Callable[[], None]) -> None:
        if self._session is not None and self._session.state == "running":
            self._session.guarded("transformers adapter", action)

    def _begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        given: dict[str, Any],
        site: CallSite | None,
    ) -> None:
        session, model = self._session, given.get("model")
        optimizer = plain_optimizer(given.get("optimizer"))
        if session is None or not isinstance(model, nn.Module) or optimizer is None:
            return
        if self._observer is not None:
            self._observer.close()
        observer = _watching(optimizer, model) or observe(session, model, optimizer)
        self._observer = observer
        if observer is None:
            return
        session.framework = "transformers"
        loader = plain_loader(given.get("train_dataloader"))
        observer.epochs = TrainerEpochs(observer, loader)
        train = site.resolve() if site is not None else None
        trainer = self._trainer.resolve() if self._trainer is not None else None
        tokenizer = given.get("processing_class")
        if tokenizer is None and loader is not None:
            collator: Any = getattr(loader.collate_fn, "data_collator", loader.collate_fn)
            tokenizer = getattr(collator, "tokenizer", None)
        observer.known_places = places.places(trainer, train, loader, tokenizer)
        made_at = places.arguments_place(args)
        if made_at is not None:
            observer.known_places["arguments"] = made_at
        if self._recording is not None:
            (data, settings), batches = self._recording, getattr(loader, "collate_fn", None)
            planned = int(args.num_train_epochs) if args.max_steps <= 0 else None
            observer.travel = session.guarded(
                "time travel", lambda: follow(session, model, data, settings, planned, batches)
            )
        self._describe(observer, args, made_at, loader)
        self._tell_resumed(observer, optimizer, state)

    def _describe(
        self,
        observer: Observer,
        args: TrainingArguments,
        made_at: Location | None,
        loader: DataLoader[Any] | None,
    ) -> None:
        info = observer.segment.info
        optimizers = info.optimizers
        if not self._given:  # the Trainer made it from its arguments
            rate = argument(made_at, "learning_rate") if made_at is not None else None
            optimizers = tuple(
                dataclasses.replace(one, location=made_at, learning_rate_location=rate or made_at)
                for one in optimizers
            )
        epochs = float(args.num_train_epochs) if args.max_steps <= 0 else None
        samples: Any = getattr(loader, "dataset", None)
        observer.segment.update(
            optimizers=optimizers,
            epochs_planned=int(epochs) if epochs else None,
            train_samples=len(samples) if hasattr(type(samples), "__len__") else None,
            versions={**info.versions, **_versions()},
            places=observer._located(),
        )

    def _tell_resumed(
        self, observer: Observer, optimizer: torch.optim.Optimizer, state: TrainerState
    ) -> None:
        """A training that goes on is told of, with what its optimizer remembers."""
        if state.global_step <= 0:
            return
        if not stateful(optimizer):
            return
        data = {
            "kind": "resumed",
            "step": int(state.global_step),
            "remembered": len(optimizer.state),
        }
        fact = Observation(
            fact=Fact.LOOP, step=0, epoch=0, data=data, segment=observer.segment.number
        )
        observer.segment.observe(fact)

    def _log(self, logs: dict[str, Any]) -> None:
        session, observer = self._session, self._observer
        if session is None or observer is None:
            return
        values = {}
        for name, value in logs.items():
            number = as_number(value)
            if number is not None and name != "epoch":
                key = f"val_{name.removeprefix('eval_')}" if name.startswith("eval_") else name
                values[key] = number
        if values:
            session.write(
                "log",
                step=max(0, observer.step - 1),
                segment=observer.segment.number,
                important=False,
                epoch=observer.epochs.epoch,
                values=values,
            )


def plain_optimizer(optimizer: Any) -> torch.optim.Optimizer | None:
    """The optimizer inside accelerate's wrapper, whose hooks run; None where there is none."""
    for _ in range(4):
        inner = getattr(optimizer, "optimizer", None)
        if not isinstance(inner, torch.optim.Optimizer):
            break
        optimizer = inner
    return optimizer if isinstance(optimizer, torch.optim.Optimizer) else None


def plain_loader(loader: Any) -> DataLoader[Any] | None:
    """The loader of torch inside accelerate's wrapper."""
    inner = getattr(loader, "base_dataloader", loader)
    return inner if isinstance(inner, DataLoader) else None


def _watching(optimizer: torch.optim.Optimizer, model: nn.Module) -> Observer | None:
    """An observer that has the optimizer already and has seen no step of it."""
    for listener in list(patches.listeners):
        if isinstance(listener, Observer) and listener._optimizer() is optimizer:
            if listener.step == 0 and listener.model is model:
                return listener
            listener.close()
    return None


def _versions() -> dict[str, str]:
    found = {}
    for name in ("transformers", "accelerate", "peft", "tokenizers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _made_again(name: str | None, options: dict[str, Any]) -> Watch:
    return Watch(name, **options)
