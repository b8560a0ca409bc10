"""Which operation made a loss that is not finite: read from what its graph has kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trema.core.diagnosis import Location
from trema.source.frames import CallSite
from trema.source.loss_values import loss_value, operation_in

#: Nodes of the graph that are looked at, at most.
_MOST = 5000


def bad_operation(loss: Tensor) -> str:
    """The first operation, in the order of computation, that gave a value that is not finite.

    ``logarithm of zero``, ``logarithm of a negative number``, ``division by zero`` or
    ``exponential of a large number``; empty where the graph does not tell.
    """
    for node in _in_order(loss.grad_fn):
        try:
            told = _fault(node)
        except RuntimeError:  # what it kept is freed already
            continue
        if told:
            return told
    return ""


def operation_place(backward: CallSite, operation: str) -> Location | None:
    """The line of the operation in the loss whose ``backward`` runs."""
    place = backward.resolve()
    value = loss_value(place) if place is not None else None
    return operation_in(value, operation.partition(" ")[0]) if value is not None else None


def _in_order(root: Any) -> list[Any]:
    """Nodes of a graph, each after those that it depends on."""
    order: list[Any] = []
    seen = {root}
    stack: list[tuple[Any, int]] = [(root, 0)] if root is not None else []
    while stack:
        node, at = stack.pop()
        following = node.next_functions
        if at == len(following):
            order.append(node)
            continue
        stack.append((node, at + 1))
        inner = following[at][0]
        if inner is not None and inner not in seen and len(seen) < _MOST:
            seen.add(inner)
            stack.append((inner, 0))
    return order


def _fault(node: Any) -> str:
    name = type(node).__name__
    if name in ("LogBackward0", "Log2Backward0", "Log10Backward0", "Log1PBackward0"):
        return _logarithm(node._saved_self, -1.0 if "1P" in name else 0.0)
    if name == "DivBackward0":
        other = getattr(node, "_saved_other", None)
        return "division by zero" if _has(other, 0.0) else ""
    if name in ("ReciprocalBackward0", "RsqrtBackward0"):
        return "division by zero" if _infinite(node._saved_result) else ""
    if name == "ExpBackward0":
        return "exponential of a large number" if _infinite(node._saved_result) else ""
    return ""


def _logarithm(given: Tensor, edge: float) -> str:
    if not bool(torch.isfinite(given).all()):
        return ""  # it was bad before
    least = float(given.detach().min()) if given.numel() else edge + 1
    if least < edge:
        return "logarithm of a negative number"
    return "logarithm of zero" if least == edge else ""


def _has(given: Any, value: float) -> bool:
    return isinstance(given, Tensor) and bool((given == value).any())


def _infinite(made: Tensor) -> bool:
    return bool(torch.isinf(made).any()) and not bool(torch.isnan(made).any())
