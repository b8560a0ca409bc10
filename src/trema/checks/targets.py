"""The targets as the loss gets them: what kind of labels their values really are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trema.core.facts import TRAIN, Fact
from trema.core.history import History

EDGE = 1e-3  # rounding at the borders of a range
SUM_TOLERANCE = 0.01  # rows of soft labels in float16 sum to one within this

#: Forms of targets, by their values and by their shape beside that of the outputs.
ONE_HOT = "one-hot"  # 0 and 1, exactly one 1 in each row
MULTI_HOT = "multi-hot"  # 0 and 1, rows with two or more 1
INDICATOR = "indicator"  # 0 and 1 in rows with at most one 1
SOFT = "soft"  # fractions whose rows sum to one
BINARY = "binary"  # 0 and 1, one number each
PLUS_MINUS = "plus-minus-one"  # −1 and 1 and nothing between
INDICES = "class-numbers"  # whole numbers, one each, not negative
FRACTIONS = "fractions"  # between 0 and 1
VALUES = "values"  # any other numbers


@dataclass(frozen=True)
class Targets:
    """The single target tensor over all observed training steps.

    shape : of the first form seen, batch axis first; None when not known
    sums : least and greatest sum of a row (last axis), or None where there is none
    least_std : the smallest standard deviation of a batch; 0 where one batch was constant
    steps : how many were observed
    ignored : the label that the loss leaves out, where it occurs; the range then says less
    """

    name: str
    minimum: float
    maximum: float
    mean: float
    std: float
    integer: bool
    least_std: float
    sums: tuple[float, float] | None = None
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    steps: int = 1
    first_step: int = 0
    ignored: float | None = None

    @property
    def width(self) -> int:
        """The size of the last axis; 1 where each sample has one number."""
        return self.shape[-1] if self.shape is not None and len(self.shape) >= 2 else 1

    @property
    def within_unit(self) -> bool:
        """Whether every value lies in 0…1."""
        return self.minimum >= -EDGE and self.maximum <= 1 + EDGE

    @property
    def plus_minus(self) -> bool:
        """Whether every value is −1 or 1: only then is the mean of the squares one."""
        squares = self.mean**2 + self.std**2
        return (
            self.integer
            and self.minimum == -1
            and self.maximum == 1
            and abs(squares - 1) <= EDGE  # one zero in a thousand values shows
        )

    def form(self, output: tuple[int, ...] | None) -> str:
        """Which labels these are, beside an output of this shape.

        Rows count as encoded classes only where targets have the shape of the outputs; without
        a known shape the row sums alone tell.
        """
        if self.plus_minus:
            return PLUS_MINUS
        encoded = self.sums is not None and self.width > 1
        if encoded and output is not None and self.shape is not None:
            encoded = len(output) == len(self.shape) and output[1:] == self.shape[1:]
        if encoded and self.sums is not None and self.within_unit:
            low, high = self.sums
            if abs(low - 1) <= SUM_TOLERANCE and abs(high - 1) <= SUM_TOLERANCE:
                return ONE_HOT if self.integer else SOFT
            if self.integer:
                return MULTI_HOT if high >= 2 else INDICATOR
        if self.within_unit:
            return BINARY if self.integer and self.maximum > EDGE else FRACTIONS
        return INDICES if self.integer and self.minimum >= 0 else VALUES


def read_targets(history: History) -> Targets | None:
    """The single target tensor as measured in training; None when there are several or none."""
    names = history.names(Fact.TARGET_MIN, TRAIN)
    if len(names) != 1:
        return None
    name = names[0]
    steps, low = history.array(Fact.TARGET_MIN, name)
    _, high = history.array(Fact.TARGET_MAX, name)
    _, mean = history.array(Fact.TARGET_MEAN, name)
    _, std = history.array(Fact.TARGET_STD, name)
    _, integer = history.array(Fact.TARGET_INTEGER, name)
    good = len(low) == len(high) == len(mean) == len(std) > 0
    if not good or not all(np.isfinite(part).all() for part in (low, high, mean, std)):
        return None
    forms = [seen for seen in history.tensors("target") if seen.name == name]
    loss = history.run.loss
    ignored = loss.config.get("ignore") if loss is not None else None
    met = ignored is not None and ignored in (low.min(), high.max())
    return Targets(
        name=name,
        minimum=float(low.min()),
        maximum=float(high.max()),
        mean=float(mean.mean()),
        std=float(np.sqrt((std**2).mean() + mean.var())),
        integer=len(integer) > 0 and bool((integer == 1).all()),
        least_std=float(std.min()),
        sums=_sums(history, name),
        shape=forms[0].shape if forms else None,
        dtype=forms[0].dtype if forms else "",
        steps=len(low),
        first_step=int(steps[0]),
        ignored=float(ignored) if met and ignored is not None else None,
    )


def _sums(history: History, name: str) -> tuple[float, float] | None:
    _, least = history.array(Fact.TARGET_ROW_SUM_MIN, name)
    _, most = history.array(Fact.TARGET_ROW_SUM_MAX, name)
    if len(least) == 0 or len(most) == 0 or not np.isfinite([least.min(), most.max()]).all():
        return None
    return float(least.min()), float(most.max())
