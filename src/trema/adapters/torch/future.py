"""Whether the output at a position depends on later positions of the sequence.

Asked only of a model whose targets are its inputs one position later, once: the gradient of one
output with respect to what the first layer gave, at every position. It holds for any spelling:
attention with or without a mask, a convolution, a recurrent layer that runs both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trema.adapters.torch import sampling
from trema.adapters.torch.batch import LossCall

#: Share of the positions whose target is the next input, from which the targets are shifted.
SHIFTED = 0.95
#: Positions below which there is nothing to look ahead to.
LEAST_WIDTH = 4
#: Values of the outputs above which the pass is left out.
_MOST = 40_000_000


class Future:
    """Remembers the first layer of a model, and looks once."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.forget()

    def forget(self) -> None:
        """A step begins anew."""
        self._firsts: list[tuple[Tensor, Tensor]] = []  # given and made
        self._attention: str | None = None
        self._before = ""
        self._packed = False  # values of the graph are kept elsewhere, as checkpointing does

    def after_layer(self, name: str, kind: str, given: Tensor, out: Tensor) -> None:
        """A layer ran in a forward pass with gradients."""
        top = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
        self._packed = self._packed or top is None or top(False) is not None
        if kind == "attention" and self._attention is None:
            self._attention = name
        elif kind == "embedding" and len(self._firsts) < 4 and out.grad_fn is not None:
            self._firsts.append((given, out))

    def read(
        self, order: list[Any], call: LossCall, inputs: Mapping[str, Tensor]
    ) -> dict[str, Any] | None:
        """The greatest influence of later positions on one output, of that of the others."""
        found = self._tokens(call, inputs)
        if found is None or self._disturbs(order, call):
            return None
        ids, out, axis = found
        width = int(ids.shape[axis])
        position = width // 2
        try:
            chosen = _chosen(call.output, ids, axis, position)
            if chosen is None:
                return None
            (influence,) = torch.autograd.grad(
                call.output, out, grad_outputs=chosen, retain_graph=True, allow_unused=True
            )
        except RuntimeError:  # a graph that allows one pass only, or no memory left
            return None
        if influence is None:
            return None
        by_position = influence.detach().abs().amax(-1).select(1 - axis, 0).float()
        until = float(by_position[: position + 1].max())
        later = float(by_position[position + 1 :].max())
        if not until > 0:
            return None
        return {"leak": later / until, "position": position, "width": width}

    def _tokens(
        self, call: LossCall, inputs: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, int] | None:
        """The rows of ids, what their embedding gave, and the axis of the positions."""
        rows = [x for x in inputs.values() if x.ndim == 2 and not x.is_floating_point()]
        target = call.target
        if len(rows) != 1 or target is None or target.is_floating_point():
            return None
        ids = rows[0]
        for given, out in self._firsts:
            same = given.shape == ids.shape and given.dtype == ids.dtype
            if not same or out.ndim != 3 or out.shape[:2] != ids.shape:
                continue
            if given.data_ptr() != ids.data_ptr() and not torch.equal(given, ids):
                continue
            axis = _shifted(ids, target)
            return None if axis is None else (ids, out, axis)
        return None

    def _disturbs(self, order: list[Any], call: LossCall) -> bool:
        """Whether another pass through the graph could change or run something of the program."""
        hooks = any(m._backward_hooks or m._backward_pre_hooks for m in self._model.modules())
        own = any(isinstance(n, torch.autograd.function.BackwardCFunction) for n in order)
        many = torch.distributed.is_available() and torch.distributed.is_initialized()
        large = call.output.numel() > _MOST
        return bool(hooks or own or many or large or self._packed or sampling.hooked)


def _shifted(ids: Tensor, target: Tensor) -> int | None:
    """The axis along which the targets are the ids one position later."""
    for axis in (1, 0):
        width = ids.shape[axis]
        if width < LEAST_WIDTH:
            continue
        following = ids.narrow(axis, 1, width - 1)
        if target.numel() == ids.numel():
            told = target.reshape(ids.shape).narrow(axis, 0, width - 1)
        elif target.numel() == following.numel():
            told = target.reshape(following.shape)
        else:
            continue
        if float((told == following).float().mean()) >= SHIFTED and _varied(ids):
            return axis
    return None


def _varied(ids: Tensor) -> bool:
    """Whether a shift can be seen at all: few ids equal their neighbours on either axis."""
    along = float((ids[:, 1:] == ids[:, :-1]).float().mean())
    across = float((ids[1:] == ids[:-1]).float().mean()) if len(ids) > 1 else 0.0
    return along < 0.8 and across < 0.8


def _chosen(output: Tensor, ids: Tensor, axis: int, position: int) -> Tensor | None:
    """A direction that picks the output at one position of the first sequence."""
    chosen = torch.zeros_like(output)
    rows, width = int(ids.shape[1 - axis]), int(ids.shape[axis])
    cells = output.numel() // max(1, output.shape[1]) if output.ndim > 1 else 0
    if cells not in (rows * width, rows * (width - 1)):
        return None
    width = cells // rows
    spread = torch.linspace(-1, 1, output.shape[1], device=output.device).to(output.dtype)
    if output.ndim == 2:  # (cell, class)
        chosen[position if axis else position * rows] = spread
    elif output.ndim == 3:  # (row, class, position)
        if tuple(output.shape[::2]) != ((rows, width) if axis else (width, rows)):
            return None
        chosen[(0, slice(None), position) if axis else (position, slice(None), 0)] = spread
    else:
        return None
    return chosen
