"""Which part of a LightningModule an optimizer trains, which modules its steps call, and the line
on which a step hands over its loss."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator

import torch
from torch import nn

from trema.adapters.torch.owners import held
from trema.source.frames import CallSite, is_user_file

#: Modules that are looked at when a step calls the parts of its module itself.
ENTRIES = 64


def part_of(module: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
    """The smallest part that holds everything of the module that the optimizer does."""
    wanted = held([optimizer]) & {id(p) for p in module.parameters()}
    best, size = module, len(list(module.parameters()))
    for part in module.modules():
        own = {id(p) for p in part.parameters()}
        if wanted <= own and len(own) < size:
            best, size = part, len(own)
    return best


def entries(module: nn.Module) -> list[nn.Module]:
    """The parts that a step may call instead of the module: its children, and those in lists."""
    return list(_children(module))[:ENTRIES]


def _children(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _children(child)
        elif not isinstance(child, nn.modules.loss._Loss) and not type(child).__module__.startswith(
            "torchmetrics."
        ):
            yield child


def loss_site(module: nn.Module) -> CallSite | None:
    """The last ``return`` of the user's ``training_step``, or None when it is not the user's."""
    step = inspect.unwrap(getattr(type(module), "training_step", None) or (lambda: None))
    code = getattr(step, "__code__", None)
    if code is None or not is_user_file(code.co_filename):
        return None
    places = [
        instruction
        for instruction in dis.get_instructions(code)
        if instruction.opname.startswith("RETURN_")
        and instruction.positions is not None
        and instruction.positions.lineno is not None
        and instruction.opname != "RETURN_GENERATOR"
    ]
    if not places:
        return None
    last = max(places, key=lambda one: (one.positions.lineno, one.offset))  # type: ignore[union-attr]  # filtered above
    return CallSite(code, last.offset)
