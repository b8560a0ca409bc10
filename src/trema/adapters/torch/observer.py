"""Watches one optimizer and the model it trains.

Between sampled steps two short hooks run: one after the model's forward, one after the
optimizer's step. A step is *armed* when the schedule asks for it: then hooks on the layers, the
graph of the loss, gradients and updates are read, and everything is copied to the host once.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from trema.adapters.torch import calls, failing, locate, patches, reduce
from trema.adapters.torch.batch import LossCall, main_output, tensors_in, value_of
from trema.adapters.torch.describe import (
    is_compiled,
    kind_of,
    learning_rates,
    leaves,
    owned_parameters,
    unwrapped,
    watched_part,
)
from trema.adapters.torch.epochs import Epochs
from trema.adapters.torch.evaluation import EvalDropout
from trema.adapters.torch.finite import Finite
from trema.adapters.torch.flow import Flow
from trema.adapters.torch.folds import Folds
from trema.adapters.torch.hooks import Hook, silence
from trema.adapters.torch.info import described, first_info, located
from trema.adapters.torch.loop import Loop
from trema.adapters.torch.marks import marks_of
from trema.adapters.torch.measure import (
    Values,
    distributions,
    layer_facts,
    parameter_facts,
    part,
    tensor_facts,
)
from trema.adapters.torch.passes import Passes
from trema.adapters.torch.plateau import Plateaus
from trema.adapters.torch.ranks import Ranks
from trema.adapters.torch.schedules import Schedules
from trema.adapters.torch.tokens import Tokens, readable
from trema.adapters.torch.units import UnitAxes
from trema.adapters.torch.weights import Weights
from trema.adapters.travel import Following
from trema.core.diagnosis import Location
from trema.core.facts import TRAIN, VALIDATION, Fact, Observation, Phase, Place, Snapshot
from trema.engine.schedule import mark
from trema.engine.session import Session
from trema.source.frames import CallSite, call_site
from trema.source.freezing import freezing_statement

#: Steps shorter than this get no check of all gradients every step; the loss alone tells.
LONG_STEP = 2e-3  # seconds
#: While steps are that short, the model's own hook stays for this many steps only; later it
#: comes back with each validation pass and each sampled step.
HOOKED_STEPS = 2000
#: Validation batches observed in full an epoch.
VALIDATION_BATCHES = 2


class Observer:
    """Hooks of one (model, optimizer) pair; feeds one segment of the session."""

    def __init__(
        self,
        session: Session,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        index: int = 0,
        site: CallSite | None = None,
    ) -> None:
        self.session = session
        self.inner = unwrapped(model)
        self.model = watched_part(model)
        self.index = index
        self.step = 0
        self.armed = False
        self._failed = False
        self._optimizer = weakref.ref(optimizer)
        self._thread = threading.get_ident()
        self._compiled = is_compiled(model)
        self._leaves = leaves(self.inner)
        self._kinds = {name: kind_of(module) for name, module in self._leaves.items()}
        self._axes = UnitAxes()
        self._handles: list[Any] = []
        self._step_handles: list[Any] = []
        self._held: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._validation_seen = 0
        self._last_step_at = 0.0
        self._own_before = 0.0
        self._step_seconds = 0.0
        self._checks_gradients = True
        self._described = False
        self._places: dict[str, CallSite] = {}
        self.known_places: dict[str, Location] = {}  # what an adapter above knows better
        self._marks: dict[str, Location] | None = None  # what was done to the model before
        self.loss_value: float | Tensor | None = None
        self._fresh_loss: Tensor | None = None  # what a loss function gave last
        # what the model gave last without gradients; whether its inputs are kept without targets
        self._unjudged: weakref.ref[Tensor] | None = None
        self._unlabelled = False
        self._scaler: weakref.ref[Any] | None = None
        self._loss_call: LossCall | None = None
        self._reset_capture()
        info = first_info(self.inner, optimizer, index, self._compiled)
        if not all(parameter.trainable for parameter in info.parameters):
            frozen = freezing_statement(locate.user_files())
            if frozen is not None:
                self.known_places["freeze"] = frozen
        self.segment = session.open_segment(info)
        self.epochs = Epochs(self.segment, self._relocate)
        self.loop = Loop(self, optimizer)
        self.weights = Weights(self, optimizer)
        self.plateaus = Plateaus(self, optimizer)
        self.schedules = Schedules(self, optimizer)
        self.eval_dropout = EvalDropout(self)
        self.passes = Passes(self)
        self.folds = Folds(self, optimizer)
        self.tokens = Tokens(self.inner)
        self.finite = Finite(self)
        self.flow = Flow(self.inner)
        self.ranks = Ranks(self, model if self.model is not model else None)
        self._next = self.segment.schedule.next_step
        self.travel: Following | None = None  # a recording beside this training
        self._forward_handle: Any = None
        self._before_handle: Any = None
        self._handles = [optimizer.register_step_post_hook(self._after_step)]
        self._hook(True)
        patches.install()
        patches.listeners.append(self)
        self._arm()

    def _hook(self, wanted: bool) -> None:
        """Have the hooks on forward and before the update, or do without them."""
        optimizer = self._optimizer()
        if wanted and self._forward_handle is None and optimizer is not None:
            self._forward_handle = self.model.register_forward_hook(
                Hook(self._after_forward), with_kwargs=True
            )
            self._before_handle = optimizer.register_step_pre_hook(self._before_step)
        elif not wanted and self._forward_handle is not None:
            self._forward_handle.remove()
            self._drop(self._before_handle)
            self._forward_handle = self._before_handle = self._held = None

    def _drop(self, handle: Any) -> None:
        """Remove a hook of the optimizer; after an error, its hooks are perhaps running."""
        if self._failed:
            silence(handle)
        else:
            handle.remove()

    # description --------------------------------------------------------------------------

    def _reset_capture(self) -> None:
        self._inputs: dict[str, Tensor] = {}
        self._output: Tensor | None = None
        self._activations: dict[str, tuple[Tensor, Tensor | None]] = {}
        self._samples: dict[str, Tensor] = {}  # of the activations; empty on most sampled steps
        self._shapes: dict[str, tuple[int, ...]] = {}  # of outputs, until they are described
        self._graph_outputs: dict[Any, str] = {}
        self._axes.forget_graph()
        self._before: list[Tensor] = []
        self._share = 1
        self._captured = False

    # hooks --------------------------------------------------------------------------------

    def guard(self, action: Callable[[], None]) -> None:
        """Run and time a part of ours; an error is noted and ends this observer."""
        if threading.get_ident() != self._thread:
            return
        begun = mark()
        try:
            with torch.no_grad():
                action()
        except Exception as error:
            self._failed = True
            self.session.failed("torch adapter", error)
            self.close()
        finally:
            self.segment.schedule.add(*begun.passed())

    def _after_forward(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        if torch.compiler.is_compiling() or patches.paused:
            return
        training = torch.is_grad_enabled()
        if training:
            self._held = (args, kwargs)
            if calls.watching:
                self.loop.forward_ran()
            if not self.armed or self._captured:
                return
        else:
            self.epochs.validated()
            out = main_output(output)
            self._unjudged = None if out is None else weakref.ref(out)
            self._unlabelled = False
            if self._validation_seen >= VALIDATION_BATCHES and not self.epochs.wants_hashes(False):
                return
        if "model" not in self._places or (not training and "validation" not in self._places):
            site = call_site()
            if site is not None:
                self._places.setdefault("model" if training else "validation", site)
        self.guard(lambda: self._see_forward(args, kwargs, output, training))

    def _see_forward(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, training: bool
    ) -> None:
        inputs = tensors_in(args, kwargs)
        self.epochs.see_inputs(readable(inputs), training)
        if training:
            self._inputs = inputs
            self._output = main_output(output)
            self._captured = True
            self.ranks.forward_ran()
            return
        if self._validation_seen >= VALIDATION_BATCHES:
            return
        self._validation_seen += 1
        self.epochs.see_batch(VALIDATION, readable(inputs), None, self.step)
        self._unlabelled = True
        values: Values = {}
        values |= tensor_facts(self.segment, self.step, "input", inputs, VALIDATION)
        out = main_output(output)
        if out is not None:
            values |= tensor_facts(self.segment, self.step, "output", {"": out}, VALIDATION)
        self._record(values, VALIDATION)

    def loss_computed(
        self, name: str, args: tuple[Any, ...], options: dict[str, Any], result: Tensor
    ) -> None:
        """A loss function of torch ran; it is ours when it read what our model made."""
        training = result.requires_grad
        if training and not self.armed:
            self._fresh_loss = result  # its value is read once, in ``backward``
            return
        aside = not training and torch.is_grad_enabled() and not self._judges(args, options)
        if aside or not self._is_latest():
            return
        if "loss" not in self._places:
            self._note_place("loss")
        if not training:
            self.epochs.validated()
            self._hook(True)
            if not torch.is_grad_enabled():  # else the modes may be those of training again
                self.guard(self.loop.evaluated)
            if self._unlabelled:
                self._unlabelled = False
                self.guard(lambda: self.epochs.label_batch(_given(args, options)[1]))
            if result.numel() == 1:
                self.epochs.see_loss(value_of(result), training=False)
            return
        self._fresh_loss = result
        output, target = _given(args, options)
        if isinstance(output, Tensor):
            kept = target if isinstance(target, Tensor) else None
            if len(args) > 2 and name in ("cross_entropy", "nll_loss"):
                options = {**options, "weight": args[2]}
            self._loss_call = LossCall(name, options, output, kept, result)

    def _judges(self, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Whether a loss function reads just what the model gave without gradients."""
        known = self._unjudged() if self._unjudged is not None else None
        output = _given(args, options)[0]
        if known is None or not isinstance(output, Tensor):
            return False
        return output is known or (output._base is not None and output._base is known)

    def loss_failed(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """A loss function raised: what it was given is told, the error goes on."""
        if torch.is_grad_enabled() and self._is_latest():
            self.guard(lambda: failing.tell(self, name, args, options))

    def backward_begins(self, loss: Tensor) -> None:
        """The loss is the tensor whose ``backward`` runs."""
        fresh, self._fresh_loss = self._fresh_loss, None
        others = len(patches.listeners) > 1
        if (loss.ndim and loss.numel() != 1) or (others and not self._is_latest()):
            return
        if self.epochs.begins:
            self.end_epoch()
            self.guard(self.schedules.epoch_begins)
        scaled = patches.scaled
        self._scaler = None  # a scaler of another loop tells nothing about this one
        if scaled is not None and scaled[0]() is loss:
            self._scaler = scaled[2]
            value = value_of(scaled[1])
            self.epochs.see_backward(value, same=fresh is not None)
        else:
            value = loss.item() if loss.is_cpu else loss.detach()
            self.epochs.see_backward(value, same=fresh is loss)
            if fresh is not None and fresh is not loss and fresh.numel() == 1:
                self.epochs.see_loss(value_of(fresh), training=True)
        self.loss_value = value
        self.finite.backward_begins(loss)
        if self.armed:
            if "backward" not in self._places or not self.step:
                self._note_place("backward")  # the last one before the first update counts
            # where the step came first, its forward pass is forgotten by now
            ran = self._captured or self._loss_call is not None or not self.step
            if ran and not self._described and loss.grad_fn is not None:
                self.guard(lambda: self._describe(loss))

    def _note_place(self, role: str) -> None:
        site = call_site()
        if site is not None:
            self._places[role] = site
        if role == "loss" and (made := failing.criterion_site()) is not None:
            self._places["criterion"] = made

    def _before_step(self, optimizer: torch.optim.Optimizer, *given: Any) -> None:
        if self.armed:
            self.guard(lambda: self._see_gradients(optimizer, given))
        elif self._checks_gradients or self.finite.bad_loss:
            self.guard(self.finite.check)

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        step = self.step
        if step == 0:
            self._note_place("step")
        self.epochs.stepped(step)
        if step >= self.ranks.next:
            self.guard(lambda: self.ranks.stepped(optimizer))
        if self.armed:
            self.guard(lambda: self._finish_step(optimizer))
            if self.session.state != "running":
                return
        self.step = step + 1
        self.segment.steps = self.step
        if self.travel is not None:
            self.travel.stepped(step)
        if self.step >= self._next and not self.armed:
            self._arm()

    def _is_latest(self) -> bool:
        """Whether the loss in hand belongs to this observer: GANs have several."""
        return len(patches.listeners) < 2 or self._captured or self._held is not None

    # an armed step ------------------------------------------------------------------------

    def _arm(self) -> None:
        self.armed = True
        self.loop.arm()
        self._hook(True)
        self._reset_capture()
        self._loss_call = None
        self.flow.forget()
        if self._compiled:
            return
        for name, module in self._leaves.items():
            hook = Hook(functools.partial(self._after_layer, name))
            self._step_handles.append(module.register_forward_hook(hook))

    def _disarm(self) -> None:
        self.armed = False
        self.loop.disarm()
        for handle in self._step_handles:
            handle.remove()
        self._step_handles.clear()
        self._reset_capture()
        self._loss_call = None

    def _after_layer(
        self, name: str, module: nn.Module, given: tuple[Any, ...], output: Any
    ) -> None:
        if torch.compiler.is_compiling() or not torch.is_grad_enabled() or self._captured:
            return
        if not self._described:
            kind = self._kinds[name]
            self.guard(lambda: self.flow.after_layer(name, kind, module, given, output))
        out = main_output(output)
        if out is None:
            return
        if not self._described:
            self._shapes.setdefault(name, tuple(out.shape))
            nothing = self._kinds[name] == "dropout" and getattr(module, "p", None) == 0
            if out.grad_fn is not None and not nothing and not isinstance(module, nn.Identity):
                self._graph_outputs[out.grad_fn] = name
        if not out.is_floating_point() or name in self._activations:
            return

        def see() -> None:
            axis = self._axes.of(name, module, self._kinds[name], given, out)
            units = None if axis is None else reduce.unit_max(out, axis)
            self._activations[name] = (reduce.activation_statistics(out), units)
            if self.segment.schedule.distributions:
                sample = reduce.sample(out)
                if sample is not None:
                    self._samples[name] = sample

        self.guard(see)

    def _describe(self, loss: Tensor) -> None:
        """Read the graph, the loss and the places once."""
        root = loss
        scaled = patches.scaled
        if scaled is not None and scaled[0]() is loss and self._loss_call is not None:
            root = self._loss_call.result
        site = self._places.get("loss")
        changes = described(
            self.segment.info,
            self.inner,
            None if self._compiled else root.grad_fn,
            self._graph_outputs,
            self._loss_call,
            site.resolve() if site is not None else None,
            self._inputs,
            self._output,
            self._shapes,
        )
        optimizer, known = self._optimizer(), self.segment.info.optimizers
        peak = locate.cycle_peak(optimizer) if optimizer is not None and len(known) == 1 else None
        if peak is not None:  # the schedule was made after the optimizer
            changes["optimizers"] = (dataclasses.replace(known[0], learning_rate_location=peak),)
        self._described = True
        self._graph_outputs = {}
        self._shapes = {}
        self._tell_flow(root)
        self.segment.update(**changes, places=self._located())

    def _tell_flow(self, root: Tensor) -> None:
        if not self._compiled:
            data = self.flow.read(root.grad_fn, self._loss_call, self._inputs)
            self.known_places |= self.flow.places
            self.observe(Fact.FLOW, data)
        self.flow.done()

    def observe(self, fact: Fact, data: dict[str, Any]) -> None:
        """Hand on what was found out beside the numbers of a step."""
        epoch, segment = self.epochs.epoch, self.segment.number
        self.segment.observe(
            Observation(fact=fact, step=self.step, epoch=epoch, data=data, segment=segment)
        )

    def _relocate(self) -> None:
        self.segment.update(places=self._located())

    def _located(self) -> tuple[Place, ...]:
        epochs, known = self.epochs, self.known_places
        made = next((o.location for o in self.segment.info.optimizers), None)
        if self._marks is None:
            self._marks = dict(marks_of(self.inner))
        loaders = epochs.train_loader, epochs.validation_loader
        found = located(self._places, *loaders, made, self._marks)
        rest = tuple(place for place in found if place.role not in known)
        return rest + tuple(Place(role=r, location=where) for r, where in known.items())

    def _see_gradients(self, optimizer: torch.optim.Optimizer, given: tuple[Any, ...]) -> None:
        self.finite.forget()
        self.finite.check()
        self.loop.before_step(optimizer, given)
        self.weights.before_step()
        parameters = self._parameters()
        limit = max(1, self.session.config.memory // 4)
        size = sum(p.numel() * p.element_size() for _, p in parameters)
        share = 1 if size <= limit else -(-size // limit)
        self._share = share
        self._before = [part(p, share).clone() for _, p in parameters]

    def _finish_step(self, optimizer: torch.optim.Optimizer) -> None:
        parameters = self._parameters()
        values: Values = {}
        if self.loss_value is not None:
            values[Fact.LOSS, ""] = float(self.loss_value)
        scaler = self._scaler() if self._scaler is not None else None
        if scaler is not None:
            values[Fact.LOSS_SCALE, ""] = float(scaler.get_scale())
        for group, rate in enumerate(learning_rates(optimizer)):
            values[Fact.LEARNING_RATE, f"{self.index}.{group}"] = rate
        values |= tensor_facts(self.segment, self.step, "input", self._inputs, TRAIN)
        call = self._loss_call
        output = call.output if call is not None else self._output
        if output is not None:
            values |= tensor_facts(self.segment, self.step, "output", {"": output}, TRAIN)
        if call is not None and call.target is not None:
            values |= tensor_facts(self.segment, self.step, "target", {"": call.target}, TRAIN)
        first = next(iter(self._inputs.values()), None)
        if first is not None and first.ndim:
            values[Fact.BATCH_SIZE, ""] = float(first.shape[0])
        target = call.target if call is not None else None
        self.epochs.see_batch(TRAIN, readable(self._inputs), target, self.step)
        values |= self.tokens.facts(self._inputs, call)
        values |= self.loop.facts(optimizer)
        values |= layer_facts(self._activations)
        values |= parameter_facts(parameters, self._before, self._share)
        if self.segment.schedule.distributions:
            values |= distributions(self._samples, parameters)
        self._record(values, TRAIN)
        self.finite.assess()
        self._disarm()
        known = self.segment.info.places
        # a loss without a graph is never described
        if (known or self.loop.begins_anew) and self._places.keys() - {p.role for p in known}:
            self._relocate()
        self._plan()

    def _plan(self) -> None:
        schedule = self.segment.schedule
        self._next = schedule.observed(self.step)
        now = time.perf_counter()
        # without our own time: a look of the checks would make short steps seem long
        seconds = (
            now - self._last_step_at - (schedule.own_seconds + schedule.left_out - self._own_before)
        )
        self._last_step_at = now
        self._own_before = schedule.own_seconds + schedule.left_out
        if self.step and seconds > 0:
            steps = max(1, self.step - getattr(self, "_planned_at", self.step - 1))
            self._step_seconds = seconds / steps
            self._checks_gradients = self._step_seconds > LONG_STEP or schedule.free(self.step)
        self._planned_at = self.step
        if not self._checks_gradients and self.step >= HOOKED_STEPS:
            self._hook(False)

    def _record(self, values: Values, phase: Phase) -> None:
        self.segment.record(
            Snapshot(
                step=self.step,
                epoch=self.epochs.epoch,
                phase=phase,
                values=values,
                segment=self.segment.number,
            )
        )

    def _parameters(self) -> list[tuple[str, Tensor]]:
        return owned_parameters(self.inner, self._optimizer())

    def _origin(self, loss_bad: bool) -> dict[str, Any]:
        return self.finite.origin(self._held, loss_bad)

    # loaders ------------------------------------------------------------------------------

    def loader_begins(self, loader: DataLoader[Any]) -> None:
        """Somebody iterates a loader."""
        self.epochs.loader_begins(loader)
        self.ranks.loader_begins(loader)
        self.guard(lambda: self.passes.begins(loader))
        self.loop.loader_begins(loader is self.epochs.train_loader)

    def loader_ends(self, loader: DataLoader[Any]) -> None:
        """A loader is exhausted."""
        self.guard(lambda: self.loop.loader_ends(loader is self.epochs.train_loader))
        self.guard(lambda: self.epochs.loader_ends(loader))
        self.guard(lambda: self.passes.ends(loader))
        if loader is self.epochs.train_loader:
            self.guard(self.ranks.loader_ends)
            if self.travel is not None and self.epochs.begins:
                self.travel.epoch_over(self.epochs.epoch)
        self._validation_seen = 0

    def end_epoch(self) -> None:
        """The epoch is over and handed on; what time travel records of it is timed apart."""
        if self.travel is not None:
            self.travel.epoch_over(self.epochs.epoch)
        self.guard(self.epochs.flush)

    def rest(self) -> None:
        """Remove every hook; the last epoch may still be told more."""
        for handle in self._handles:
            self._drop(handle)
        self._handles.clear()
        self._hook(False)
        self.flow.done()
        self.session.guarded("torch adapter", self.loop.close)
        self.weights.close()
        self.session.guarded("torch adapter", self.plateaus.close)
        self.session.guarded("torch adapter", self.schedules.close)
        self.eval_dropout.close()
        self.passes.close()
        self.folds.close()
        self.session.guarded("torch adapter", lambda: self.ranks.close(self._optimizer()))
        self._disarm()
        if self in patches.listeners:
            patches.listeners.remove(self)

    def close(self) -> None:
        """Remove every hook; the segment takes its last look."""
        travel, self.travel = self.travel, None
        if travel is not None:
            if self.epochs.train_loader is None:  # no loader says that the epoch was whole
                travel.epoch_over(self.epochs.epoch)
            travel.close()
        self.rest()
        self.session.guarded("torch adapter", lambda: self.epochs.close())


def _given(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
    """What a loss function of torch compares: output and target."""
    output = args[0] if args else options.get("input")
    return output, args[1] if len(args) > 1 else options.get("target")
