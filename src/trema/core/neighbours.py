"""Whether the targets of a split say something about its inputs: how often a sample has the target
of its nearest neighbour, and how far apart the classes are in the mean.

A few hundred samples are enough. They are chosen by a fixed rule that spreads them evenly over the
split and follows no period of it, so that two looks at the same data see the same samples.

References: Cover & Hart (1967), Nearest Neighbor Pattern Classification; Friedman & Rafsky (1983),
Graph-Theoretic Measures of Multivariate Association; Northcutt et al. (2021), Confident Learning.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trema.core.datasets import TOLD, Neighbours

#: Samples compared, largest first: two splits are compared at the same number.
SIZES = (800, 400, 200, 100)
#: Numbers of a sample that are compared; neighbouring ones are averaged beyond.
WIDTH = 256
#: Numbers read, at most.
READ = 8 * 2**20
#: Standardized values are cut here, so that no outlier decides what is near.
CUT = 5.0
#: More classes than these, or fewer samples of a class, say little.
CLASSES, OF_CLASS = 50, 5
#: Neighbours that must agree on another class for a label to be doubted.
AGREEING = 3
GOLDEN = 0.6180339887498949

Vector = NDArray[np.float64]
Matrix = NDArray[np.float32]


def neighbours(
    inputs: Mapping[str, np.ndarray], targets: np.ndarray | None, classes: np.ndarray | None
) -> Neighbours | None:
    """What neighbours have in common; None where that cannot be said of these data.

    Parameters
    ----------
    inputs : arrays of shape (sample, …) by name; only one input is looked at
    targets : array of shape (sample, …), or None
    classes : the targets as class indices, or None when they are numbers
    """
    if len(inputs) != 1 or targets is None:
        return None
    array = next(iter(inputs.values()))
    if array.ndim < 2 or len(array) != len(targets) or array.dtype.kind not in "buif":
        return None
    most = READ // max(1, array[:1].size)
    sizes = [size for size in SIZES if size <= min(len(array), most)]
    if not sizes:
        return None
    rows = _spread(len(array), sizes[0])
    y = _targets(targets, classes, rows)
    if y is None:
        return None
    values, is_class = y
    comparable = _comparable(array[rows])
    if comparable is None:
        return None
    x, scale = comparable
    found: dict[str, list[float]] = {"agreement": [], "chance": [], "error": [], "distance": []}
    spread = 0.0
    doubted: list[int] = []
    squares = _squares(x)
    for size in sizes:
        near = squares[:size, :size]
        nearest = near.argmin(axis=1)
        gaps = near[np.arange(size), nearest]
        if not np.isfinite(gaps).all() or not gaps.any():
            return None  # too many samples are equal
        of = values[:size]
        numbers = _agreement(of, nearest) if is_class else _correlation(of, nearest)
        if numbers is None:
            return None
        for name, number in zip(("agreement", "chance", "error"), numbers, strict=True):
            found[name].append(number)
        found["distance"].append(float(np.sqrt(np.median(gaps))))
        if size == sizes[0]:
            spread = _spread_of_means(x, of) if is_class else _slope(x, of)
            doubted = _doubted(near, of) if is_class else []
    return Neighbours(
        sizes=tuple(sizes),
        agreement=tuple(found["agreement"]),
        chance=tuple(found["chance"]),
        error=tuple(found["error"]),
        distance=tuple(found["distance"]),
        scale=scale,
        means=spread,
        classes=tuple(int(c) for c in np.unique(values)) if is_class else (),
        samples=tuple(sorted(int(rows[one]) for one in doubted))[:TOLD],
    )


def _spread(size: int, count: int) -> NDArray[np.int64]:
    """``count`` of ``size`` indices, evenly spread and without a period, each first part too."""
    order = np.floor(np.arange(1, 4 * count + 1) * GOLDEN % 1.0 * size).astype(np.int64)
    _, first = np.unique(order, return_index=True)
    chosen = order[np.sort(first)][:count]
    if len(chosen) < count:  # nearly all of them are wanted
        rest = np.setdiff1d(np.arange(size), chosen)[: count - len(chosen)]
        chosen = np.concatenate([chosen, rest])
    return np.asarray(chosen, dtype=np.int64)


def _targets(
    targets: np.ndarray, classes: np.ndarray | None, rows: NDArray[np.int64]
) -> tuple[Vector, bool] | None:
    """One number for each of the rows, and whether it is a class."""
    if classes is not None:
        chosen = classes[rows]
        values, counts = np.unique(chosen, return_counts=True)
        usual = values[counts >= OF_CLASS]
        if len(usual) >= 2 and len(values) <= CLASSES:
            return chosen.astype(np.float64), True
        if targets.dtype.kind != "f" or len(values) <= CLASSES:
            return None
    y = targets.reshape(len(targets), -1)
    if y.shape[1] != 1 or y.dtype.kind not in "iuf":
        return None
    numbers = y[rows, 0].astype(np.float64)
    if not np.isfinite(numbers).all() or len(np.unique(numbers)) < 0.2 * len(numbers):
        return None
    return numbers, False


def _comparable(rows: np.ndarray) -> tuple[Matrix, float] | None:
    """Rows as vectors of unit spread (columns of a table each by itself, else all in common), and
    the spread that they had."""
    flat = rows.reshape(len(rows), -1)
    with np.errstate(all="ignore"):
        x = flat.astype(np.float32)
        if x.shape[1] > WIDTH:
            group = -(-x.shape[1] // WIDTH)
            x = x[:, : x.shape[1] // group * group].reshape(len(x), -1, group).mean(axis=2)
        good = np.isfinite(x)
        x[~good] = 0
        count = np.maximum(good.sum(axis=0), 1)
        mean = x.sum(axis=0) / count
        x = np.where(good, x - mean, np.float32(0))
        square = np.square(x).sum(axis=0)
        if rows.ndim == 2:
            std = np.sqrt(square / count)
            varies = std > 1e-6 * (np.abs(mean) + 1e-12)
            x, std = x[:, varies], std[varies]
            scale = float(np.exp(np.log(std).sum() / max(1, len(std))))
        else:
            scale = float(np.sqrt(square.sum() / count.sum()))
            std = np.full(x.shape[1], scale)
        x = (x / std).astype(np.float32)
    x = np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)
    np.clip(x, -CUT, CUT, out=x)
    if not x.shape[1] or not np.isfinite(scale) or scale <= 0:
        return None
    return x / np.float32(np.sqrt(x.shape[1])), scale


def _squares(x: Matrix) -> Matrix:
    """Squared distances; those of a sample to itself and to its equals are infinite."""
    square = np.square(x).sum(axis=1)
    found = square[:, None] + square[None, :] - 2 * (x @ x.T)
    found[found < 1e-5 * (square[:, None] + square[None, :]) + 1e-9] = np.inf
    np.fill_diagonal(found, np.inf)
    return np.asarray(found, dtype=np.float32)


def _agreement(y: Vector, nearest: NDArray[np.intp]) -> tuple[float, float, float] | None:
    """Share of samples whose nearest one is of their class, that of chance, standard error."""
    _, counts = np.unique(y, return_counts=True)
    size = len(y)
    chance = float((counts * (counts - 1.0)).sum() / (size * (size - 1.0)))
    if chance > 0.95:
        return None
    share = float((y == y[nearest]).mean())
    # pairs that are each other's nearest count twice
    return share, chance, float(np.sqrt(1.5 * chance * (1 - chance) / size))


def _correlation(y: Vector, nearest: NDArray[np.intp]) -> tuple[float, float, float] | None:
    """Rank correlation of the targets of neighbours; chance gives zero."""
    ranks = _ranks(y)
    return _correlated(ranks, ranks[nearest]), 0.0, float(np.sqrt(1.5 / len(y)))


def _ranks(y: Vector) -> Vector:
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[inverse], dtype=np.float64)


def _correlated(a: Vector, b: Vector) -> float:
    a, b = a - a.mean(), b - b.mean()
    total = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / total) if total else 0.0


def _spread_of_means(x: Matrix, y: Vector) -> float:
    """How far apart the classes are in the mean, in standard deviations of what shuffled labels
    give: a linear model can learn from it where neighbours say nothing."""
    values, index = np.unique(y, return_inverse=True)

    def between(order: NDArray[np.intp]) -> float:
        one_hot = np.zeros((len(values), len(y)), dtype=np.float32)
        one_hot[order, np.arange(len(y))] = 1.0
        means = one_hot @ x
        return float((np.square(means).sum(axis=1) / one_hot.sum(axis=1)).sum())

    return _unusual(between(index), [between(index[order]) for order in _shuffles(len(y))])


def _slope(x: Matrix, y: Vector) -> float:
    """The same for numbers: the length of their covariance with the inputs."""
    ranks = (_ranks(y) - (len(y) - 1) / 2).astype(np.float32)

    def length(of: NDArray[np.float32]) -> float:
        return float(np.square(of @ x).sum())

    return _unusual(length(ranks), [length(ranks[order]) for order in _shuffles(len(y))])


def _unusual(seen: float, shuffled: list[float]) -> float:
    """How far a number lies above those of shuffled targets, in their standard deviations."""
    spread = float(np.std(shuffled))
    return (seen - float(np.mean(shuffled))) / spread if spread > 0 else 0.0


def _shuffles(size: int) -> list[NDArray[np.int64]]:
    own = np.random.default_rng(0)  # the program's generators are left alone
    return [own.permutation(size) for _ in range(12)]


def _doubted(squares: Matrix, y: Vector) -> list[int]:
    """Samples whose nearest ones are all of one other class."""
    if len(y) <= AGREEING:
        return []
    near = y[np.argpartition(squares, AGREEING, axis=1)[:, :AGREEING]]
    same = (near == near[:, :1]).all(axis=1)
    return [int(one) for one in np.flatnonzero(same & (near[:, 0] != y))]
