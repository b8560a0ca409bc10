"""Lines of layers, optimizer, loss and data in the user's code."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from collections.abc import Sequence
from types import CodeType
from typing import Any

import keras

from trema.adapters.keras.describe import inner_optimizer, main_loss
from trema.adapters.keras.graph import ModelGraph
from trema.core.diagnosis import Location
from trema.core.facts import Layer, LossInfo, OptimizerInfo, Place
from trema.source.construction import Sites
from trema.source.frames import CallSite, call_site, is_user_file
from trema.source.labels import labels_of
from trema.source.layers import LayerSpec
from trema.source.loops import loop_around
from trema.source.matching import find_calls, match_call, match_layers
from trema.source.origins import origin
from trema.source.reading import source_tree
from trema.source.scopes import assignment
from trema.source.syntax import argument, expression

#: Where objects were made, known when Trema was there first (``trema run``).
made = Sites()
#: Where models were compiled, known likewise.
compiled = Sites()


def user_files(site: CallSite | None = None) -> list[str]:
    """Files of the user's modules in this process, the main script first."""
    files: list[str] = []
    for name in ["__main__", *sys.modules]:
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str) and file not in files and is_user_file(file):
            files.append(file)
    here = site or call_site()
    if here is not None and here.file not in files:
        files.insert(0, here.file)
    return files


def locate_layers(
    graph: ModelGraph, layers: Sequence[Layer], files: Sequence[str]
) -> tuple[Layer, ...]:
    """The layers with their lines: noted at construction, else matched in the syntax tree."""
    found: dict[str, Location] = {}
    for name, layer in graph.leaves.items():
        place = made.location(layer)
        if place is not None:
            found[name] = place
    inputs = {name: place for name, op in graph.inputs.items() if (place := made.location(op))}
    if not found:
        found = match_layers([_spec(graph, name) for name in graph.leaves], files)
    found |= inputs
    return tuple(dataclasses.replace(layer, location=found.get(layer.name)) for layer in layers)


def _spec(graph: ModelGraph, name: str) -> LayerSpec:
    layer = graph.leaves[name]
    owner, index = graph.owners[name]
    plain = type(owner).__module__.split(".")[0] == "keras"
    attribute = None
    file = None
    if not plain:
        file = getattr(sys.modules.get(type(owner).__module__), "__file__", None)
        attribute = next((k for k, v in vars(owner).items() if v is layer), None)
    return LayerSpec(
        name=name,
        class_name=type(layer).__name__,
        owner_class=(file, type(owner).__qualname__) if file else None,
        attribute=attribute,
        index=index if isinstance(owner, keras.Sequential) else None,
        arguments=written(layer),
    )


def written(layer: Any) -> dict[str, object]:
    """Constructor arguments of a layer that a literal in the text must agree with."""
    try:
        names = list(inspect.signature(type(layer).__init__).parameters)[1:]
        config = layer.get_config()
    except Exception:  # layers of the user need no configuration
        return {}
    found: dict[str, object] = {}
    for name in names:
        value = config.get(name, ...)
        found[name] = value if isinstance(value, bool | int | float | str) else ...
    return found


def locate_compile(model: Any, files: Sequence[str], fit: Location | None) -> Location | None:
    """The call of ``compile``: noted, else the only one, or the only one on fit's receiver."""
    noted = compiled.location(model)
    if noted is not None:
        return noted
    calls = [call for file in files for call in find_calls(file, ("compile",))]
    calls = [call for call in calls if call.receiver != "re"]
    if len(calls) == 1:
        return calls[0].location
    if fit is None:
        return None
    receivers = {
        call.receiver
        for call in find_calls(fit.file, ("fit", "train_on_batch"))
        if (call.location.line, call.location.column) == (fit.line, fit.column)
    }
    same = [c for c in calls if c.receiver in receivers and c.location.file == fit.file]
    return same[0].location if len(same) == 1 else None


def locate_optimizer(
    info: OptimizerInfo, model: Any, place: Location | None, files: Sequence[str]
) -> OptimizerInfo:
    """The optimizer with its line and that of its learning rate; ``place``: compile's call."""
    optimizer = inner_optimizer(model.optimizer)
    own = made.location(optimizer)
    if own is not None and own == place:
        own = None  # compile made it from a string
    if own is None:
        rate = getattr(optimizer, "_learning_rate", None)
        fixed = info.learning_rates and hasattr(rate, "assign")
        arguments = {"learning_rate": _written_rate(info.learning_rates[0])} if fixed else {}
        own = match_call(files, type(optimizer).__name__, arguments) or match_call(
            files, type(optimizer).__name__, {}
        )
    rate_place = _assigned_rate(files)
    if own is not None:
        rate_place = rate_place or argument(own, "learning_rate", 0)
    elif place is not None:
        own = argument(place, "optimizer", 0)
        rate_place = rate_place or own
    return dataclasses.replace(info, location=own or place, learning_rate_location=rate_place)


