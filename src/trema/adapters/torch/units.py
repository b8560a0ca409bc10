"""Which axis of a module's output holds its units: features, or channels of a convolution.

A layer with weights knows. One that passes its input on (activation, dropout, softmax) has the axis
of what feeds it, found through the autograd graph, operations such as ``x + y`` in between
included; where that tells nothing, 4-D and 5-D tensors have their channels first, as torch does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from trema.adapters.torch.graph import is_reshape

#: Kinds whose output has no units of its own: their values are those of other layers, moved.
WITHOUT_UNITS = frozenset({"input", "reshape", "merge", "container", "augmentation"})
#: Operations between two layers that are looked through.
_LOOK_BACK = 8


class UnitAxes:
    """The axis of each layer, found out in the first forward and kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], int | None] = {}  # name and dimensions
        self._made: dict[Any, int | None] = {}  # grad_fn of an output -> axis

    def of(
        self, name: str, module: nn.Module, kind: str, given: tuple[Any, ...], output: Tensor
    ) -> int | None:
        """The axis of this layer's units; None when it has none.

        given : what the module was called with
        """
        key = (name, output.ndim)
        if key not in self._known:
            self._known[key] = axis = _axis(module, kind, given, output, self._made)
            if output.grad_fn is not None:
                self._made[output.grad_fn] = axis
        return self._known[key]

    def forget_graph(self) -> None:
        """Let go of the autograd graph."""
        self._made.clear()


def _axis(
    module: nn.Module,
    kind: str,
    given: tuple[Any, ...],
    output: Tensor,
    made: Mapping[Any, int | None],
) -> int | None:
    if kind in WITHOUT_UNITS or output.ndim < 2:
        return None
    if kind in ("conv", "conv-transpose"):
        spatial = len(module.kernel_size)  # type: ignore[arg-type]  # a tuple there
        return 1 if output.ndim == spatial + 2 else None  # one sample without a batch axis
    if isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm):
        return 1
    if kind == "pooling" and type(module).__module__.startswith("torch.nn."):
        return 1
    if kind == "normalization" and len(getattr(module, "normalized_shape", ())) == 1:
        return -1
    if kind in ("linear", "embedding", "recurrent", "attention"):
        return -1
    source = next((value for value in given if isinstance(value, Tensor)), None)
    axis = _feeding(source.grad_fn, made) if source is not None else None
    if axis is not None and source is not None and source.ndim == output.ndim:
        return axis
    return 1 if output.ndim > 3 else -1


def _feeding(node: Any, made: Mapping[Any, int | None]) -> int | None:
    """The axis of the layer that feeds a tensor, as far as the axes stay in place."""
    for _ in range(_LOOK_BACK):
        if node is None or node in made:
            return made.get(node)
        if is_reshape(node):
            return None
        node = next((parent for parent, _ in node.next_functions if parent is not None), None)
    return None
