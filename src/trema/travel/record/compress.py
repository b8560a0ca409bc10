"""Representations in fewer directions, with logits that stay what they were.

One fixed basis would be wrong sooner or later: what spreads the samples in the first epoch is not
what spreads them in the last, and late in training nearly all of the spread lies in the few
directions that the head reads (Papyan et al., 2020, *neural collapse*). So each epoch has a basis
of its own, whose first part is spanned by the rows of the head and the mean, which makes logits
exact (``W x = W Bᵀ B x``, so the head that belongs to the kept numbers is ``W Bᵀ``), and whose
rest are the principal components of what is left. It is then turned by the orthogonal matrix that
brings it nearest to the basis of the epoch before (Schönemann, 1966), so that a sample that stays
keeps its numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.travel.record.head import Head, Refused

Floats = NDArray[np.float32]
#: Rows that components are computed from; 5,000 give them to a few per cent.
_ROWS = 5000


def basis_of(rows: NDArray[Any], head: Head, kept: int, before: Floats | None) -> Floats:
    """Orthonormal directions of shape (kept, D) for representations (sample, D).

    Parameters
    ----------
    rows : samples that are not finite are left out; without any the basis before is kept
    head : its rows are in the span of the basis
    before : the basis of the epoch before, to which this one is turned

    Raises
    ------
    Refused
        When the head alone needs more directions.
    """
    outputs, width = head.weights.shape
    if kept < min(outputs + 1, width):
        raise Refused(
            f"compress={kept} keeps fewer directions than the {outputs} outputs of the head "
            f"need: give at least {outputs + 1}"
        )
    some = rows[:: max(1, len(rows) // _ROWS)].astype(np.float64)
    some = some[np.isfinite(some).all(axis=1)]
    if before is not None and (not len(some) or not np.isfinite(head.weights).all()):
        return before
    mean = some.mean(axis=0) if len(some) else np.zeros(width)
    first = _orthonormal(np.vstack([np.nan_to_num(head.weights.astype(np.float64)), mean]))
    rest = some - mean
    rest -= (rest @ first.T) @ first
    # what the first part spans is given no spread, so it is never drawn again
    spread = rest.T @ rest / max(1, len(rest))
    _, vectors = np.linalg.eigh(spread - _guard(spread) * (first.T @ first))
    basis = np.vstack([first, vectors[:, ::-1].T[: kept - len(first)]])
    basis = np.linalg.qr(basis.T)[0].T  # rounding only
    if before is None or before.shape != basis.shape:
        largest = np.abs(basis).argmax(axis=1)
        signs = np.where(basis[np.arange(len(basis)), largest] < 0, -1.0, 1.0)
        return np.asarray(basis * signs[:, None], dtype=np.float32)
    u, _, v = np.linalg.svd(before.astype(np.float64) @ basis.T)
    return np.asarray((u @ v) @ basis, dtype=np.float32)


def _orthonormal(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    _, sizes, directions = np.linalg.svd(vectors, full_matrices=False)
    return np.asarray(directions[sizes > 1e-10 * max(float(sizes[0]), 1e-30)])


def _guard(spread: NDArray[np.float64]) -> float:
    return 1.0 + float(np.trace(spread))


def folded(head: Head, basis: Floats) -> Head:
    """The head that gives the same logits from ``x @ basis.T``."""
    return Head(head.weights @ basis.T, head.biases, basis)
