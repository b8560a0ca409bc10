"""Lines of layers, optimizers, losses and data in the user's code."""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from trema.adapters.torch import marks
from trema.adapters.torch.calls import schedulers_of
from trema.adapters.torch.describe import leaves
from trema.core.diagnosis import Location
from trema.core.facts import Layer
from trema.source.construction import Sites
from trema.source.frames import call_site, is_user_file
from trema.source.heads import applied_in, output_call
from trema.source.labels import labels_of
from trema.source.layers import LayerSpec
from trema.source.matching import match_call, match_layers
from trema.source.origins import origin
from trema.source.reading import source_tree
from trema.source.syntax import argument

#: Where objects were made, known when Trema was there first (``trema run``).
made = Sites()
_CYCLIC = torch.optim.lr_scheduler.CyclicLR
_noted: set[type] = set()  # whose construction is noted
#: Kinds of layers that give the outputs their range.
_FUNCTIONS = ("activation", "softmax", "log-softmax")


def record_construction() -> None:
    """Note from now on where modules and what trains them are made."""
    if nn.Module in _noted:
        return
    _note(nn.Module)
    record_training()
    marks.record()


def record_training() -> None:
    """Note from now on where optimizers, schedulers, loaders and data sets are made."""
    for kind in (
        torch.optim.Optimizer,
        DataLoader,
        Subset,
        torch.utils.data.TensorDataset,
        torch.optim.lr_scheduler.LRScheduler,
    ):
        _note(kind)


def _note(kind: type) -> None:
    if kind in _noted:
        return
    _noted.add(kind)
    original = kind.__init__  # type: ignore[misc]  # patched on the class, not an instance

    def __init__(self: Any, *args: Any, **options: Any) -> None:
        try:
            made.record(self)
        except Exception:  # a line is never worth an error in the user's constructor
            pass
        original(self, *args, **options)

    __init__.__wrapped__ = original  # type: ignore[attr-defined]
    __init__.__doc__ = original.__doc__
    kind.__init__ = __init__  # type: ignore[misc]


def site_of(thing: object) -> Location | None:
    """Where this object was made, if that was noted."""
    site = made.site(thing)
    return site.resolve() if site is not None else None


def user_files() -> list[str]:
    """Files of the user's modules in this process, the main script first."""
    files: list[str] = []
    for name in ["__main__", *sys.modules]:
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str) and file not in files and is_user_file(file):
            files.append(file)
    here = call_site()
    if here is not None and here.file not in files:
        files.insert(0, here.file)
    return files


