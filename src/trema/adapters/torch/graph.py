"""The graph of a model, read from the autograd graph of its loss.

Modules say what layers exist; the autograd graph says what was really computed, functional
operations (``F.relu``, ``x / 2``) included. It is read once, before ``backward`` frees it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trema.core.facts import Layer

#: A graph with more nodes is not read: it would take longer than it is worth.
NODE_LIMIT = 20_000

_ACTIVATIONS = {
    "Relu", "LeakyRelu", "Prelu", "RreluWithNoise", "Elu", "Celu", "Gelu", "Silu", "Mish",
    "Sigmoid", "Tanh", "Hardtanh", "Hardswish", "Hardsigmoid", "Softplus", "LogSigmoid", "Glu",
    "Threshold", "ClampMin", "Clamp", "Exp", "Pow", "Abs", "Sin", "Cos",
}  # fmt: skip
_RESHAPES = {
    "View", "Reshape", "ReshapeAlias", "Permute", "Transpose", "T", "Squeeze", "Unsqueeze",
    "Expand", "Slice", "Select", "Clone", "ToCopy", "UnsafeView", "AsStrided", "Alias", "Detach",
    "Index", "Contiguous", "ConstantPadNd", "Unbind", "Split", "Chunk", "MkldnnReshape", "Copy",
    "CopySlices", "Unfold", "Roll", "Narrow", "Repeat", "Flatten",
    "_DDPSink",  # DistributedDataParallel hands its outputs on unchanged
}  # fmt: skip
_AVERAGES = {
    "Mean",
    "AvgPool2D",
    "AvgPool1D",
    "AdaptiveAvgPool2D",
    "MkldnnAdaptiveAvgPool2D",
    "Sum",
}
_LINEAR = {"Addmm", "Mm", "Linear", "Mv", "Addmv"}
_LOSSES = {
    "NllLoss", "NllLoss2D", "MseLoss", "L1Loss", "SmoothL1Loss", "HuberLoss",
    "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits", "KlDiv", "CtcLoss", "SoftMarginLoss",
}  # fmt: skip


@dataclass
class Graph:
    """Nodes in forward order, edges between them, and the chain that ends in the loss."""

    layers: list[Layer]
    edges: list[tuple[str, str]]
    head: tuple[str, ...]  # the last one before the loss first
    losses: tuple[str, ...]  # operations of known losses in the graph


def operation(node: Any) -> str:
    """``AddmmBackward0`` reads ``Addmm``."""
    return re.sub(r"Backward\d*$", "", node.name().rsplit("::", 1)[-1])


def is_reshape(node: Any) -> bool:
    """Whether an operation only moves values, so that axes may have changed places."""
    return operation(node) in _RESHAPES


def read_graph(
    root: Any,
    owners: Mapping[int, str],
    outputs: Mapping[Any, str],
    modules: Mapping[str, Layer],
    head_of: Any = None,
) -> Graph | None:
    """The graph below a ``grad_fn``.

    Parameters
    ----------
    root : grad_fn of the loss
    owners : id of a parameter -> name of its layer
    outputs : grad_fn -> name of the module whose output it made
    modules : layers by name
    head_of : grad_fn of the tensor that the loss read; None: the root

    Returns
    -------
    Graph, or None when it is too large or hides a compiled part.
    """
    order = in_order(root)
    if order is None or any("CompiledFunction" in node.name() for node in order):
        return None
    labels: dict[Any, str] = {}
    layers: dict[str, Layer] = {}
    losses: list[str] = []
    counts: dict[str, int] = {}
    parameter_paths = _parameter_owner(order, owners)
    for node in order:
        op = operation(node)
        if op == "AccumulateGrad" or node in parameter_paths.carriers:
            continue
        name = outputs.get(node) or parameter_paths.owner.get(node)
        if name is None:
            if op in _LOSSES:
                losses.append(op)
            kind, config = _functional(op, node)
            counts[op] = counts.get(op, 0) + 1
            name = f"{op.lower()}#{counts[op]}"
            layers[name] = Layer(
                name=name,
                kind=kind,
                class_name=op,
                config=config,
                functional=True,
                output_shape=_shape(node),
            )
        elif name not in layers:
            layers[name] = modules.get(name) or Layer(name=name, kind="other")
        labels[node] = name
    edges: dict[tuple[str, str], None] = {}
    for node in order:
        if node not in labels:
            continue
        for parent, _ in node.next_functions:
            source = labels.get(parent)
            if source is not None and source != labels[node]:
                edges[source, labels[node]] = None
    start = head_of if head_of is not None and head_of in labels else root
    return Graph(list(layers.values()), list(edges), _chain(start, labels), tuple(losses))


def in_order(root: Any) -> list[Any] | None:
    """Nodes so that inputs come before what they feed; None past the limit."""
    order: list[Any] = []
    done: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
            continue
        if node in done:
            continue
        done.add(node)
        if len(done) > NODE_LIMIT:
            return None
        stack.append((node, True))
        stack.extend((n, False) for n, _ in reversed(node.next_functions) if n is not None)
    return order


@dataclass
class _Owners:
    owner: dict[Any, str]  # operation -> layer whose parameter it uses
    carriers: set[Any]  # reshapes and casts of a parameter on its way to the operation


def _parameter_owner(order: list[Any], owners: Mapping[int, str]) -> _Owners:
    found: dict[Any, str] = {}
    carried: dict[Any, str] = {}
    for node in order:
        if operation(node) == "AccumulateGrad":
            name = owners.get(id(node.variable))
            if name is not None:
                carried[node] = name
            continue
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        names = [carried[p] for p in parents if p in carried]
        if not names:
            continue
        only_moved = len(names) == len(parents) and operation(node) in _RESHAPES
        if only_moved:
            carried[node] = names[0]
        else:
            found[node] = names[0]
    carriers = {n for n in carried if operation(n) != "AccumulateGrad"}
    return _Owners(found, carriers)


def _functional(op: str, node: Any) -> tuple[str, dict[str, Any]]:
    if op in _ACTIVATIONS:
        return "activation", {"function": op.lower()}
    if op in ("Softmax", "SoftmaxBackward", "SafeSoftmax"):
        return "softmax", {"axis": _dimension(node)}
    if op == "LogSoftmax":
        return "log-softmax", {"axis": _dimension(node)}
    if op in _RESHAPES:
        return "reshape", {}
    if op.startswith(("MaxPool", "AdaptiveMaxPool")):
        return "pooling", {"function": "max"}
    if op in _AVERAGES:
        return "pooling", {"function": "average"}
    if op in ("NativeDropout", "FusedDropout"):
        return "dropout", {"rate": getattr(node, "_saved_p", None)}
    if "Norm" in op:
        return "normalization", {}
    if op.startswith("ScaledDotProduct"):
        return "attention", {}
    if op in ("Add", "Sub", "Cat", "Stack", "Mul", "Div", "Maximum", "Minimum"):
        parents = sum(parent is not None for parent, _ in node.next_functions)
        if parents == 1 and op in ("Mul", "Div", "Add", "Sub"):
            return "scale", {}
        return "merge", {"function": op.lower()}
    return "other", {}


def _shape(node: Any) -> tuple[int, ...] | None:
    """The shape of what an operation gave, or None where torch does not tell."""
    try:
        return tuple(int(size) for size in node._input_metadata[0].shape)
    except (AttributeError, IndexError, TypeError, ValueError, RuntimeError):
        return None  # several outputs, symbolic or nested shapes, or an older torch


def _dimension(node: Any) -> int | None:
    value = getattr(node, "_saved_dim", None)
    if isinstance(value, int):
        return value - 2**64 if value >= 2**63 else value
    return None


def _chain(start: Any, labels: Mapping[Any, str]) -> tuple[str, ...]:
    """Names back from the loss, as long as there is one way back; at most six."""
    chain: list[str] = []
    node = start
    while node is not None and len(chain) < 6:
        name = labels.get(node)
        if name is not None and (not chain or chain[-1] != name):
            chain.append(name)
        parents = [p for p, _ in node.next_functions if p is not None and p in labels]
        node = parents[0] if len(parents) == 1 else None
    return tuple(chain)
