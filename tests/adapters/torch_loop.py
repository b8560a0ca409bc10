"""A short PyTorch loop under ``trema.watch``, and its history."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import trema
from trema.core.history import History
from trema.engine import active


def watched(model: nn.Module, x: Tensor, y: Tensor, steps: int = 6) -> History:
    """The history of a few steps of plain SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    run = trema.watch(model, optimizer, console=False, strict=True)
    session = active.current()
    assert session is not None
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    run.finish()
    return session.segments[-1].history


def images(n: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, 10, 10, generator=generator), torch.arange(n) % 4
