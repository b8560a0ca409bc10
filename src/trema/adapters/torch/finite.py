"""The first value that is not finite: caught at its step, before the update spreads it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trema.adapters.torch.operations import bad_operation, operation_place
from trema.adapters.torch.origin import all_finite, find_origin, tell_origin
from trema.core.facts import TRAIN, Fact
from trema.source.frames import call_site

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer


class Finite:
    """Looks at the loss and the gradients of one observer."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._told = False  # where the first bad value began
        self._loss_told = False  # that the loss is bad
        self._assess_now = False
        self._operation = ""  # with which the first bad loss began
        self._parameters: list[tuple[str, Tensor]] | None = None  # as of the last armed step

    @property
    def bad_loss(self) -> bool:
        """Whether the loss is known to be bad; an accelerator is not waited for."""
        value = self._observer.loss_value
        return isinstance(value, float) and not math.isfinite(value)

    def forget(self) -> None:
        """The parameters may have changed: list them anew when they are needed."""
        self._parameters = None

    def backward_begins(self, loss: Tensor) -> None:
        """A loss is about to be differentiated."""
        observer = self._observer
        if not self.bad_loss:
            return
        if not self._told and loss.is_cpu:
            observer.guard(lambda: self._find_operation(loss))
        if observer._before_handle is None and not self._loss_told:  # no hook will look at it
            observer.guard(self.check)

    def check(self) -> None:
        """Read loss and gradients; tell the first that is not finite."""
        observer, value = self._observer, self._observer.loss_value
        loss_bad = value is not None and not math.isfinite(float(value))
        if loss_bad and not self._loss_told:
            self._loss_told = True
            self._assess_now = True
            if not observer.armed:
                observer._record({(Fact.LOSS, ""): float(value)}, TRAIN)  # type: ignore[arg-type]  # not None
        elif not self._told and not loss_bad and all_finite(self._listed()):
            return
        if not self._told:
            self._told = True
            origin = observer._origin(loss_bad)
            if origin["kind"] == "loss" and self._operation:
                origin = {**origin, "operation": self._operation}
            tell_origin(observer.segment, origin, observer.step, observer.epochs.epoch)
        elif not observer.armed:
            self.assess()

    def assess(self) -> None:
        """Let the checks look now, if a bad value was just seen."""
        if self._assess_now:
            self._assess_now = False
            self._observer.segment.assess()

    def origin(self, held: Any, loss_bad: bool, run: Any = None) -> dict[str, Any]:
        """Where the first bad value began, by running the held batch once more."""
        observer = self._observer
        parameters = dict(observer._parameters())
        return find_origin(observer.inner, held, parameters, loss_bad, run=run)

    def _listed(self) -> list[tuple[str, Tensor]]:
        """The parameters; walking through the model takes longer than looking at gradients."""
        if self._parameters is None:
            self._parameters = self._observer._parameters()
        return self._parameters

    def _find_operation(self, loss: Tensor) -> None:
        """Which operation of the graph made a loss that is not finite, and on which line."""
        observer = self._observer
        self._operation = bad_operation(loss)
        site = call_site() if self._operation else None
        place = operation_place(site, self._operation) if site is not None else None
        if place is not None:
            observer.known_places["loss-operation"] = place
            observer._relocate()
