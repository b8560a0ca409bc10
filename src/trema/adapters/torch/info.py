"""What is known of a run: first from the model and optimizer, then from the first loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from trema.adapters.torch import locate
from trema.adapters.torch.batch import LossCall
from trema.adapters.torch.describe import (
    infer_inputs,
    infer_outputs,
    layers_of,
    loss_info,
    optimizer_info,
    parameters_of,
)
from trema.adapters.torch.graph import read_graph
from trema.core.diagnosis import Location
from trema.core.facts import Fact, Layer, LossInfo, Place, RunInfo
from trema.source.cuts import loss_cut
from trema.source.frames import CallSite
from trema.source.intervals import step_interval
from trema.source.loops import loop_around
from trema.source.loss_values import loss_value, operation_in
from trema.source.syntax import argument

#: operation of the autograd graph -> loss function
_LOSS_OF_OPERATION = {
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


def first_info(
    model: nn.Module, optimizer: torch.optim.Optimizer, index: int, compiled: bool
) -> RunInfo:
    """Layers with their lines, parameters and the optimizer, before the first step."""
    layers = locate.locate_layers(model, layers_of(model))
    place, rate = locate.locate_optimizer(optimizer)
    info = optimizer_info(optimizer, index)
    unobserved = {}
    if compiled:
        reason = "torch.compile runs the model"
        unobserved = {str(Fact.GRAPH): reason, str(Fact.ACTIVATION_MEAN): reason}
    first = next(model.parameters(), None)
    return RunInfo(
        framework="torch",
        layers=layers,
        parameters=parameters_of(model, (optimizer,)),
        optimizers=(dataclasses.replace(info, location=place, learning_rate_location=rate),),
        device=str(first.device) if first is not None else "cpu",
        versions={"torch": torch.__version__},
        seed=torch.initial_seed() % 2**63,
        unobserved=unobserved,
    )


def described(
    info: RunInfo,
    model: nn.Module,
    root: Any,
    outputs: Mapping[Any, str],
    call: LossCall | None,
    loss_location: Location | None,
    inputs: dict[str, Tensor],
    output: Tensor | None,
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, Any]:
    """The fields of RunInfo that the first loss tells.

    root : grad_fn of the loss, or None when the graph is not to be read
    outputs : grad_fn of a module's output -> its name
    shapes : layer -> shape of its first output
    """
    changes: dict[str, Any] = {}
    found: LossInfo | None = loss_info(call[0], call[1], call[3]) if call is not None else None
    if root is not None:
        layer_of = {p.name: p.layer or p.name for p in info.parameters}
        owners = {id(p): layer_of.get(name, name) for name, p in model.named_parameters()}
        modules = {layer.name: layer for layer in info.layers}
        read = call.output.grad_fn if call is not None else None
        graph = read_graph(root, owners, outputs, modules, read)
        if graph is not None:
            used = {layer.name for layer in graph.layers}
            rest = [layer for layer in info.layers if layer.name not in used]
            changes["layers"] = (*graph.layers, *rest)
            changes["edges"] = tuple(graph.edges)
            changes["head"] = graph.head
            if found is None and graph.losses:
                found = loss_info(_LOSS_OF_OPERATION[graph.losses[-1]], {}, None)
                if found.kind == "nll":  # a log-softmax may stand between the outputs and it
                    found = dataclasses.replace(found, reads="unknown")
    if found is not None:
        changes["loss"] = dataclasses.replace(found, location=loss_location)
    read_by_loss, target = (call.output, call.target) if call is not None else (output, None)
    first = next(iter(inputs.values()), None)
    batch = first.shape[0] if first is not None and first.ndim else None
    layers = changes.get("layers", info.layers)
    layers = locate.locate_output(model, layers, changes.get("head", ()), loss_location)
    changes["layers"] = tuple(_with_shape(layer, shapes, batch) for layer in layers)
    changes["inputs"] = info.inputs or infer_inputs(inputs, layers)
    changes["outputs"] = info.outputs or infer_outputs(found, read_by_loss, target)
    changes["batch_size"] = batch
    return changes


def _with_shape(layer: Layer, shapes: Mapping[str, tuple[int, ...]], batch: int | None) -> Layer:
    """The layer with the shape of its first output; the axis as long as the batch is None."""
    shape = shapes.get(layer.name, layer.output_shape)
    if not shape:
        return layer
    first = None if batch is None or shape[0] == batch else shape[0]
    return dataclasses.replace(layer, output_shape=(first, *shape[1:]))


def located(
    sites: Mapping[str, CallSite],
    train_loader: DataLoader[Any] | None,
    validation_loader: DataLoader[Any] | None,
    optimizer: Location | None = None,
    marks: Mapping[str, Location] = MappingProxyType({}),
) -> tuple[Place, ...]:
    """The places in the user's code by role.

    optimizer : where it was made
    marks : what was done to the model before training, by role
    """
    places: dict[str, Location] = dict(marks)
    for role, site in sites.items():
        location = site.resolve()
        if location is None:
            continue
        places[role] = location
        if role == "model":
            places["inputs"] = argument(location, "input", 0) or location
        elif role == "loss" and (targets := argument(location, "target", 1)) is not None:
            places["targets"] = targets
    if "step" in places and (loop := loop_around(places["step"], optimizer)) is not None:
        places["loop"] = loop
    if "backward" in places and (value := loss_value(places["backward"])) is not None:
        places["loss-value"] = value
        if (difference := operation_in(value, "difference")) is not None:
            places["loss-difference"] = difference
    if "backward" in places and (every := step_interval(places["backward"])) is not None:
        places["step-interval"] = every
    if "backward" in places and (cut := loss_cut(places["backward"])) is not None:
        places["loss-cut"] = cut
    if (size := locate.batch_location(train_loader)) is not None:
        places["batch-size"] = size
    choice = locate.data_location(validation_loader)
    if choice is not None:
        places["validation"] = choice
    if (data := locate.data_location(train_loader)) is not None:
        places["data"] = data
    if (labels := locate.labels_location(train_loader)) is not None:
        places["labels"] = labels
    order = locate.shuffle_location(train_loader)
    if order is not None:
        places["shuffle"] = order
    read = locate.load_location(train_loader, places.get("inputs"))
    if read is not None:
        places["load"] = read
    read = locate.load_location(validation_loader, None)
    if read is not None:
        places["load-validation"] = read
    return tuple(Place(role=role, location=location) for role, location in places.items())
