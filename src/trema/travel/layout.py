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

from trema.travel.device import in_order

#: Points up to which all pairs are summed, which is exact and as fast: on one thread 3.5 ms against
#: 4.9 on the grid at 500 points, 80 against 13 at 1,500.
_PAIRS = 500

#: Nodes of the grid on a side, as many as the width of the canvas needs (sizes that Fourier
#: transforms are fast at), and the distance between nodes: the kernel is one unit wide, and cubic
#: interpolation between nodes 0.4 units apart errs by about 2 %. 50,000 points are about 200
#: units wide; beyond the largest grid nodes stand farther apart.
_SIZES = (48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 432, 512, 576, 640, 720)
_SPACING = 0.4
_MARGIN = 4  # nodes beyond the outermost point, for the interpolation

#: A grid is made a little wider than needed, and used until points outgrow it or shrink.
_ROOM = 1.05

#: Source: the adaptive gains of Jacobs (1988) as van der Maaten's implementations have them.
_GAIN_UP, _GAIN_DOWN, _GAIN_LEAST = 0.2, 0.8, 0.01


@dataclass(frozen=True)
class Graph:
    """Edges (m,) in both directions, sorted by ``source``: point i has those from ``first[i]`` on.

    Numbers of points are int32, half as much to read; ``weight`` sums to one.
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    first: Tensor


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
    total = sums(fresh.cumsum(0) - 1, weight, int(fresh.sum()))
    code = code[fresh]
    source = code // n
    first = torch.searchsorted(source, torch.arange(n, device=code.device))
    return Graph(source.int(), (code % n).int(), total / total.sum(), first.int())


class Repulsion:
    """The repulsive part of the gradient, by convolution on a grid."""

    def __init__(self, device: torch.device) -> None:
        self._spacing, self._nodes = 0.0, 0
        self._device = device
        offsets = torch.arange(-1, 3, device=device)
        self._down, self._across = offsets.repeat_interleave(4), offsets.repeat(4)

    def __call__(self, y: Tensor) -> Tensor:
        """The sum over j of k_ij² (y_i - y_j), divided by the sum of all k_ij; y is (n, 2).

        k_ij is 1 / (1 + d_ij²), and a point does not repel itself: the kernel k² (y_i - y_j) is
        odd, so that what a point does to itself cancels on the grid too.
        """
        if len(y) <= _PAIRS:
            return _pairs(y)
        weights, nodes = self._place(y)
        n = self._nodes
        mass = sums(nodes.reshape(-1), weights.reshape(-1), n * n).view(n, n)
        # half of a padded grid is empty: transform the rows that are not, keep those asked for
        waves = torch.fft.fft(torch.fft.rfft(mass, n=2 * n), n=2 * n, dim=0)
        whole = torch.fft.ifft(waves * self._kernels, dim=1)[:, :n]
        fields = torch.fft.irfft(whole, n=2 * n)[:, :, :n].reshape(3, -1)
        bags = torch.arange(0, 16 * len(y), 16, device=y.device)
        felt = _bags(nodes.reshape(-1), fields.T.contiguous(), weights.reshape(-1), bags)
        total = (felt[:, 2].sum() - len(y)).clamp(min=1e-12)
        result: Tensor = felt[:, :2] / total
        return result

    def _place(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (n, 16) of, and nodes (n, 16) round, each point."""
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
        corner = base.long()
        first = corner[:, 0] * self._nodes + corner[:, 1]
        return weights, first[:, None] + self._down * self._nodes + self._across

    def _spread(self, width: float) -> None:
        """A grid for a canvas of this width, and the transforms of the kernels on it."""
        fitting = [size for size in _SIZES if (size - 2 * _MARGIN) * _SPACING >= width]
        self._nodes = n = fitting[0] if fitting else _SIZES[-1]
        self._spacing = width / (n - 2 * _MARGIN)
        steps = torch.arange(2 * n, device=self._device)
        away = torch.where(steps <= n, steps, steps - 2 * n) * self._spacing
        away[n] = 0  # as far to both sides: an odd kernel has no value there
        plain = 1 / (1 + away[:, None] ** 2 + away[None] ** 2)
        kernels = torch.stack([plain**2 * away[:, None], plain**2 * away[None], plain])
        self._kernels = torch.fft.rfft2(kernels)


def sums(index: Tensor, values: Tensor, size: int) -> Tensor:
    """The sum (size,) of the values (m,) of each index (m,); equal on every run."""
    if index.device.type == "cpu":
        return torch.bincount(index, weights=values, minlength=size).to(values.dtype)
    with in_order(index.device):
        zeros = torch.zeros(size, dtype=values.dtype, device=values.device)
        return zeros.index_add_(0, index, values)


def _bags(index: Tensor, table: Tensor, weights: Tensor, first: Tensor) -> Tensor:
    """The weighted sums (n, c) of rows of a table (m, c), by bags that begin at ``first`` (n,)."""
    return torch.nn.functional.embedding_bag(
        index, table, first, per_sample_weights=weights, mode="sum"
    )


def _pairs(y: Tensor) -> Tensor:
    away = y[:, None] - y[None]
    kernel = 1 / (1 + (away * away).sum(dim=2))
    kernel.fill_diagonal_(0)
    result: Tensor = (kernel[:, :, None] ** 2 * away).sum(dim=1) / kernel.sum().clamp(min=1e-12)
    return result


def attraction(y: Tensor, graph: Graph) -> Tensor:
    """The attractive part of the gradient of positions (n, 2)."""
    pull = graph.weight.clone()
    square = torch.ones_like(pull)
    for axis in y.T.contiguous():  # flat coordinates: gathering pairs takes twice as long
        away = axis.index_select(0, graph.source) - axis.index_select(0, graph.target)
        square.addcmul_(away, away)
    pull /= square
    table = torch.cat([y, torch.ones_like(y[:, :1])], dim=1)
    drawn = _bags(graph.target, table, pull, graph.first)
    return y * drawn[:, 2:] - drawn[:, :2]


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
