"""Exact nearest neighbours by blocks of queries, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trema.travel.visualizers.base import Floats

Indices = NDArray[np.int64]
#: Floats of one block of distances: 64 MB.
_BLOCK = 1 << 24
#: Candidates beyond k that are ranked anew by exact differences: the expanded squares are off
#: by about 1e-7 of the squared norm, which reorders close neighbours.
_MORE = 8
#: Up to this many features a tree beats blocks of distances.
_FEW = 3


def nearest(
    queries: Floats, rows: Floats, k: int, *, itself: NDArray[np.int64] | None = None
) -> Indices:
    """Indices (q, k) of the ``k`` rows closest to each query, the closest first.

    queries : ndarray of shape (q, D); rows : ndarray of shape (n, D). Euclidean distances.
    itself : ndarray of shape (q,), the row that each query is, which is left out; -1 for none.
    There must be at least ``k`` rows, and one more with ``itself``.
    """
    wanted = k if itself is None else k + 1
    found = _tree(queries, rows, wanted) if rows.shape[1] <= _FEW else None
    found = _blocks(queries, rows, wanted) if found is None else found
    if itself is None:
        return found
    # of duplicates, the query itself may not be among the k + 1: then the last one goes
    own = found == itself[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(found[~own].reshape(len(queries), k))


def overlap(first: NDArray[np.integer], second: NDArray[np.integer]) -> Indices:
    """How many indices of each row of ``first`` (n, k) are in that row of ``second``; (n,)."""
    return np.asarray((first[:, :, None] == second[:, None, :]).any(axis=2).sum(axis=1))


def _tree(queries: Floats, rows: Floats, k: int) -> Indices | None:
    """What a tree finds; None without SciPy."""
    try:
        from scipy.spatial import cKDTree
    except ImportError:
        return None
    found = cKDTree(rows).query(queries, k=k)[1]
    return np.asarray(found, dtype=np.int64).reshape(len(queries), k)


def _blocks(queries: Floats, rows: Floats, k: int) -> Indices:
    centre = rows.mean(axis=0)  # smaller norms, smaller errors of the expansion
    rows, queries = rows - centre, queries - centre
    squares = np.einsum("nd,nd->n", rows, rows)
    many = min(len(rows), k + _MORE)
    size = max(1, _BLOCK // max(len(rows), many * rows.shape[1]))
    parts = []
    for at in range(0, len(queries), size):
        block = queries[at : at + size]
        far = squares - 2.0 * (block @ rows.T)
        some = np.argpartition(far, many - 1, axis=1)[:, :many]
        apart = rows[some] - block[:, None]
        order = np.argsort(np.einsum("qmd,qmd->qm", apart, apart), axis=1, kind="stable")[:, :k]
        parts.append(np.take_along_axis(some, order, axis=1))
    return np.concatenate(parts) if parts else np.empty((0, k), dtype=np.int64)
