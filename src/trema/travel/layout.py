"""Positions on a plane whose neighbours are the neighbours of a graph.

The objective is that of t-SNE (van der Maaten and Hinton, 2008): neighbours of the graph attract
each other, all points repel each other with the heavy-tailed kernel 1 / (1 + d²). Repulsion is a
convolution, and is computed on a grid by fast Fourier transforms with cubic interpolation
(after Linderman et al., FIt-SNE, 2019), so that a step costs time linear in points. It keeps more
neighbours than networks trained by the loss of UMAP do: docs/bench/travel.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Points up to which all pairs are summed, which is exact and as fast.
_PAIRS = 1500

#: Nodes of the grid on a side, as many as the width of the canvas needs (sizes that Fourier
#: transforms are fast at), and the distance between nodes: the kernel is one unit wide, and cubic
#: interpolation between nodes half a unit apart errs by about 2 %. 50,000 points are about 200
#: units wide; beyond the largest grid nodes stand farther apart.
_SIZES = (48, 64, 96, 128, 192, 256, 320, 400, 512)
_SPACING = 0.5
_MARGIN = 4  # nodes beyond the outermost point, for the interpolation

#: A grid is made a little wider than needed, and used until points outgrow it or shrink.
_ROOM = 1.05

#: Source: the adaptive gains of Jacobs (1988) as van der Maaten's implementations have them.
_GAIN_UP, _GAIN_DOWN, _GAIN_LEAST = 0.2, 0.8, 0.01


@dataclass(frozen=True)
class Graph:
    """Edges (m,) in both directions, sorted by ``source``; ``weight`` sums to one."""

    source: Tensor
    target: Tensor
    weight: Tensor


def graph_of(neighbours: Tensor, weights: Tensor) -> Graph:
    """The graph of directed neighbours (n, k) made symmetric: weights of both ways are added."""
    n, k = neighbours.shape
    source = torch.arange(n, device=neighbours.device).repeat_interleave(k)
    target, weight = neighbours.reshape(-1), weights.reshape(-1)
    code = torch.cat([source * n + target, target * n + source])
    order = code.argsort(stable=True)
    code, weight = code[order], torch.cat([weight, weight])[order]
    fresh = torch.ones_like(code, dtype=torch.bool)
    fresh[1:] = code[1:] != code[:-1]
    group = fresh.cumsum(0) - 1
    total = torch.zeros(int(group[-1]) + 1, device=code.device).index_add_(0, group, weight)
    code = code[fresh]
    return Graph(code // n, code % n, total / total.sum())


class Repulsion:
    """The repulsive part of the gradient, by convolution on a grid."""

    def __init__(self, device: torch.device) -> None:
        self._spacing, self._nodes = 0.0, 0
        self._device = device
        self._offsets = torch.arange(-1, 3, device=device)

    def __call__(self, y: Tensor) -> Tensor:
        """The sum over j of k_ij² (y_i - y_j), divided by the sum of all k_ij; y is (n, 2).

        k_ij is 1 / (1 + d_ij²), and a point does not repel itself.
        """
        if len(y) <= _PAIRS:
            return _pairs(y)
        weights, nodes, low = self._place(y)
        charges = torch.cat([torch.ones_like(y[:, :1]), y - low], dim=1).T  # (3, n)
        mass = torch.zeros(3, self._nodes**2, device=y.device)
        spread = (charges[:, :, None] * weights).reshape(3, -1)
        mass.index_add_(1, nodes.reshape(-1), spread)
        n = self._nodes
        size = (2 * n, 2 * n)
        waves = torch.fft.rfft2(mass.view(3, n, n), s=size)
        fields = torch.cat([waves * self._squared, waves[:1] * self._plain])
        field = torch.fft.irfft2(fields, s=size)[:, :n, :n].reshape(4, -1)
        felt = (field[:, nodes.reshape(-1)].view(4, len(y), 16) * weights).sum(dim=2)
        total = (felt[3].sum() - len(y)).clamp(min=1e-12)  # a point does not repel itself
        result: Tensor = ((y - low) * felt[0, :, None] - felt[1:3].T) / total
        return result

    def _place(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (n, 16) and nodes (n, 16) round each point, and the corner of the grid."""
        low, high = y.min(dim=0).values, y.max(dim=0).values
        width = max(float((high - low).max()), 1e-6)
        if not width <= self._spacing * (self._nodes - 2 * _MARGIN) <= width * _ROOM**3:
            self._spread(width * _ROOM)
        at = (y - low) / self._spacing + _MARGIN / 2
        base = at.floor()
        f = at - base
        cubic = torch.stack(
            [
                -f * (f - 1) * (f - 2) / 6,
                (f + 1) * (f - 1) * (f - 2) / 2,
                -(f + 1) * f * (f - 2) / 2,
                (f + 1) * f * (f - 1) / 6,
            ],
            dim=2,
        )  # (n, 2, 4): Lagrange's polynomials at -1, 0, 1, 2
        weights = (cubic[:, 0, :, None] * cubic[:, 1, None, :]).reshape(-1, 16)
        whole = base.long()
        rows = (whole[:, 0, None] + self._offsets)[:, :, None] * self._nodes
        nodes = (rows + (whole[:, 1, None] + self._offsets)[:, None, :]).reshape(-1, 16)
        return weights, nodes, low

    def _spread(self, width: float) -> None:
        """A grid for a canvas of this width, and the transforms of the kernels on it."""
        fitting = [size for size in _SIZES if (size - 2 * _MARGIN) * _SPACING >= width]
        self._nodes = n = fitting[0] if fitting else _SIZES[-1]
        self._spacing = width / (n - 2 * _MARGIN)
        steps = torch.arange(2 * n, device=self._device)
        away = torch.minimum(steps, 2 * n - steps) * self._spacing
        kernel = 1 / (1 + away[:, None] ** 2 + away[None] ** 2)
        self._plain = torch.fft.rfft2(kernel)
        self._squared = torch.fft.rfft2(kernel * kernel)


