"""The tensors of a batch: what a model was called with and what it gave."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard

from torch import Tensor

from trema.adapters.torch.describe import is_sharded


class LossCall(NamedTuple):
    """A call of a loss function of torch."""

    function: str
    options: dict[str, Any]
    output: Tensor  # what the loss read
    target: Tensor | None
    result: Tensor


def value_of(loss: Tensor) -> float | Tensor:
    """The number; on an accelerator a detached scalar, because reading it would wait."""
    return loss.item() if loss.is_cpu else loss.detach()


def tensors_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors a model was called with: ``""`` for the only one, else position or key."""
    found = {str(i): a for i, a in enumerate(args) if _plain(a)}
    found |= {k: v for k, v in kwargs.items() if _plain(v)}
    for i, a in enumerate(args):
        if isinstance(a, dict):
            found |= {str(k): v for k, v in a.items() if _plain(v)}
        elif isinstance(a, list | tuple):
            found |= {f"{i}.{j}": v for j, v in enumerate(a) if _plain(v)}
    return {"": next(iter(found.values()))} if len(found) == 1 else found


def main_output(output: Any) -> Tensor | None:
    """The tensor that stands for a model's output: ``logits`` of a dictionary, or the first."""
    if isinstance(output, Tensor):
        return output if _plain(output) else None
    if isinstance(output, dict):
        values = [output["logits"]] if "logits" in output else list(output.values())
    elif isinstance(output, list | tuple):
        values = list(output)
    else:
        values = [getattr(output, "logits", None)]
    return next((v for v in values if _plain(v)), None)


def _plain(value: Any) -> TypeGuard[Tensor]:
    """Whether it is a tensor of this process alone; a distributed one is never read."""
    return isinstance(value, Tensor) and not is_sharded(value)
