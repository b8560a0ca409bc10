"""Layers and edges of a Keras model, with nested models laid open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from trema.adapters.keras.kinds import (
    WITHOUT_UNITS,
    config_of,
    is_container,
    kind_of,
    own_unit_axis,
    special_kind,
    sublayers,
)
from trema.core.facts import Layer

Sources = tuple[str, ...]


class _Unknown(Exception):
    """The order of calls inside a subclassed model is not known before it runs."""


class ModelGraph:
    """Layers by name, and how they follow each other.

    leaves : Keras layers that compute something themselves
    edges : None where the graph is not known
    inputs : the input layers of a functional model
    head : names of the layers that make the outputs
    """

    def __init__(self, model: Any) -> None:
        self.leaves: dict[str, Any] = {}
        self.inputs: dict[str, Any] = {}
        self.owners: dict[str, tuple[Any, int]] = {}  # the container that holds it, and where
        self.edges: tuple[tuple[str, str], ...] | None = None
        self.head: tuple[str, ...] = ()
        self._ops: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._edges: dict[tuple[str, str], None] = {}
        self._walk(model, set())
        try:
            outputs = self._read(model, None)
        except (_Unknown, AttributeError, KeyError, IndexError, TypeError):
            self._ops = dict(self.leaves)
        else:
            self.edges = tuple(self._edges)
            self.head = tuple(dict.fromkeys(name for names in outputs for name in names))
        self._unit_axes = self._find_unit_axes()

    def unit_axis(self, name: str, dimensions: int) -> int | None:
        """The axis of the units of a layer's output of so many dimensions; None without units.

        A layer that passes its input on (activation, dropout) has the axis of what feeds it;
        where the graph is not known, the convention of Keras counts.
        """
        if dimensions < 2:
            return None
        if name in self._unit_axes:
            axis = self._unit_axes[name]
            return -1 if axis is not None and axis >= dimensions else axis
        first = keras.config.image_data_format() == "channels_first"
        return 1 if first and dimensions > 3 else -1

    def _find_unit_axes(self) -> dict[str, int | None]:
        """Axes by layer, in the order of the graph; layers of which nothing tells are absent."""
        fed: dict[str, list[str]] = {}
        for source, name in self.edges or ():
            fed.setdefault(name, []).append(source)
        axes: dict[str, int | None] = {}
        carried: dict[str, int] = {}  # by a sum of layers too, which has no units of its own
        for name, op in (self._ops | self.leaves).items():
            kind = special_kind(op, kind_of(op))
            axis = own_unit_axis(op, kind)
            if axis is None and kind != "reshape":
                axis = next((carried[s] for s in fed.get(name, ()) if s in carried), None)
            if axis is not None:
                carried[name] = axis
            if kind in WITHOUT_UNITS:
                axes[name] = None
            elif axis is not None:
                axes[name] = axis
        return axes

    def layers(self, parameter_names: dict[int, str]) -> tuple[Layer, ...]:
        """All layers and functional operations in order."""
        order = dict.fromkeys([*self._ops, *self.leaves])
        return tuple(
            self._layer(name, self._ops.get(name, self.leaves.get(name)), parameter_names)
            for name in order
        )

    def name_of(self, op: Any) -> str:
        """A unique name."""
        known = self._names.get(id(op))
        if known is None:
            known = op.name
            number = 1
            while known in self._names.values():
                known = f"{op.name}#{number}"
                number += 1
            self._names[id(op)] = known
        return known

    def _layer(self, name: str, op: Any, parameter_names: dict[int, str]) -> Layer:
        kind = special_kind(op, kind_of(op))
        variables = list(getattr(op, "variables", ()))
        return Layer(
            name=name,
            kind=kind,
            class_name=type(op).__name__,
            config=config_of(op, kind),
            parameters=tuple(parameter_names[id(v)] for v in variables if id(v) in parameter_names),
            output_shape=_output_shape(op),
            functional=not isinstance(op, keras.layers.Layer),
        )

    def _walk(self, container: Any, seen: set[int]) -> None:
        for index, layer in enumerate(sublayers(container)):
            if id(layer) in seen or not isinstance(layer, keras.layers.Layer):
                continue
            seen.add(id(layer))
            if is_container(layer):
                self._walk(layer, seen)
                continue
            if type(layer).__name__ == "InputLayer":
                continue
            name = self.name_of(layer)
            self.leaves[name] = layer
            self.owners[name] = (container, index)

    def _read(self, model: Any, sources: Sequence[Sources] | None) -> list[Sources]:
        if isinstance(model, keras.Sequential):
            current: list[Sources] = list(sources) if sources is not None else [()]
            for layer in model.layers:
                current = self._apply(layer, current)
            return current
        if hasattr(model, "_nodes_by_depth"):
            return self._read_functional(model, sources)
        raise _Unknown

    def _read_functional(self, model: Any, sources: Sequence[Sources] | None) -> list[Sources]:
        made: dict[int, Sources] = {}
        inputs = [id(tensor) for tensor in model._inputs]
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                op = node.operation
                if node.is_input:
                    tensor = node.outputs[0]
                    if sources is None:
                        name = self.name_of(op)
                        self._ops[name] = self.inputs[name] = op
                        made[id(tensor)] = (name,)
                    else:
                        made[id(tensor)] = sources[inputs.index(id(tensor))]
                    continue
                given = [made[id(tensor)] for tensor in node.arguments.keras_tensors]
                outputs = self._apply(op, given)
                for index, tensor in enumerate(node.outputs):
                    made[id(tensor)] = outputs[min(index, len(outputs) - 1)]
        return [made[id(tensor)] for tensor in model._outputs]

    def _apply(self, op: Any, given: Sequence[Sources]) -> list[Sources]:
        if is_container(op):
            return self._read(op, given)
        name = self.name_of(op)
        self._ops[name] = op
        for sources in given:
            for source in sources:
                self._edges[source, name] = None
        return [(name,)]


def parameters_of(model: Any) -> dict[int, str]:
    """Unique names of all variables of the model that are weights, by identity."""
    names: dict[int, str] = {}
    used: set[str] = set()
    for variable in model.weights:
        name = str(variable.path)
        number = 1
        while name in used:
            name = f"{variable.path}#{number}"
            number += 1
        used.add(name)
        names[id(variable)] = name
    return names


def _output_shape(op: Any) -> tuple[int | None, ...] | None:
    try:
        shape = op.output.shape
        return tuple(None if size is None else int(size) for size in shape)
    except Exception:  # layers that were called more than once, or never symbolically
        return None
