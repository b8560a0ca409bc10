"""Nearest neighbours among many wide rows, on the CPU or a GPU, by cells.

Rows are put into cells round centres found by a few rounds of k-means. A row's neighbours are
sought, with exact distances in full width, among the rows of the cells nearest to its own. What
is lost are neighbours beyond those cells; on representations of trained networks 15 neighbours
are found to about 95 % at 50,000 rows. Small sets are searched whole.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trema.travel.device import in_order

#: Rows up to which all pairs are compared: 8,192² distances take less than the cells' upkeep.
WHOLE = 8192

#: Rows a cell holds on average, and cells looked into: about 5,000 rows are compared with each
#: row, a tenth of 50,000.
_CELL = 400
_PROBES = 12

_ROUNDS = 6  # of k-means; centres need not be good, only spread
_BLOCK = 2048  # rows of all-pairs distances at once: 2,048 × 50,000 float32 are 400 MB
_RESIDENT = 50_000


class Cells:
    """An index over rows (n, D), float32 on one device."""

    def __init__(self, rows: Tensor, *, seed: int = 0) -> None:
        self.rows = rows
        self._squares = (rows * rows).sum(dim=1)
        self._centres: Tensor | None = None
        if len(rows) > WHOLE:
            self._cells(seed)

    def search(self, queries: Tensor, k: int, *, itself: bool = True) -> tuple[Tensor, Tensor]:
        """Distances (n, k), exact, and indices (n, k) of the nearest rows, nearest first.

        With ``itself=False`` the queries are the rows, and a row is no neighbour of itself.
        """
        k = min(k, len(self.rows) - (0 if itself else 1))
        found = (
            self._whole(queries, k, itself)
            if self._centres is None
            else self._probed(queries, k, itself)
        )
        # distances by the expanded square lose digits for near rows: take the difference itself
        distances = torch.empty(found.shape, device=found.device)
        for at in range(0, len(found), _BLOCK):
            part = found[at : at + _BLOCK]
            away = queries[at : at + _BLOCK, None] - self.rows[part]
            distances[at : at + _BLOCK] = (away * away).sum(dim=2).sqrt()
        distances, order = distances.sort(dim=1, stable=True)
        return distances, found.gather(1, order)

    def _whole(self, queries: Tensor, k: int, itself: bool) -> Tensor:
        parts = []
        block = max(1, _BLOCK * _RESIDENT // max(len(self.rows), _RESIDENT))
        for at in range(0, len(queries), block):
            away = self._squares - 2 * (queries[at : at + block] @ self.rows.T)
            if not itself:
                own = torch.arange(len(away), device=away.device)
                away[own, own + at] = torch.inf
            parts.append(away.topk(k, dim=1, largest=False).indices)
        return torch.cat(parts)

    def _cells(self, seed: int) -> None:
        rows, count = self.rows, max(2, len(self.rows) // _CELL)
        generator = torch.Generator().manual_seed(seed)
        some = torch.randperm(len(rows), generator=generator)[: 64 * count].to(rows.device)
        sample = rows[some]
        centres = sample[:count].clone()
        for _ in range(_ROUNDS):
            cell = _closest(sample, centres)
            with in_order(rows.device):
                total = torch.zeros_like(centres).index_add_(0, cell, sample)
            size = torch.bincount(cell, minlength=count)
            filled = size > 0
            centres[filled] = total[filled] / size[filled, None]
        cell = _closest(rows, centres)
        self._order = cell.argsort(stable=True)
        size = torch.bincount(cell, minlength=count)
        self._ends = size.cumsum(0).tolist()
        self._sizes = size.tolist()
        self._near = torch.cdist(centres, centres).argsort(dim=1)
        self._centres = centres

    def _members(self, cell: int, k: int) -> Tensor:
        """The rows of the cells nearest to a cell; of more cells when they hold too few."""
        parts, held = [], 0
        for at, other in enumerate(self._near[cell].tolist()):
            if at >= _PROBES and held > k:
                break
            end, size = self._ends[other], self._sizes[other]
            parts.append(self._order[end - size : end])
            held += size
        return torch.cat(parts)

    def _probed(self, queries: Tensor, k: int, itself: bool) -> Tensor:
        assert self._centres is not None
        cell = _closest(queries, self._centres)
        found = torch.empty((len(queries), k), dtype=torch.long, device=queries.device)
        order = cell.argsort(stable=True)
        sizes = torch.bincount(cell, minlength=len(self._centres)).tolist()
        at = 0
        for number, size in enumerate(sizes):
            if not size:
                continue
            members = self._members(number, k)
            rows, squares = self.rows[members], self._squares[members]
            for start in range(at, at + size, _BLOCK):
                which = order[start : min(start + _BLOCK, at + size)]
                away = squares - 2 * (queries[which] @ rows.T)
                if not itself:
                    away[members[None, :] == which[:, None]] = torch.inf
                found[which] = members[away.topk(k, dim=1, largest=False).indices]
            at += size
        return found


def _closest(rows: Tensor, centres: Tensor) -> Tensor:
    squares = (centres * centres).sum(dim=1)
    parts = [
        (squares - 2 * (rows[at : at + 65_536] @ centres.T)).argmin(dim=1)
        for at in range(0, len(rows), 65_536)
    ]
    return torch.cat(parts)


def twins(rows: Tensor) -> Tensor:
    """The first index (n,) of a row that is equal to each row, its own when there is none."""
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(rows.shape[1], 2, generator=generator, dtype=torch.float64)
    marks = torch.cat(
        [rows[at : at + 8192].double().cpu() @ mixed for at in range(0, len(rows), 8192)]
    )
    order = _lexical(marks)
    same = torch.zeros(len(rows), dtype=torch.bool)
    first, second = order[:-1].to(rows.device), order[1:].to(rows.device)
    near = (marks[order[1:]] - marks[order[:-1]]).abs().sum(dim=1) < 1e-6
    maybe = near.nonzero()[:, 0]
    if len(maybe):
        equal = (rows[first[maybe]] == rows[second[maybe]]).all(dim=1).cpu()
        same[maybe + 1] = equal
    group = (~same).cumsum(0) - 1
    lowest = torch.full((int(group[-1]) + 1,), len(rows), dtype=torch.long)
    lowest.scatter_reduce_(0, group, order, reduce="amin")
    result = torch.empty(len(rows), dtype=torch.long)
    result[order] = lowest[group]
    return result.to(rows.device)


def _lexical(marks: Tensor) -> Tensor:
    order = marks[:, 1].argsort(stable=True)
    return order[marks[order, 0].argsort(stable=True)]
