"""Watches one optimizer and the model it trains.

Between sampled steps two short hooks run: one after the model's forward, one after the
optimizer's step. A step is *armed* when the schedule asks for it: then hooks on the layers, the
graph of the loss, gradients and updates are read, and everything is copied to the host once.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from trema.adapters.torch import locate, patches, reduce
from trema.adapters.torch.describe import (
    infer_inputs,
    infer_outputs,
    is_compiled,
    kind_of,
    layers_of,
    learning_rates,
    leaves,
    loss_info,
    optimizer_info,
    parameters_of,
    unwrapped,
)
from trema.adapters.torch.epochs import Epochs
from trema.adapters.torch.graph import read_graph
from trema.adapters.torch.origin import find_origin
from trema.core.facts import (
    TENSOR_STATISTICS,
    TRAIN,
    VALIDATION,
    Fact,
    LossInfo,
    Observation,
    Phase,
    Place,
    RunInfo,
    Snapshot,
    TensorSeen,
)
from trema.engine.session import Session
from trema.source.frames import CallSite, call_site
from trema.source.syntax import argument

#: Steps shorter than this get no check of all gradients every step; the loss alone tells.
LONG_STEP = 2e-3  # seconds
#: While steps are that short, the model's own hook stays for this many steps only; later it
#: comes back with each validation pass and each sampled step.
HOOKED_STEPS = 2000
#: Validation batches observed in full an epoch.
VALIDATION_BATCHES = 2

_FACTS = {fact.value: fact for fact in Fact}
_ROLE_FACTS = {
    role: [_FACTS.get(f"{role}-{stat}") for stat in TENSOR_STATISTICS]
    for role in ("input", "target", "output")
}
_ACTIVATION = (
    Fact.ACTIVATION_MEAN,
    Fact.ACTIVATION_STD,
    Fact.ACTIVATION_ZEROS,
    Fact.ACTIVATION_SATURATED,
    Fact.ACTIVATION_NONFINITE,
)


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
        self.model = model
        self.inner = unwrapped(model)
        self.index = index
        self.step = 0
        self.armed = False
        self._optimizer = weakref.ref(optimizer)
        self._thread = threading.get_ident()
        self._compiled = is_compiled(model)
        self._leaves = leaves(self.inner)
        self._handles: list[Any] = []
        self._step_handles: list[Any] = []
        self._held: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._validation_seen = 0
        self._last_step_at = 0.0
        self._step_seconds = 0.0
        self._checks_gradients = True
        self._nonfinite_told = False
        self._bad_loss_told = False
        self._assess_now = False
        self._described = False
        self._places: dict[str, CallSite] = {}
        self._manual_validation = False
        self.loss_value: float | Tensor | None = None
        self._fresh_loss: Tensor | None = None  # what a loss function gave last
        self._loss_call: tuple[str, dict[str, Any], Tensor, Tensor | None, Tensor] | None = None
        self._reset_capture()
        self.segment = session.open_segment(self._first_info(optimizer))
        self.epochs = Epochs(self.segment, self._relocate)
        self._next = self.segment.schedule.next_step
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
                self._after_forward, with_kwargs=True
            )
            self._before_handle = optimizer.register_step_pre_hook(self._before_step)
        elif not wanted and self._forward_handle is not None:
            self._forward_handle.remove()
            self._before_handle.remove()
            self._forward_handle = self._before_handle = self._held = None

    # description --------------------------------------------------------------------------

    def _first_info(self, optimizer: torch.optim.Optimizer) -> RunInfo:
        layers = locate.locate_layers(self.inner, layers_of(self.inner))
        place, rate = locate.locate_optimizer(optimizer)
        info = optimizer_info(optimizer, self.index)
        unobserved = {}
        if self._compiled:
            reason = "torch.compile runs the model"
            unobserved = {str(Fact.GRAPH): reason, str(Fact.ACTIVATION_MEAN): reason}
        first = next(self.inner.parameters(), None)
        return RunInfo(
            framework="torch",
            layers=layers,
            parameters=parameters_of(self.inner, (optimizer,)),
            optimizers=(dataclasses.replace(info, location=place, learning_rate_location=rate),),
            device=str(first.device) if first is not None else "cpu",
            versions={"torch": torch.__version__},
            seed=torch.initial_seed() % 2**63,
            unobserved=unobserved,
        )

    def _reset_capture(self) -> None:
        self._inputs: dict[str, Tensor] = {}
        self._output: Tensor | None = None
        self._activations: dict[str, tuple[Tensor, Tensor | None]] = {}
        self._graph_outputs: dict[Any, str] = {}
        self._before: list[Tensor] = []
        self._captured = False

    # hooks --------------------------------------------------------------------------------

    def guard(self, action: Callable[[], None]) -> None:
        """Run and time a part of ours; an error is noted and ends this observer."""
        if threading.get_ident() != self._thread:
            return
        started = time.perf_counter()
        try:
            with torch.no_grad():
                action()
        except Exception as error:
            self.session.failed("torch adapter", error)
            self.close()
        finally:
            self.segment.schedule.add(time.perf_counter() - started)

    def _after_forward(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        if torch.compiler.is_compiling():
            return
        training = torch.is_grad_enabled()
        if training:
            self._held = (args, kwargs)
            if not self.armed or self._captured:
                return
        else:
            self.epochs.validated()
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
        self.epochs.see_inputs(inputs, training)
        if training:
            self._inputs = inputs
            self._output = main_output(output)
            self._captured = True
            return
        if self._validation_seen >= VALIDATION_BATCHES:
            return
        self._validation_seen += 1
        values: dict[tuple[Fact, str], Any] = {}
        self._tensor_facts("input", inputs, VALIDATION, values)
        out = main_output(output)
        if out is not None:
            self._tensor_facts("output", {"": out}, VALIDATION, values)
        self._record(values, VALIDATION)

    def loss_computed(
        self, name: str, args: tuple[Any, ...], options: dict[str, Any], result: Tensor
    ) -> None:
        """A loss function of torch ran; it is ours when it read what our model made."""
        training = result.requires_grad
        if training and not self.armed:
            self._fresh_loss = result  # its value is read once, in ``backward``
            return
        if not self._is_latest() or (not training and torch.is_grad_enabled()):
            return
        if "loss" not in self._places:
            self._note_place("loss")
        if not training:
            self.epochs.validated()
            self._hook(True)
            if result.numel() == 1:
                self.epochs.see_loss(_value(result), training=False)
            return
        self._fresh_loss = result
        output = args[0] if args else options.get("input")
        target = args[1] if len(args) > 1 else options.get("target")
        if isinstance(output, Tensor):
            kept = target if isinstance(target, Tensor) else None
            self._loss_call = (name, options, output, kept, result)

    def backward_begins(self, loss: Tensor) -> None:
        """The loss is the tensor whose ``backward`` runs."""
        fresh, self._fresh_loss = self._fresh_loss, None
        if loss.numel() != 1 or not self._is_latest():
            return
        if self.epochs.begins:
            self.guard(self.epochs.flush)
        scaled = patches.scaled
        if scaled is not None and scaled[0]() is loss:
            value = _value(scaled[1])
            self.epochs.see_backward(value, same=fresh is not None)
        else:
            value = _value(loss)
            self.epochs.see_backward(value, same=fresh is loss)
            if fresh is not None and fresh is not loss and fresh.numel() == 1:
                self.epochs.see_loss(_value(fresh), training=True)
        self.loss_value = value
        if self._before_handle is None and self._nonfinite() and not self._bad_loss_told:
            optimizer = self._optimizer()
            if optimizer is not None:
                self.guard(lambda: self._check_finite(optimizer))
        if self.armed:
            if "backward" not in self._places:
                self._note_place("backward")
            if not self._described and loss.grad_fn is not None:
                self.guard(lambda: self._describe(loss))

    def _note_place(self, role: str) -> None:
        site = call_site()
        if site is not None:
            self._places[role] = site

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if self.armed:
            self.guard(lambda: self._see_gradients(optimizer))
        elif self._checks_gradients or self._nonfinite():
            self.guard(lambda: self._check_finite(optimizer))

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        step = self.step
        if step == 0:
            self._note_place("step")
        self.epochs.stepped(step)
        if self.armed:
            self.guard(lambda: self._finish_step(optimizer))
            if self.session.state != "running":
                return
        self.step = step + 1
        self.segment.steps = self.step
        if self.step >= self._next and not self.armed:
            self._arm()

    def _is_latest(self) -> bool:
        """Whether the loss in hand belongs to this observer: GANs have several."""
        return len(patches.listeners) < 2 or self._captured or self._held is not None

    # an armed step ------------------------------------------------------------------------

    def _arm(self) -> None:
        self.armed = True
        self._hook(True)
        self._reset_capture()
        self._loss_call = None
        if self._compiled:
            return
        for name, module in self._leaves.items():
            handle = module.register_forward_hook(
                lambda m, _, out, name=name: self._after_layer(name, m, out)
            )
            self._step_handles.append(handle)

    def _disarm(self) -> None:
        self.armed = False
        for handle in self._step_handles:
            handle.remove()
        self._step_handles.clear()
        self._reset_capture()
        self._loss_call = None

    def _after_layer(self, name: str, module: nn.Module, output: Any) -> None:
        if torch.compiler.is_compiling() or not torch.is_grad_enabled() or self._captured:
            return
        out = main_output(output)
        if out is None:
            return
        if not self._described and out.grad_fn is not None:
            self._graph_outputs[out.grad_fn] = name
        if not out.is_floating_point() or name in self._activations:
            return

        def see() -> None:
            axis = 1 if kind_of(module) in ("conv", "conv-transpose") and out.ndim > 2 else -1
            stats = reduce.activation_statistics(out)
            self._activations[name] = (stats, reduce.unit_max(out, axis))

        self.guard(see)

    def _describe(self, loss: Tensor) -> None:
        """Read the graph, the loss and the places once."""
        info = self.segment.info
        call = self._loss_call
        owners = {
            id(p): layer or name
            for name, p in self.inner.named_parameters()
            for layer in [next((q.layer for q in info.parameters if q.name == name), None)]
        }
        modules = {layer.name: layer for layer in info.layers}
        read = call[2].grad_fn if call is not None else None
        root = loss
        scaled = patches.scaled
        if scaled is not None and scaled[0]() is loss and call is not None:
            root = call[4]
        graph = None
        if not self._compiled and root.grad_fn is not None:
            graph = read_graph(root.grad_fn, owners, self._graph_outputs, modules, read)
        changes: dict[str, Any] = {}
        if graph is not None:
            used = {layer.name for layer in graph.layers}
            rest = [layer for layer in info.layers if layer.name not in used]
            changes |= {
                "layers": (*graph.layers, *rest),
                "edges": tuple(graph.edges),
                "head": graph.head,
            }
        found: LossInfo | None = None
        if call is not None:
            found = loss_info(call[0], call[1], call[3])
        elif graph is not None and graph.losses:
            found = _loss_of_graph(graph.losses[-1])
        if found is not None:
            site = self._places.get("loss")
            changes["loss"] = dataclasses.replace(found, location=site.resolve() if site else None)
        layers = changes.get("layers", info.layers)
        changes["inputs"] = info.inputs or infer_inputs(self._inputs, layers)
        output, target = (call[2], call[3]) if call else (self._output, None)
        changes["outputs"] = info.outputs or infer_outputs(found, output, target)
        first = next(iter(self._inputs.values()), None)
        changes["batch_size"] = first.shape[0] if first is not None and first.ndim else None
        changes["places"] = self._located()
        self._described = True
        self._graph_outputs = {}
        self.segment.update(**changes)

    def _relocate(self) -> None:
        self.segment.update(places=self._located())

    def _located(self) -> tuple[Place, ...]:
        places: list[Place] = []
        for role, site in self._places.items():
            location = site.resolve()
            if location is None:
                continue
            places.append(Place(role=role, location=location))
            if role == "model":
                data = argument(location, "input", 0)
                places.append(Place(role="inputs", location=data or location))
        choice = locate.data_location(self.epochs.validation_loader)
        if choice is not None:
            places = [p for p in places if p.role != "validation"]
            places.append(Place(role="validation", location=choice))
        return tuple(places)

    def _see_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        self._check_finite(optimizer)
        parameters = self._parameters()
        limit = max(1, self.session.config.memory // 4)
        size = sum(p.numel() * p.element_size() for _, p in parameters)
        share = 1 if size <= limit else -(-size // limit)
        self._share = share
        self._before = [_part(p, share).clone() for _, p in parameters]

    def _finish_step(self, optimizer: torch.optim.Optimizer) -> None:
        parameters = self._parameters()
        values: dict[tuple[Fact, str], Any] = {}
        if self.loss_value is not None:
            values[Fact.LOSS, ""] = float(self.loss_value)
        scaler = patches.scaled[2]() if patches.scaled is not None else None
        if scaler is not None:
            values[Fact.LOSS_SCALE, ""] = float(scaler.get_scale())
        for group, rate in enumerate(learning_rates(optimizer)):
            values[Fact.LEARNING_RATE, f"{self.index}.{group}"] = rate
        self._tensor_facts("input", self._inputs, TRAIN, values)
        call = self._loss_call
        output = call[2] if call is not None else self._output
        if output is not None:
            self._tensor_facts("output", {"": output}, TRAIN, values)
        if call is not None and call[3] is not None:
            self._tensor_facts("target", {"": call[3]}, TRAIN, values)
        first = next(iter(self._inputs.values()), None)
        if first is not None and first.ndim:
            values[Fact.BATCH_SIZE, ""] = float(first.shape[0])
        self._layer_facts(values)
        self._parameter_facts(parameters, values)
        self._record(values, TRAIN)
        if self._assess_now:
            self._assess_now = False
            self.segment.assess()
        self._disarm()
        if self.segment.info.places and self._places.keys() - {
            p.role for p in self.segment.info.places
        }:
            self._relocate()
        self._plan()

    def _plan(self) -> None:
        schedule = self.segment.schedule
        self._next = schedule.observed(self.step)
        now = time.perf_counter()
        seconds = now - self._last_step_at
        self._last_step_at = now
        if self.step and seconds > 0:
            steps = max(1, self.step - getattr(self, "_planned_at", self.step - 1))
            self._step_seconds = seconds / steps
            self._checks_gradients = self._step_seconds > LONG_STEP or schedule.free(self.step)
        self._planned_at = self.step
        if not self._checks_gradients and self.step >= HOOKED_STEPS:
            self._hook(False)

    def _layer_facts(self, values: dict[tuple[Fact, str], Any]) -> None:
        if not self._activations:
            return
        names = list(self._activations)
        table = torch.stack([self._activations[name][0] for name in names]).tolist()
        for name, row in zip(names, table, strict=True):
            for fact, number in zip(_ACTIVATION, row, strict=True):
                values[fact, name] = number
            units = self._activations[name][1]
            if units is not None:
                values[Fact.UNIT_MAX, name] = units.cpu().numpy()

    def _parameter_facts(
        self, parameters: list[tuple[str, Tensor]], values: dict[tuple[Fact, str], Any]
    ) -> None:
        names = [name for name, _ in parameters]
        weights = reduce.numbers(reduce.norms([p for _, p in parameters]))
        with_gradient = [(n, p.grad) for n, p in parameters if p.grad is not None]
        gradients = reduce.numbers(reduce.norms([g for _, g in with_gradient]))
        for name, norm in zip(names, weights, strict=True):
            values[Fact.WEIGHT_NORM, name] = norm
            values[Fact.WEIGHT_NONFINITE, name] = float(not math.isfinite(norm))
        for (name, gradient), norm in zip(with_gradient, gradients, strict=True):
            values[Fact.GRADIENT_NORM, name] = norm
            bad = 0.0 if math.isfinite(norm) else float((~torch.isfinite(gradient)).sum())
            values[Fact.GRADIENT_NONFINITE, name] = bad
        if len(self._before) == len(parameters):
            share = self._share
            moved = [
                _part(p, share) - b for (_, p), b in zip(parameters, self._before, strict=True)
            ]
            updates = reduce.numbers(reduce.norms(moved))
            for name, norm in zip(names, updates, strict=True):
                values[Fact.UPDATE_NORM, name] = norm * math.sqrt(share)

    def _tensor_facts(
        self,
        role: str,
        tensors: dict[str, Tensor],
        phase: Phase,
        values: dict[tuple[Fact, str], Any],
    ) -> None:
        facts = _ROLE_FACTS[role]
        for name, tensor in tensors.items():
            seen = TensorSeen(
                role=role,  # type: ignore[arg-type]  # one of the three
                name=name,
                phase=phase,
                shape=tuple(tensor.shape),
                dtype=str(tensor.dtype).removeprefix("torch."),
                step=self.step,
            )
            self.segment.seen(seen)
            for fact, number in zip(facts, reduce.tensor_statistics(tensor).tolist(), strict=True):
                if fact is not None and not (math.isnan(number) and fact.endswith(("max", "min"))):
                    values[fact, name] = number

    def _record(self, values: dict[tuple[Fact, str], Any], phase: Phase) -> None:
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
        optimizer = self._optimizer()
        owned = (
            {id(p) for group in optimizer.param_groups for p in group["params"]}
            if optimizer is not None
            else set()
        )
        return [
            (name, p)
            for name, p in self.inner.named_parameters()
            if id(p) in owned and not isinstance(p, nn.UninitializedParameter)
        ]

    # non-finite values --------------------------------------------------------------------

    def _nonfinite(self) -> bool:
        """Whether the loss is known to be bad; an accelerator is not waited for."""
        return isinstance(self.loss_value, float) and not math.isfinite(self.loss_value)

    def _check_finite(self, optimizer: torch.optim.Optimizer) -> None:
        """Catch the first non-finite value at its step, before the update spreads it."""
        value = self.loss_value
        loss_bad = value is not None and not math.isfinite(float(value))
        if loss_bad and not self._bad_loss_told:
            self._bad_loss_told = True
            self._assess_now = True
            if not self.armed:
                self._record({(Fact.LOSS, ""): float(value)}, TRAIN)  # type: ignore[arg-type]  # not None
        elif not self._nonfinite_told and not loss_bad and self._gradients_are_finite():
            return
        if not self._nonfinite_told:
            self._nonfinite_told = True
            data = find_origin(self.inner, self._held, dict(self._parameters()), loss_bad)
            self.segment.observe(
                Observation(
                    fact=Fact.NONFINITE_ORIGIN,
                    step=self.step,
                    epoch=self.epochs.epoch,
                    data={**data, "step": self.step},
                    segment=self.segment.number,
                )
            )
        elif self._assess_now and not self.armed:
            self._assess_now = False
            self.segment.assess()

    def _gradients_are_finite(self) -> bool:
        gradients = [p.grad for _, p in self._parameters() if p.grad is not None]
        if not gradients:
            return True
        # one sum over all norms: it is finite unless a gradient is not, or squares overflowed
        total = torch.stack([n.to(gradients[0].device) for n in reduce.norms(gradients)]).sum()
        return math.isfinite(float(total)) or all(bool(torch.isfinite(g).all()) for g in gradients)

    # loaders ------------------------------------------------------------------------------

    def loader_begins(self, loader: DataLoader[Any]) -> None:
        """Somebody iterates a loader."""
        self.epochs.loader_begins(loader)

    def loader_ends(self, loader: DataLoader[Any]) -> None:
        """A loader is exhausted."""
        self.guard(lambda: self.epochs.loader_ends(loader))
        self._validation_seen = 0

    def close(self) -> None:
        """Remove every hook; the segment takes its last look."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._hook(False)
        self._disarm()
        if self in patches.listeners:
            patches.listeners.remove(self)
        self.session.guarded("torch adapter", lambda: self.epochs.close())


