"""Neighbour graphs whose edges carry fuzzy weights, as UMAP, DVI and TimeVis build them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trema.travel.nearest import Indices, nearest
from trema.travel.visualizers.base import Floats

#: Neighbours of a vertex (UMAP, DVI and TimeVis).
NEIGHBOURS = 15
#: Halvings of the search for sigma; 40 leave less than single precision resolves.
_HALVINGS = 40


@dataclass(frozen=True)
class Edges:
    """Pairs of vertices ``first`` and ``second`` (m,) with weights (m,) in (0, 1].

    Both directions of an edge are there.
    """

    first: Indices
    second: Indices
    weights: Floats

    def __len__(self) -> int:
        return len(self.weights)

    def shifted(self, by: int) -> Edges:
        """The same edges of vertices that are numbered from ``by``."""
        return Edges(self.first + by, self.second + by, self.weights)


@dataclass(frozen=True)
class Neighbours:
    """The nearest vertices (n, k) of each, and how far they count.

    ``rho`` (n,) is the distance of the nearest that is not a twin, ``sigma`` (n,) the width of
    the fall-off: ``weight = exp(-max(0, distance - rho) / sigma)``.
    """

    indices: Indices
    weights: Floats
    rho: Floats
    sigma: Floats


def joined(*parts: Edges) -> Edges:
    """All edges of several sets."""
    return Edges(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.second for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def neighbours(rows: Floats, k: int = NEIGHBOURS) -> Neighbours:
    """The nearest other rows of each of ``rows`` (n, D), at most n - 1."""
    k = min(k, len(rows) - 1)
    found = nearest(rows, rows, k, itself=np.arange(len(rows)))
    return _weighed(found, distances(rows, rows, found))


def spatial_edges(found: Neighbours) -> Edges:
    """The symmetric graph of nearest neighbours: ``w + w' - w w'``."""
    return symmetric(found.indices, found.weights, len(found.indices))


def boundary_edges(rows: Floats, borders: int, k: int = NEIGHBOURS) -> Edges:
    """The symmetric graph that links each row to its nearest border points.

    The last ``borders`` of ``rows`` (n, D) are border points. Empty with fewer than two.
    """
    if borders < 2:
        none = np.empty(0, dtype=np.int64)
        return Edges(none, none, np.empty(0, dtype=np.float32))
    begin = len(rows) - borders
    k = min(k, borders - 1)
    border = rows[begin:]
    found = np.concatenate(
        [nearest(rows[:begin], border, k), nearest(border, border, k, itself=np.arange(borders))]
    )
    weighed = _weighed(found, distances(rows, border, found))
    return symmetric(found + begin, weighed.weights, len(rows))


def symmetric(indices: Indices, weights: Floats, count: int) -> Edges:
    """Edges of the directed weights (n, k) to the vertices of indices (n, k), both ways."""
    n, k = indices.shape
    return both_ways(np.repeat(np.arange(n), k), indices.ravel(), weights.ravel(), count)


def both_ways(first: Indices, second: Indices, weights: Floats, count: int) -> Edges:
    """Edges of ``w + w' - w w'`` of directed weights (m,) among ``count`` vertices."""
    from scipy.sparse import csr_matrix

    directed = csr_matrix((weights, (first, second)), shape=(count, count))
    other = directed.T.tocsr()
    both = (directed + other - directed.multiply(other)).tocoo()
    return Edges(both.row.astype(np.int64), both.col.astype(np.int64), both.data.astype(np.float32))


def strong(edges: Edges, repeats: float) -> Edges:
    """The edges that are drawn at least once when the strongest is drawn ``repeats`` times."""
    kept = edges.weights >= edges.weights.max(initial=0.0) / repeats
    return Edges(edges.first[kept], edges.second[kept], edges.weights[kept])


def distances(queries: Floats, rows: Floats, found: Indices) -> Floats:
    """Euclidean distances (q, k) of queries to the rows of indices (q, k)."""
    result = np.empty(found.shape, dtype=np.float32)
    size = max(1, (1 << 24) // max(1, found.shape[1] * rows.shape[1]))
    for at in range(0, len(queries), size):
        apart = rows[found[at : at + size]] - queries[at : at + size, None]
        result[at : at + size] = np.sqrt(np.einsum("qkd,qkd->qk", apart, apart))
    return result


def memberships(apart: Floats) -> tuple[Floats, Floats, Floats]:
    """Weights (n, k), rho (n,) and sigma (n,) of sorted distances (n, k) to neighbours.

    sigma is such that the weights of a vertex sum to log2(k) (McInnes and others 2018), found by
    bisection of all vertices together. It is at least a thousandth of the mean distance.
    """
    n, k = apart.shape
    positive = np.where(apart > 0, apart, np.inf)
    rho = positive.min(axis=1)
    rho = np.where(np.isfinite(rho), rho, 0.0)
    beyond = np.maximum(apart - rho[:, None], 0.0).astype(np.float64)
    target = np.log2(max(k, 2))
    low = np.zeros(n)
    high = np.maximum(beyond.max(axis=1), 1e-12) * k  # there every weight is close to one
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        total = np.exp(-beyond / middle[:, None]).sum(axis=1)
        over = total > target
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    sigma = np.maximum((low + high) / 2, 1e-3 * apart.mean(axis=1) + 1e-12)
    weights = np.exp(-beyond / sigma[:, None])
    return weights.astype(np.float32), rho.astype(np.float32), sigma.astype(np.float32)


def _weighed(found: Indices, apart: Floats) -> Neighbours:
    return Neighbours(found, *memberships(apart))
