"""Training an autoencoder on the edges of a graph: the loop that DVI and TimeVis share.

An edge pulls its two ends together and random other ends apart (UMAP's cross-entropy); every
end is rebuilt from its place. A point that occurs several times in a batch is encoded once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trema.travel.autoencoder import Autoencoder
from trema.travel.graph import Edges
from trema.travel.heads import Heads, LinearHeads
from trema.travel.training_state import Keeper, packed, restored
from trema.travel.visualizers.base import Floats

#: 1 / (1 + a d^(2b)) for min_dist 0.1 and spread 1 (UMAP's curve fit).
_A, _B = 1.5769, 0.8951
#: Random ends pushed away for each edge (UMAP, DVI and TimeVis).
_NEGATIVES = 5
#: Squared distances below are taken for this, or the pull would be infinite at none.
_CLOSE = 1e-6
#: What probabilities are kept away from 0 and 1 by (DVI).
_EPS = 1e-4
#: Temperature of the attention's softmax, and its exponent (DVI).
_TEMPERATURE, _BETA = 0.01, 1.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    ``rate`` is multiplied by ``factor`` each ``step`` passes, once or (``again``) repeatedly.
    It ends after ``passes``, or when ``patience`` of them brought the loss no further
    than ``tolerance`` below the best. ``reconstruction`` is the weight of rebuilding.
    """

    passes: int
    patience: int
    tolerance: float
    rate: float
    step: int
    factor: float
    again: bool
    reconstruction: float
    batch: int = 1000

    def rate_at(self, epoch: int) -> float:
        """The learning rate of a pass, counted from 0."""
        times = epoch // self.step
        return self.rate * self.factor ** (times if self.again else min(times, 1))


@dataclass(frozen=True)
class Vertices:
    """What is laid out: ``rows`` (n, D), scaled, and what each owes its prediction to.

    ``heads`` (h, class, D) are rows of linear last layers, ``of`` (n,) says which applies, and
    ``top`` (n, 2) are the first and second class. Without heads all features weigh alike.
    """

    rows: Tensor
    heads: Tensor | None = None
    of: Tensor | None = None
    top: Tensor | None = None

    def emphasis(self, which: Tensor) -> Tensor | None:
        """Weights (m, D) of the features of some vertices: (1 + attention)^beta.

        The attention is ``softmax((|gradient of top 1| + |gradient of top 2|) / T)``; the
        gradient of a linear head is its row of weights, so nothing is differentiated.
        """
        if self.heads is None or self.of is None or self.top is None:
            return None
        head, top = self.of[which], self.top[which]
        slopes = self.heads[head, top[:, 0]].abs() + self.heads[head, top[:, 1]].abs()
        return (1.0 + torch.softmax(slopes / _TEMPERATURE, dim=1)) ** _BETA


def top_two(rows: Floats, heads: Heads | None, epoch: int) -> Floats | None:
    """The first and second output (n, 2) of unscaled rows; None without a linear head.

    With one output it is both.
    """
    if not isinstance(heads, LinearHeads):
        return None
    logits = heads.logits(rows, epoch)
    return np.asarray(np.argsort(-logits, axis=1, kind="stable")[:, [0, min(1, heads.outputs - 1)]])


def train(
    model: Autoencoder,
    vertices: Vertices,
    edges: Edges,
    repeats: int,
    schedule: Schedule,
    draw: torch.Generator,
    *,
    also: Callable[[], Tensor] | None = None,
    report: Callable[[float], None] = lambda share: None,
    keeper: Keeper | None = None,
) -> list[float]:
    """Train in place; the loss of each pass.

    An edge of weight 1 is drawn ``repeats`` times a pass, others in proportion, what is left of a
    whole number by chance. ``also`` is a further loss of the weights. With a ``keeper`` the
    state is kept after each pass, and a training goes on from the state that is there.
    """
    device = vertices.rows.device
    first, second = (torch.from_numpy(part).to(device) for part in (edges.first, edges.second))
    often = torch.from_numpy(edges.weights * np.float32(repeats))
    optimizer = torch.optim.Adam(model.parameters(), schedule.rate)
    state = None if keeper is None else keeper.get()
    losses = [] if state is None else restored(state, model, optimizer, draw)
    for epoch in range(len(losses), schedule.passes):
        if _settled(losses, schedule):
            break
        report(epoch / schedule.passes)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(epoch)
        drawn = _drawn(often, draw).to(device)
        total = torch.zeros((), device=device)
        for batch in torch.split(drawn, schedule.batch):
            loss = _loss(model, vertices, first[batch], second[batch], schedule, draw)
            if also is not None:
                loss = loss + also()
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.detach() * len(batch)
        losses.append(float(total) / max(1, len(drawn)))
        if keeper is not None:
            keeper.put(packed(model, optimizer, draw, losses))
    return losses


def cross_entropy(first: Tensor, second: Tensor, draw: torch.Generator) -> Tensor:
    """UMAP's loss of edges between places (m, 2), with random ends of the batch as negatives.

    ``-log q`` of the edges and ``-log(1 - q)`` of the negatives for
    ``q = 1 / (1 + a d^(2b))``, averaged over both together.
    """
    count = len(first)
    away = first.repeat(_NEGATIVES, 1)
    other = torch.randperm(len(away), generator=draw).to(first.device) % count
    near = _likeness(first, second)
    far = _likeness(away, second[other])
    attraction = -torch.log(near.clamp(min=_EPS)).sum()
    repulsion = -torch.log((1.0 - far).clamp(min=_EPS)).sum()
    return (attraction + repulsion) / (count * (1 + _NEGATIVES))


def _likeness(first: Tensor, second: Tensor) -> Tensor:
    apart = (first - second).square().sum(dim=1).clamp(min=_CLOSE)
    return 1.0 / (1.0 + _A * apart**_B)


def _loss(
    model: Autoencoder,
    vertices: Vertices,
    first: Tensor,
    second: Tensor,
    schedule: Schedule,
    draw: torch.Generator,
) -> Tensor:
    ends, place, times = torch.unique(
        torch.cat([first, second]), return_inverse=True, return_counts=True
    )
    rows = vertices.rows[ends]
    laid = model.encode(rows)
    here, there = laid[place[: len(first)]], laid[place[len(first) :]]
    wrong = (model.decode(laid) - rows).square()
    emphasis = vertices.emphasis(ends)
    if emphasis is not None:
        wrong = wrong * emphasis
    rebuilt = (wrong.mean(dim=1) * times).sum() / times.sum()
    total: Tensor = cross_entropy(here, there, draw) + schedule.reconstruction * rebuilt
    return total


def _drawn(often: Tensor, draw: torch.Generator) -> Tensor:
    """Edges of one pass, shuffled."""
    times = (often + torch.rand(often.shape, generator=draw)).floor().long()
    every = torch.repeat_interleave(torch.arange(len(often)), times)
    return every[torch.randperm(len(every), generator=draw)]


def _settled(losses: list[float], schedule: Schedule) -> bool:
    """Whether the last ``patience`` passes brought nothing."""
    if len(losses) <= schedule.patience:
        return False
    best = min(losses[: -schedule.patience])
    return min(losses[-schedule.patience :]) > best - schedule.tolerance
