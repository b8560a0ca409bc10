"""``run = trema.watch(model, optimizer)``: attach to a loop of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trema.adapters.torch.crash import tell_shapes
from trema.adapters.torch.observer import Observer
from trema.adapters.torch.travel import follow, samples_of
from trema.adapters.travel import checked
from trema.adapters.wiring import wire
from trema.core.config import disabled
from trema.core.errors import UsageError
from trema.core.facts import TRAIN, VALIDATION
from trema.engine import active
from trema.engine.session import Session
from trema.travel.record.options import RecordOptions


class Run:
    """What ``watch`` returns. Nothing needs to be called; everything may be."""

    def __init__(self, session: Session | None, observers: Sequence[Observer] = ()) -> None:
        self._session = session
        self._observers = list(observers)
        self._validating = False

    @property
    def name(self) -> str:
        """The run's name; empty when Trema is switched off."""
        return self._session.name if self._session else ""

    def log(self, *, step: int | None = None, **metrics: float) -> None:
        """Metrics of the epoch that is running; ``val_…`` belongs to validation.

        A value that is no number is left out: a training is never stopped for it.
        """
        for name, value in metrics.items():
            number = as_number(value)
            if number is None:
                continue
            validation = name.startswith("val_") or self._validating
            phase = VALIDATION if validation else TRAIN
            for observer in self._observers[:1]:
                observer.epochs.log(phase, {name.removeprefix("val_"): number})

    @contextmanager
    def validation(self) -> Iterator[None]:
        """Metrics logged inside belong to validation."""
        before, self._validating = self._validating, True
        try:
            yield
        finally:
            self._validating = before

    def epoch(self) -> None:
        """The epoch is over; needed only where no loader tells."""
        if self._session is not None:
            for observer in self._observers:
                self._session.guarded("torch adapter", observer.end_epoch)

    def finish(self) -> dict[str, Any] | None:
        """End the run now and remove every hook; returns the findings document."""
        for observer in self._observers:
            observer.close()
        self._observers.clear()
        if self._session is None:
            return None
        return active.finish()


def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    loss: Any = None,
    *,
    name: str | None = None,
    travel: Any = None,
    travel_options: Mapping[str, Any] | RecordOptions | None = None,
    **options: Any,
) -> Run:
    """Watch a training loop.

    Parameters
    ----------
    model : the module that is trained
    optimizer : one optimizer, or several
    loss : accepted for clarity; losses of torch are seen by themselves, any other is the tensor
        whose ``backward`` runs
    name : of the run; by default the script's
    travel : samples whose way through the training is recorded: a data set, a loader, arrays, or
        a mapping such as ``{"train": …, "test": …, "unlabelled": …}`` of them
    travel_options : see :class:`trema.travel.record.options.RecordOptions`
    options : see :class:`trema.Config`, for example ``inputs="image"``

    Raises
    ------
    UsageError
        When the model is no module, the optimizer is no optimizer, or ``travel`` holds no samples.
    UnknownOption
        For an option that does not exist.
    """
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"watch expects a torch.nn.Module as its model but got {type(model).__name__}: "
            "pass the module that you train"
        )
    given: list[Any] = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]
    for one in given:
        if not isinstance(one, torch.optim.Optimizer):
            raise UsageError(
                f"watch expects a torch optimizer but got {type(one).__name__}: "
                "pass what you call step() on"
            )
    if loss is not None and not callable(loss):
        raise UsageError(f"loss must be callable but got {type(loss).__name__}")
    recording = checked(travel, travel_options)
    if disabled():
        return Run(None)
    if recording is not None:  # what is refused leaves no run behind
        recording = samples_of(*recording), recording[1]
    wire()
    session = active.start(name, framework="torch", **options)
    observers = [
        observer
        for index, one in enumerate(given)
        if (observer := observe(session, model, one, index)) is not None
    ]
    if recording is not None and observers:
        observers[0].travel = follow(session, model, *recording)
    return Run(session, observers)


def observe(
    session: Session, model: nn.Module, optimizer: torch.optim.Optimizer, index: int = 0
) -> Observer | None:
    """An observer that ends with its session, or None after an error, which is noted."""
    observer = session.guarded(
        "torch adapter", lambda: Observer(session, model, optimizer, index=index)
    )
    if observer is not None:
        session.before_finish.append(observer.close)
        session.before_crash.append(lambda: tell_shapes(observer))
    return observer


def as_number(value: object) -> float | None:
    """A metric as a float; None when it is no number."""
    try:
        return float(value.detach() if isinstance(value, Tensor) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        return None
