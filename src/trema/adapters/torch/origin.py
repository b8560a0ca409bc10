"""Where the first non-finite value of a step began: the held batch is replayed, before the
update, with the model and the random state put back as they were."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trema.adapters.torch import reduce
from trema.adapters.torch.batch import main_output, tensors_in
from trema.adapters.torch.describe import leaves
from trema.core.facts import Fact, Observation
from trema.engine.ranks import process_group
from trema.engine.session import Segment


def find_origin(
    model: nn.Module,
    held: tuple[tuple[Any, ...], dict[str, Any]] | None,
    parameters: dict[str, Tensor],
    loss_bad: bool,
    run: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """The kind, name and value of the first bad tensor in the order of computation.

    run : computes the batch anew; by default ``forward`` of the model on what is held

    Returns
    -------
    dict with ``kind`` (``input``, ``parameter``, ``layer``, ``loss``, ``gradient``, or ``unseen``
    where the pass could not run once more), ``name`` and ``value`` (``nan`` or ``inf``).
    """
    if held is not None:
        for name, tensor in tensors_in(*held).items():
            if (word := bad_word(tensor)) is not None:
                return {"kind": "input", "name": name, "value": word}
    for name, parameter in parameters.items():
        if (word := bad_word(parameter)) is not None:
            return {"kind": "parameter", "name": name, "value": word}
    alone = _alone()
    if held is not None and alone:
        args, kwargs = held
        found = _replay(model, run or (lambda: model.forward(*args, **kwargs)))
        if found is not None:
            return found
    if loss_bad:
        return {"kind": "loss" if alone else "unseen", "name": "", "value": "nan"}
    for name in reversed(parameters):  # backward visits the last layer first
        gradient = parameters[name].grad
        if gradient is not None and (word := bad_word(gradient)) is not None:
            return {"kind": "gradient", "name": name, "value": word}
    return {"kind": "loss", "name": "", "value": "nan"}


def tell_origin(segment: Segment, data: dict[str, Any], step: int, epoch: int) -> None:
    """Note in the run where the first bad value began."""
    seen = Observation(
        fact=Fact.NONFINITE_ORIGIN,
        step=step,
        epoch=epoch,
        data={**data, "step": step},
        segment=segment.number,
    )
    segment.observe(seen)


def all_finite(parameters: Sequence[tuple[str, Tensor]]) -> bool:
    """Whether every gradient is finite."""
    gradients = [p.grad for _, p in parameters if p.grad is not None]
    if not gradients:
        return True
    # one sum over all norms: it is finite unless a gradient is not, or squares overflowed
    total = torch.stack([n.to(gradients[0].device) for n in reduce.norms(gradients)]).sum()
    return math.isfinite(float(total)) or all(bool(torch.isfinite(g).all()) for g in gradients)


def _alone() -> bool:
    """Whether a forward pass may run once more: with other ranks it may hold a collective
    operation, which would wait for those that do not replay."""
    group = process_group()
    return group is None or group[1] < 2


def bad_word(tensor: Tensor) -> str | None:
    """``nan`` or ``inf`` when the tensor holds one, else None."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return None
    if bool(torch.isfinite(tensor).all()):
        return None
    return "nan" if bool(torch.isnan(tensor).any()) else "inf"


def _replay(model: nn.Module, run: Callable[[], object]) -> dict[str, Any] | None:
    first: list[dict[str, Any]] = []
    handles = []

    def look(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            out = main_output(output)
            if not first and out is not None and (word := bad_word(out)) is not None:
                first.append({"kind": "layer", "name": name, "value": word})

        return hook

    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.is_cuda})
    try:
        handles = [m.register_forward_hook(look(name)) for name, m in leaves(model).items()]
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            run()
    except Exception:  # a forward that cannot run twice tells nothing
        return first[0] if first else None
    finally:
        for handle in handles:
            handle.remove()
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in buffers:
                    buffer.copy_(buffers[name])
    return first[0] if first else None
