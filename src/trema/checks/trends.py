"""Trends of noisy series: means of blocks, the Theil–Sen line, the Mann–Kendall test.

Losses of batches are noisy and correlated, so that nothing is concluded from single values: they
are averaged in blocks, the line is the median of all slopes between blocks (an outlier does not
move it), and whether it goes up or down is judged by the ranks alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Blocks that a series is cut into at most: enough for a test, few enough to average noise out.
BLOCKS = 16
#: Correlation times that a block must cover to count as independent of its neighbours: with
#: three of them neighbouring means of a first-order process correlate by about a sixth.
SPACING = 3.0
#: Correlation of successive differences above which a series is smooth rather than noisy.
SMOOTH = 0.5


@dataclass(frozen=True)
class Trend:
    """How a series goes.

    first, last : values of the Theil–Sen line at both ends
    z : Mann–Kendall statistic; about standard normal for noise alone, positive when rising
    noise : robust standard deviation of the block means around the line
    blocks : how many
    """

    first: float
    last: float
    z: float
    noise: float
    blocks: int


def block_means(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Means of ``count`` blocks of nearly equal length, oldest first.

    values : ndarray of shape (n,), n at least ``count``
    """
    edges = np.arange(count + 1) * len(values) // count
    return np.asarray(np.add.reduceat(values, edges[:-1]) / np.diff(edges))


def theil_sen(values: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept of the line through equally spaced values: medians over all pairs."""
    place = np.arange(len(values))
    low, high = np.triu_indices(len(values), 1)
    slope = float(np.median((values[high] - values[low]) / (high - low)))
    return slope, float(np.median(values - slope * place))


def mann_kendall(values: NDArray[np.float64]) -> float:
    """The standardized Mann–Kendall statistic, with ties and continuity corrected; 0 when all
    values are equal."""
    n = len(values)
    low, high = np.triu_indices(n, 1)
    score = float(np.sign(values[high] - values[low]).sum())
    _, ties = np.unique(values, return_counts=True)
    spread = n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()
    if spread <= 0:
        return 0.0
    return float((score - np.sign(score)) / np.sqrt(spread / 18.0))


def correlation_time(values: NDArray[np.float64]) -> float:
    """How many successive values tell as much as one independent value: at least 1.

    A first-order process of correlation φ has differences that correlate by −(1 − φ)/2, whatever
    slow trend lies under it; a smooth curve has differences that go together, and counts as 1.
    """
    steps = np.diff(values)
    if len(steps) < 8:
        return 1.0
    steps = steps - steps.mean()
    power = float(steps @ steps)
    if power <= 0:
        return 1.0
    together = float(steps[1:] @ steps[:-1]) / power
    if together > SMOOTH:
        return 1.0
    phi = min(max(1.0 + 2.0 * together, 0.0), 0.98)
    return (1.0 + phi) / (1.0 - phi)


def trend(
    values: NDArray[np.float64], *, least: int = 6, independent: bool = False
) -> Trend | None:
    """The trend of a series; None when fewer than ``least`` blocks can be made.

    values : ndarray of shape (n,), equally spaced or nearly so; non-finite values are left out
    independent : blocks are long enough to be independent, so that ``z`` may be read as a test;
        without it a wandering series may look like a trend
    """
    values = values[np.isfinite(values)]
    count = min(BLOCKS, len(values))
    if independent:
        time = correlation_time(values)
        if time > 1.5:  # white noise measures up to this by chance
            count = min(count, int(len(values) / (SPACING * time)))
    if count < max(least, 2):
        return None
    means = block_means(values, count)
    slope, start = theil_sen(means)
    rest = means - (start + slope * np.arange(count))
    noise = float(1.4826 * np.median(np.abs(rest)))
    return Trend(start, start + slope * (count - 1), mann_kendall(means), noise, count)
