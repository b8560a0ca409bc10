"""The torch observer under a Trainer, which drives it.

A Trainer's optimizer runs forward and backward in a closure, and a ``training_step`` often calls
the parts of its module and not the module itself. So gradients are looked at when the Trainer says
that they are complete, and the parts are watched until the module itself was seen to run.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from trema.adapters.lightning.epochs import TrainerEpochs
from trema.adapters.lightning.parts import entries, loss_site
from trema.adapters.torch import calls, patches
from trema.adapters.torch.batch import main_output, tensors_in
from trema.adapters.torch.hooks import Hook
from trema.adapters.torch.observer import Observer
from trema.adapters.torch.ranks import runs_for_wrapper
from trema.engine.session import Session
from trema.source.frames import call_site

#: Calls of parts that are kept to find where a value turned bad.
KEPT = 64


class ModuleObserver(Observer):
    """Watches one optimizer of a LightningModule, between the two ends of each batch.

    Parameters
    ----------
    module : the LightningModule
    part : what of it the optimizer trains
    """

    epochs: TrainerEpochs

    def __init__(
        self,
        session: Session,
        module: nn.Module,
        part: nn.Module,
        optimizer: torch.optim.Optimizer,
        index: int,
    ) -> None:
        self._open = self._closed = False
        self._automatic = bool(getattr(module, "automatic_optimization", True))
        self._module = module
        self._entries = entries(part) if part is module else []
        self._entry_handles: list[Any] = []
        self._called: list[tuple[nn.Module, tuple[Any, ...], dict[str, Any]]] = []
        self._whole_ran = False  # the module itself ran in this batch
        self._deferred = False  # the update waits for its closure
        self._closures = 0
        super().__init__(session, part, optimizer, index=index)
        self.epochs = TrainerEpochs(self.segment, self._relocate)
        self.shut()

    # batches ------------------------------------------------------------------------------

    def open(self, loader: DataLoader[Any] | None) -> None:
        """Listen to the batch that begins."""
        if self._closed:
            return
        self.epochs.uses(loader)
        self._called = []
        self._whole_ran = False
        self._open = True
        if self not in patches.listeners:
            patches.listeners.append(self)
        if self.armed and self.loop not in calls.watching:
            calls.watching.append(self.loop)

    def shut(self) -> None:
        """The batch is over."""
        if not self._open and self not in patches.listeners:
            return
        self._open = False
        if self in patches.listeners:
            patches.listeners.remove(self)
        if self.loop in calls.watching:
            calls.watching.remove(self.loop)
        self._held = self._fresh_loss = None
        self._called = []
        if self._inputs and self.armed:
            self._captured = True  # later batches of this step are left alone

    def close(self) -> None:
        """Remove every hook; the segment takes its last look."""
        self._closed = True
        self._open = False
        super().close()

    def loader_begins(self, loader: DataLoader[Any]) -> None:
        """The Trainer tells of its loaders; others mean nothing here."""

    def loader_ends(self, loader: DataLoader[Any]) -> None:
        """The Trainer tells when an epoch ends."""

    # forward ------------------------------------------------------------------------------

    def _hook(self, wanted: bool) -> None:
        super()._hook(wanted)
        hooked = self._forward_handle is not None
        if hooked and not self._entry_handles:
            self._entry_handles = [
                part.register_forward_hook(Hook(self._after_entry), with_kwargs=True)
                for part in self._entries
            ]
        elif not hooked:
            self._unhook_entries()

    def _unhook_entries(self) -> None:
        for handle in self._entry_handles:
            handle.remove()
        self._entry_handles = []

    def _after_forward(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        if not self._open or torch.compiler.is_compiling():
            return
        if runs_for_wrapper():  # the whole step ran as the module's forward: no output of its own
            if self.armed and torch.is_grad_enabled():
                self.ranks.forward_ran()
            return
        if torch.is_grad_enabled():
            if self._called and not self._whole_ran:
                self._places.pop("model", None)  # a part was called by the module, not by the step
            self._whole_ran = True
            self._entries = []
            self._unhook_entries()
        elif self._called:
            return
        super()._after_forward(module, args, kwargs, output)

    def _after_entry(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        """A part of the module ran; perhaps within the module, which then tells more."""
        if not self._open or torch.compiler.is_compiling() or self._whole_ran:
            return
        if not torch.is_grad_enabled():
            if not self._called:
                super()._after_forward(module, args, kwargs, output)
                self._called.append((module, (), {}))
            return
        first = not self._called
        if len(self._called) < KEPT:
            self._called.append((module, *_without_graph(args, kwargs)))
        if first:
            self._held = (args, kwargs)
        if calls.watching:
            self.loop.forward_ran()
        if not self.armed or self._captured:
            return
        if first and (site := call_site()) is not None:
            self._places.setdefault("model", site)
        self.guard(lambda: self._see_entry(args, kwargs, output))

    def _see_entry(self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if not self._inputs:
            self._inputs = tensors_in(args, kwargs)
            self.epochs.see_inputs(self._inputs, True)
        out = main_output(output)
        if out is not None:
            self._output = out

    def _after_layer(
        self, name: str, module: nn.Module, given: tuple[Any, ...], output: Any
    ) -> None:
        if self._open:
            super()._after_layer(name, module, given, output)

    def _reset_capture(self) -> None:
        super()._reset_capture()
        self._called = []

    # the update ---------------------------------------------------------------------------

    def _before_step(self, optimizer: torch.optim.Optimizer, *given: Any) -> None:
        if not self._open:
            return
        args, options = (*given, (), {})[:2]
        if callable(options.get("closure")) or any(callable(a) for a in args if a is not optimizer):
            self._deferred, self._closures = True, 0
            return
        super()._before_step(optimizer, *given)

    def before_update(self, optimizer: torch.optim.Optimizer) -> None:
        """The closure has run; with an optimizer such as LBFGS it will run again."""
        if not self._deferred or not self._open:
            return
        self._closures += 1
        if self._closures == 1:
            super()._before_step(optimizer, (), {})

    def _after_step(self, optimizer: torch.optim.Optimizer, *given: Any) -> None:
        if not self._open:
            return
        if self._closures > 1:
            self.loop._closure = True
        self._deferred, self._closures = False, 0
        super()._after_step(optimizer, *given)

    # places and origins -------------------------------------------------------------------

    def _note_place(self, role: str) -> None:
        """With automatic optimization the user's code calls neither backward nor step: the place
        of both is where ``training_step`` returns the loss."""
        if role in ("backward", "step") and self._automatic:
            site = loss_site(self._module)
            if site is not None:
                self._places[role] = site
                return
        super()._note_place(role)

    def _origin(self, loss_bad: bool) -> dict[str, Any]:
        if self._whole_ran or not self._called:
            return super()._origin(loss_bad)
        ran = list(self._called)
        self._open = False  # what is replayed is no batch

        def run() -> None:
            for module, args, kwargs in ran:
                module(*args, **kwargs)

        try:
            return self.finite.origin(self._held, loss_bad, run)
        finally:
            self._open = True


def _without_graph(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same arguments, with tensors that hold no graph alive."""

    def plain(value: Any) -> Any:
        return value.detach() if isinstance(value, Tensor) and value.requires_grad else value

    return tuple(map(plain, args)), {key: plain(value) for key, value in kwargs.items()}