def _pairs(y: Tensor) -> Tensor:
    away = y[:, None] - y[None]
    kernel = 1 / (1 + (away * away).sum(dim=2))
    kernel.fill_diagonal_(0)
    result: Tensor = (kernel[:, :, None] ** 2 * away).sum(dim=1) / kernel.sum().clamp(min=1e-12)
    return result


def attraction(y: Tensor, graph: Graph) -> Tensor:
    """The attractive part of the gradient of positions (n, 2)."""
    away = y[graph.source] - y[graph.target]
    pull = graph.weight / (1 + (away * away).sum(dim=1))
    return torch.zeros_like(y).index_add_(0, graph.source, away * pull[:, None])


def descend(
    y: Tensor,
    graph: Graph,
    *,
    steps: int,
    exaggeration: float = 1.0,
    momentum: float = 0.8,
    rate: float | None = None,
) -> Tensor:
    """Positions (n, 2) after some steps, centred.

    ``exaggeration`` multiplies the attraction: well above 1 it brings together what belongs
    together over long ways. ``rate`` is n / 4, at least 10, unless it is said (Belkina et al.,
    2019: n / 12 with an exaggeration of 12; the gradient here carries no factor 4 of its own).
    """
    rate = max(len(y) / 4, 10.0) if rate is None else rate
    speed, gains = torch.zeros_like(y), torch.ones_like(y)
    repulsion = Repulsion(y.device)
    for _ in range(steps):
        slope = 4 * (exaggeration * attraction(y, graph) - repulsion(y))
        turned = torch.sign(slope) != torch.sign(speed)
        gains = torch.where(turned, gains + _GAIN_UP, gains * _GAIN_DOWN).clamp(min=_GAIN_LEAST)
        speed = momentum * speed - rate * gains * slope
        y = y + speed
    return y - y.mean(dim=0)