def _value(loss: Tensor) -> float | Tensor:
    """The number; on an accelerator a detached scalar, because reading it would wait."""
    return loss.item() if loss.device.type == "cpu" else loss.detach()


def tensors_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors a model was called with: ``""`` for the only one, else position or key."""
    found = {str(i): a for i, a in enumerate(args) if isinstance(a, Tensor)}
    found |= {k: v for k, v in kwargs.items() if isinstance(v, Tensor)}
    for i, a in enumerate(args):
        if isinstance(a, dict):
            found |= {str(k): v for k, v in a.items() if isinstance(v, Tensor)}
        elif isinstance(a, list | tuple):
            found |= {f"{i}.{j}": v for j, v in enumerate(a) if isinstance(v, Tensor)}
    return {"": next(iter(found.values()))} if len(found) == 1 else found


def main_output(output: Any) -> Tensor | None:
    """The tensor that stands for a model's output: ``logits`` of a dictionary, or the first."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, dict):
        values = [output["logits"]] if "logits" in output else list(output.values())
    elif isinstance(output, list | tuple):
        values = list(output)
    else:
        values = [getattr(output, "logits", None)]
    return next((v for v in values if isinstance(v, Tensor)), None)


def _part(p: Tensor, share: int) -> Tensor:
    """Every ``share``-th element; all of them when they are few."""
    flat = p.detach().reshape(-1)
    return flat if share == 1 else flat[::share]


def _loss_of_graph(op: str) -> LossInfo:
    names = {
        "NllLoss": "nll_loss",
        "NllLoss2D": "nll_loss",
        "MseLoss": "mse_loss",
        "L1Loss": "l1_loss",
        "SmoothL1Loss": "smooth_l1_loss",
        "HuberLoss": "huber_loss",
        "BinaryCrossEntropy": "binary_cross_entropy",
        "BinaryCrossEntropyWithLogits": "binary_cross_entropy_with_logits",
        "KlDiv": "kl_div",
        "CtcLoss": "ctc_loss",
        "SoftMarginLoss": "soft_margin_loss",
    }
    return loss_info(names[op], {}, None)