def locate_layers(model: nn.Module, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers with their lines: noted at construction, else matched in the syntax tree."""
    modules = leaves(model)
    found = {name: place for name, m in modules.items() if (place := site_of(m)) is not None}
    if not found:
        specs = [_spec(model, name, modules[name]) for name in modules]
        found = match_layers(specs, user_files())
    return tuple(dataclasses.replace(layer, location=found.get(layer.name)) for layer in layers)


def locate_output(
    model: nn.Module, layers: tuple[Layer, ...], head: tuple[str, ...], loss: Location | None
) -> tuple[Layer, ...]:
    """The layers, with the line of an output function that is called instead of being a layer."""
    by_name = {layer.name: layer for layer in layers}
    found: dict[str, Location] = {}
    for name in head:
        layer = by_name.get(name)
        if layer is None or layer.parameters or not layer.functional:
            break
        if layer.kind in _FUNCTIONS:
            place = _output_place(model, layer.class_name, loss)
            if place is not None:
                found[name] = place
            break  # what stands before it would be found at its line
    return tuple(
        dataclasses.replace(layer, location=found[layer.name]) if layer.name in found else layer
        for layer in layers
    )


def _output_place(model: nn.Module, operation: str, loss: Location | None) -> Location | None:
    given = argument(loss, "input", 0) if loss is not None else None
    place = applied_in(given, operation) if given is not None else None
    if place is not None:
        return place
    while isinstance(model, nn.Sequential) and len(model):
        model = model[-1]
    own = _written_in(model)

    def inside(attribute: str) -> tuple[str, str] | None:
        held = getattr(model, attribute, None)
        while isinstance(held, nn.Sequential) and len(held):
            held = held[-1]
        return _written_in(held)

    return output_call(*own, operation, inside) if own is not None else None


def _written_in(module: object) -> tuple[str, str] | None:
    """File and qualified name of a module's class, where it is the user's."""
    file = getattr(sys.modules.get(type(module).__module__), "__file__", None)
    if not isinstance(file, str) or not is_user_file(file):
        return None
    return file, type(module).__qualname__


def _spec(model: nn.Module, name: str, module: nn.Module) -> LayerSpec:
    chain: list[tuple[nn.Module, str]] = []  # parents from the outside in, and the child's name
    parent = model
    for part in name.split("."):
        chain.append((parent, part))
        parent = getattr(parent, part, parent)
    path: list[int] = []
    while (
        chain
        and isinstance(chain[-1][0], nn.Sequential | nn.ModuleList)
        and (chain[-1][1].isdigit())
    ):
        path.insert(0, int(chain.pop()[1]))
    owner, attribute = chain[-1] if chain else (None, None)
    file = getattr(sys.modules.get(type(owner).__module__), "__file__", None) if owner else None
    return LayerSpec(
        name=name,
        class_name=type(module).__name__,
        owner_class=(file, type(owner).__qualname__) if file else None,
        attribute=attribute,
        index=tuple(path) if path else None,
        arguments=_written(module),
    )


def _written(module: nn.Module) -> Mapping[str, object]:
    names = {
        nn.Linear: ("in_features", "out_features"),
        nn.Conv1d: ("in_channels", "out_channels"),
        nn.Conv2d: ("in_channels", "out_channels"),
        nn.Dropout: ("p",),
        nn.BatchNorm2d: ("num_features",),
        nn.Embedding: ("num_embeddings", "embedding_dim"),
        nn.LSTM: ("input_size", "hidden_size"),
    }.get(type(module), ())
    return {name: getattr(module, name) for name in names}


def locate_optimizer(
    optimizer: torch.optim.Optimizer,
) -> tuple[Location | None, Location | None]:
    """Where the optimizer was made, and the argument of its learning rate."""
    place = site_of(optimizer) or match_call(user_files(), type(optimizer).__name__)
    if place is None:
        return None, None
    return place, argument(place, "lr", 1)


def cycle_peak(optimizer: torch.optim.Optimizer) -> Location | None:
    """The peak given to a schedule that sets every rate itself, whatever the optimizer says."""
    for kind, position in ((torch.optim.lr_scheduler.OneCycleLR, 1), (_CYCLIC, 2)):
        for scheduler in schedulers_of(optimizer):
            if type(scheduler) is kind and (site := site_of(scheduler)) is not None:
                return argument(site, "max_lr", position) or site
    return None


def factor_of(scheduler: object) -> Location | None:
    """The expression of the only ``lambda`` that a schedule multiplies its rates by."""
    functions = list(getattr(scheduler, "lr_lambdas", None) or ())
    code = getattr(functions[0], "__code__", None) if len(functions) == 1 else None
    if code is None or code.co_name != "<lambda>" or not is_user_file(code.co_filename):
        return None
    tree = source_tree(code.co_filename)
    found = [
        node.body
        for node in (tree.nodes if tree is not None else ())
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno
    ]
    return tree.location(found[0]) if tree is not None and len(found) == 1 else None


def data_location(loader: DataLoader[Any] | None) -> Location | None:
    """Where the data of a loader was chosen: the subset, the dataset, or the loader."""
    if loader is None:
        return None
    for thing in (loader.dataset, loader):
        place = site_of(thing)
        if place is not None:
            return place
    return None


def load_location(loader: DataLoader[Any] | None, inputs: Location | None) -> Location | None:
    """Where the data of a loader, or of the model's argument, are read."""
    starts = [inputs]
    if loader is not None:
        dataset = loader.dataset
        while isinstance(dataset, Subset):
            dataset = dataset.dataset
        made_at, loaded_at = site_of(dataset), site_of(loader)
        starts = [
            argument(made_at, "tensors", 0) if made_at is not None else None,
            argument(loaded_at, "dataset", 0) if loaded_at is not None else None,
            inputs,
        ]
    for start in starts:
        found = origin(start) if start is not None else None
        if found is not None:
            return found
    return None


def labels_location(loader: DataLoader[Any] | None) -> Location | None:
    """Where the labels of a loader were made: the second tensor of its data set."""
    dataset: Any = loader.dataset if loader is not None else None
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    made_at = site_of(dataset) if isinstance(dataset, torch.utils.data.TensorDataset) else None
    given = argument(made_at, "tensors", 1) if made_at is not None else None
    return (labels_of(given) or given) if given is not None else None


def shuffle_location(loader: DataLoader[Any] | None) -> Location | None:
    """The argument that says whether a loader shuffles, else where the loader was made."""
    made_at = site_of(loader) if loader is not None else None
    return (argument(made_at, "shuffle", 2) or made_at) if made_at is not None else None


def batch_location(loader: DataLoader[Any] | None) -> Location | None:
    """The argument that says how large the batches of a loader are."""
    made_at = site_of(loader) if loader is not None else None
    return argument(made_at, "batch_size", 1) if made_at is not None else None
