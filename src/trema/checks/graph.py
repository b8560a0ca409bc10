"""Walks over the layer graph of a run: what an input meets first, which linear maps follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trema.core.facts import Layer, RunInfo

LINEAR_MAPS = frozenset({"linear", "conv", "conv-transpose"})
#: Kinds that multiply the raw values with weights, so that their scale matters.
SENSITIVE = LINEAR_MAPS | {"recurrent", "attention"}
#: Kinds through which values pass with their scale unchanged.
SAME_SCALE = frozenset({"input", "reshape", "dropout", "augmentation", "pooling"})


def plain(activation: object) -> bool:
    """Whether an activation name means that the values stay as they are."""
    return activation is None or str(activation).lower() in ("", "none", "linear", "identity")


def is_linear_map(layer: Layer) -> bool:
    """A dense or convolutional layer without an activation of its own."""
    return layer.kind in LINEAR_MAPS and plain(layer.config.get("activation"))


@dataclass(frozen=True)
class Graph:
    """Layers by name with their successors and predecessors.

    Containers are left out: the layers inside them carry the edges.
    """

    layers: dict[str, Layer]
    after: dict[str, tuple[str, ...]]
    before: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, run: RunInfo) -> Graph | None:
        """The graph of the model, or None when it is not known."""
        if run.edges is None:
            return None
        layers = {layer.name: layer for layer in run.layers}
        after: dict[str, list[str]] = {}
        before: dict[str, list[str]] = {}
        for source, target in run.edges:
            after.setdefault(source, []).append(target)
            before.setdefault(target, []).append(source)
        return cls(
            layers,
            {name: tuple(names) for name, names in after.items()},
            {name: tuple(names) for name, names in before.items()},
        )

    def successors(self, name: str) -> tuple[str, ...]:
        """The layers that read this one; one that reads it twice stands twice."""
        return self.after.get(name, ())

    def kind(self, name: str) -> str:
        """The kind of a layer; ``other`` when the graph names one that is not described."""
        layer = self.layers.get(name)
        return layer.kind if layer is not None else "other"

    def roots(self) -> tuple[str, ...]:
        """The layers that read nothing but the inputs."""
        nodes = dict.fromkeys([*self.after, *self.before])
        found = tuple(name for name in nodes if not self.before.get(name))
        if not nodes and len(self.layers) == 1:  # a model of one layer has no edge
            return tuple(self.layers)
        return found

    def downstream(self, starts: Iterable[str]) -> set[str]:
        """Every layer that reads one of these, directly or through others."""
        return _closure(self.after, starts)

    def upstream(self, ends: Iterable[str]) -> set[str]:
        """Every layer that one of these reads, directly or through others."""
        return _closure(self.before, ends)


def _closure(step: Mapping[str, tuple[str, ...]], starts: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    todo = [name for start in starts for name in step.get(start, ())]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(step.get(name, ()))
    return seen


@dataclass(frozen=True)
class FirstUse:
    """What an input tensor meets first.

    maps : the layers that multiply its values with weights, without rescaling before
    rescaled : a layer that changes the scale stands before the weights on some path
    embedded : some path begins with an embedding, so the values are ids
    unknown : some path meets an operation whose effect on the scale is not known
    scales : the fixed scale layers met
    """

    maps: tuple[Layer, ...] = ()
    rescaled: bool = False
    embedded: bool = False
    unknown: bool = False
    scales: tuple[Layer, ...] = ()

    @property
    def raw(self) -> bool:
        """Whether the values surely reach weights as they come."""
        return bool(self.maps) and not (self.rescaled or self.embedded or self.unknown)


def first_use(run: RunInfo, tensor: str, tensors: tuple[str, ...]) -> FirstUse:
    """What the input tensor of this name meets first; ``tensors`` are all input tensors.

    Without a graph the layers in order stand in: an embedding, a normalization or a scale
    before the first weights counts as met.
    """
    graph = Graph.of(run)
    if graph is None:
        return _first_in_order(run.layers)
    return _walk(graph, _starts(graph, tensor, tensors))


def _starts(graph: Graph, tensor: str, tensors: tuple[str, ...]) -> tuple[str, ...]:
    roots = graph.roots()
    if len(tensors) <= 1:
        return roots
    inputs = [name for name in roots if graph.kind(name) == "input"]
    if tensor in inputs:
        return (tensor,)
    if len(inputs) == len(tensors) and tensor in tensors:
        return (inputs[tensors.index(tensor)],)
    return roots  # which root reads the tensor is not known, so every path must be raw


def _walk(graph: Graph, starts: tuple[str, ...]) -> FirstUse:
    maps: dict[str, Layer] = {}
    scales: list[Layer] = []
    rescaled = embedded = unknown = False
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        name = todo.pop(0)
        if name in seen:
            continue
        seen.add(name)
        layer, kind = graph.layers.get(name), graph.kind(name)
        if layer is None:
            unknown = True
        elif kind in SENSITIVE:
            maps[name] = layer
        elif kind == "embedding":
            embedded = True
        elif kind == "normalization":
            rescaled = True
        elif kind == "scale":
            rescaled = True
            scales.append(layer)
        elif _keeps_scale(layer):
            todo.extend(graph.successors(name))
        else:
            unknown = True
    return FirstUse(tuple(maps.values()), rescaled, embedded, unknown, tuple(scales))


def _keeps_scale(layer: Layer) -> bool:
    if layer.kind == "activation":
        return plain(layer.config.get("function"))
    if layer.kind == "merge":
        return str(layer.config.get("function", "")).startswith("concat")
    return layer.kind in SAME_SCALE


def _first_in_order(layers: tuple[Layer, ...]) -> FirstUse:
    scales: list[Layer] = []
    for layer in layers:
        if layer.kind in SENSITIVE:
            rescaled = bool(scales)
            return FirstUse((layer,), rescaled, scales=tuple(scales))
        if layer.kind == "embedding":
            return FirstUse(embedded=True)
        if layer.kind == "normalization":
            return FirstUse(rescaled=True)
        if layer.kind == "scale":
            scales.append(layer)
    return FirstUse(unknown=True)


def normalized_next(run: RunInfo, layer: Layer) -> bool:
    """Whether a normalization reads this layer directly, which takes its scale out again."""
    graph = Graph.of(run)
    if graph is None:
        names = [known.name for known in run.layers]
        place = names.index(layer.name) + 1 if layer.name in names else len(names)
        return place < len(names) and run.layers[place].kind == "normalization"
    return any(graph.kind(name) == "normalization" for name in graph.successors(layer.name))


def chains(graph: Graph, layer: str, passes: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """The only way from a layer to the next one that is not passed: names between and the end.

    Yields nothing when the layer or one on the way is read by none or by several, or when one
    on the way reads several. Activations that leave values as they are pass too.
    """
    path: list[str] = []
    name = layer
    while True:
        following = graph.successors(name)
        if len(following) != 1 or len(graph.before.get(following[0], ())) != 1:
            return
        name = following[0]
        path.append(name)
        known = graph.layers.get(name)
        if known is None or len(path) > len(graph.layers):
            return
        if known.kind in passes or (
            known.kind == "activation" and plain(known.config.get("function"))
        ):
            continue
        yield tuple(path)
        return
