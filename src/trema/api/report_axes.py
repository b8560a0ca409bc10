"""Scales of a plot: where numbers lie on paper, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from trema.api.report_text import figure

#: From this ratio of the largest to the smallest value on, a scale is logarithmic.
LOG_FROM = 1000.0


@dataclass(frozen=True)
class Scale:
    """From numbers to places between ``start`` and ``end``; NaN for what has no place."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if not math.isfinite(value) or (self.log and value <= 0):
            return math.nan
        if self.log:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        share = (value / 2 - low / 2) / (high / 2 - low / 2)  # halves: 1e308 must not overflow
        return self.start + (self.end - self.start) * share

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """About ``count`` round numbers with their places."""
        values = _decades(self.low, self.high, count) if self.log else None
        chosen = values or round_numbers(self.low, self.high, count)
        return [(self(value), label(value, chosen)) for value in chosen]


def scale_of(values: Iterable[float], start: float, end: float, *, whole: bool = False) -> Scale:
    """A scale that holds all finite values.

    whole : the values are counts, so that ticks stand at integers and nothing is added around
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if not whole and low > 0 and high / low >= LOG_FROM:
        return Scale(low / 1.1, min(high * 1.1, 1.7e308), start, end, log=True)
    if high == low:
        margin = 0.5 if whole or low == 0 else abs(low) * 0.1
    else:
        margin = 0.0 if whole else (high / 2 - low / 2) * 0.1
    low, high = max(low - margin, -1.7e308), min(high + margin, 1.7e308)
    if high / 2 - low / 2 < 1e-300:  # too close together to be divided by
        low, high = low - 1.0, high + 1.0
    return Scale(low, high, start, end)


def round_numbers(low: float, high: float, count: int) -> list[float]:
    """About ``count`` multiples of 1, 2 or 5 times a power of ten, from low to high."""
    rough = (high / 2 - low / 2) / max(1, count) * 2
    if not math.isfinite(rough) or rough <= 0:
        return [low, high]
    power = 10.0 ** math.floor(math.log10(rough))
    if power == 0 or not math.isfinite(power):
        return [low, high]
    step = next((power * size for size in (1, 2, 5) if power * size >= rough), power * 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 4 * count + 4:
        return [low, high]
    return [place * step for place in range(first, last + 1)]


def _decades(low: float, high: float, count: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / max(1, count)))
    return [10.0**power for power in range(first, last + 1, every) if -300 < power < 300]


def label(value: float, among: list[float]) -> str:
    """A tick's number with as many digits as its neighbours need."""
    size = max(map(abs, among))
    if value == 0:
        return "0"
    if size >= 1e6 or size < 1e-3:
        digits, power = f"{value:.3e}".split("e")
        digits = digits.rstrip("0").rstrip(".")
        return f"{digits}e{int(power)}".replace("-", "−")
    if len(among) > 1 and size < 1e6:
        step = abs(among[1] - among[0])
        places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 3
        if places <= 6 and among[-1] / (among[0] or 1) != 10.0 ** (len(among) - 1):
            return f"{value:,.{places}f}".replace("-", "−")
    return figure(value)