def locate_schedule(info: OptimizerInfo, callbacks: Sequence[Any]) -> OptimizerInfo:
    """The optimizer with the place at which a callback's function returns its learning rate."""
    for callback in callbacks:
        if type(callback) is not keras.callbacks.LearningRateScheduler:
            continue
        code = getattr(getattr(callback, "schedule", None), "__code__", None)
        tree = source_tree(code.co_filename) if isinstance(code, CodeType) else None
        if tree is None or not isinstance(code, CodeType) or not is_user_file(code.co_filename):
            continue
        found = [node for node in tree.nodes if getattr(node, "lineno", 0) == code.co_firstlineno]
        values = [
            value
            for function in found
            if isinstance(function, ast.FunctionDef) and function.name == code.co_name
            for node in ast.walk(function)
            if isinstance(node, ast.Return) and (value := node.value) is not None
        ]
        values += [node.body for node in found if isinstance(node, ast.Lambda)]
        if len(values) == 1:
            place = tree.location(values[0])
            return dataclasses.replace(info, learning_rate_location=place)
    return info


def _written_rate(rate: float) -> float:
    """The rate as it was written: Keras keeps it in single precision."""
    return float(f"{rate:.6g}")


def _assigned_rate(files: Sequence[str]) -> Location | None:
    """The value of the only ``….learning_rate = value`` in the text."""
    found: list[Location] = []
    for file in files:
        tree = source_tree(file)
        if tree is None:
            continue
        for node in tree.nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Attribute) and target.attr in ("learning_rate", "lr"):
                        if isinstance(target.value, ast.Name) and target.value.id == "self":
                            continue
                        found.append(tree.location(node.value))
    return found[0] if len(found) == 1 else None


def locate_loss(
    info: LossInfo, model: Any, place: Location | None, files: Sequence[str]
) -> LossInfo:
    """The loss with its line: where it was made, else the argument of ``compile``."""
    own = None
    loss = main_loss(model)
    if loss is not None and not isinstance(loss, str):
        own = made.location(loss)
        if own is None and hasattr(loss, "get_config"):
            own = match_call(files, type(loss).__name__, {})
    if own is None and place is not None:
        own = argument(place, "loss", 1) or place
    return dataclasses.replace(info, location=own)


def places_of(fit: Location | None, compile_place: Location | None, method: str) -> list[Place]:
    """The places of a fit by role: the call, its data, its validation data, ``compile``."""
    places: list[Place] = []
    if compile_place is not None:
        places.append(Place(role="compile", location=compile_place))
    if fit is None:
        return places
    places.append(Place(role="fit" if method == "fit" else "step", location=fit))
    data = argument(fit, "x", 0) or _starred(fit)
    if data is not None:
        places.append(Place(role="inputs", location=data))
        text = expression(data)
        source = assignment(data) if text is not None and text.isidentifier() else None
        if source is not None:
            places.append(Place(role="data-source", location=source))
        read = origin(data)
        if read is not None:
            places.append(Place(role="load", location=read))
    targets = argument(fit, "y", 1)
    if targets is not None:
        places.append(Place(role="targets", location=targets))
        if (labels := labels_of(targets)) is not None:
            places.append(Place(role="labels", location=labels))
    weights = argument(fit, "class_weight", 9) if method == "fit" else None
    if weights is not None:
        places.append(Place(role="class-weights", location=weights))
    order = argument(fit, "shuffle", 8)
    if order is not None:
        places.append(Place(role="shuffle", location=order))
    for role, name, position in (("epochs", "epochs", 3), ("batch-size", "batch_size", 2)):
        given = argument(fit, name, position) if method == "fit" else None
        if given is not None:
            places.append(Place(role=role, location=given))
    loop = loop_around(fit) if method != "fit" else None
    if loop is not None:
        places.append(Place(role="loop", location=loop))
    for name, position in (("validation_data", 7), ("validation_split", 6)):
        value = argument(fit, name, position)
        if value is not None:
            places.append(Place(role="validation", location=value))
            read = origin(value) if name == "validation_data" else None
            if read is not None:
                places.append(Place(role="load-validation", location=read))
            break
    return places


def _starred(call: Location) -> Location | None:
    """``fit(*train)``: the starred argument is the data."""
    tree = source_tree(call.file)
    if tree is None:
        return None
    for node in tree.nodes:
        if (
            isinstance(node, ast.Call)
            and tree.location(node) == call
            and node.args
            and isinstance(node.args[0], ast.Starred)
        ):
            return tree.location(node.args[0])
    return None
