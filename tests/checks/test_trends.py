"""Trends against SciPy's definitions worked out by hand, and false alarms on simulated runs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from trema.checks.base import Check, all_checks
from trema.checks.progress import progress, stuck
from trema.checks.sketch_runs import CHANCE, training
from trema.checks.trends import block_means, correlation_time, mann_kendall, theil_sen, trend
from trema.core.diagnosis import Kind

RUNS = 200


def autoregressive(
    rng: np.random.Generator, phi: float, steps: int, scale: float
) -> NDArray[np.float64]:
    """Noise in which each value remembers the one before; its standard deviation is ``scale``."""
    draws = rng.standard_normal(steps) * scale * np.sqrt(1 - phi**2)
    draws[0] = rng.standard_normal() * scale
    for i in range(1, steps):
        draws[i] += phi * draws[i - 1]
    return np.asarray(draws)


def test_block_means_cover_every_value_once() -> None:
    values = np.arange(10.0)
    assert block_means(values, 3).tolist() == [1.0, 4.0, 7.5]
    assert block_means(values, 10).tolist() == values.tolist()


def test_the_line_is_the_median_of_all_slopes() -> None:
    values = np.array([0.0, 1.0, 2.0, 30.0, 4.0, 5.0])
    pairs = itertools.combinations(range(6), 2)
    expected = np.median([(values[j] - values[i]) / (j - i) for i, j in pairs])
    slope, start = theil_sen(values)
    assert slope == expected == 1.0
    assert start == 0.0


def test_mann_kendall_of_a_rising_series() -> None:
    # all 28 pairs rise; (28 - 1) / sqrt(8 * 7 * 21 / 18)
    assert mann_kendall(np.arange(8.0)) == pytest.approx(27 / np.sqrt(8 * 7 * 21 / 18))
    assert mann_kendall(-np.arange(8.0)) == -mann_kendall(np.arange(8.0))
    assert mann_kendall(np.ones(8)) == 0.0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_correlation_time_finds_the_process(phi: float) -> None:
    rng = np.random.default_rng(0)
    times = [correlation_time(autoregressive(rng, phi, 600, 1.0)) for _ in range(50)]
    expected = (1 + phi) / (1 - phi)
    assert np.median(times) == pytest.approx(expected, rel=0.35)  # a median of 50 estimates


def test_a_smooth_curve_is_not_noise() -> None:
    assert correlation_time(np.exp(-np.linspace(0, 5, 300))) == 1.0


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6, 0.9])
def test_wandering_noise_is_no_trend(phi: float) -> None:
    """With independent blocks the statistic is a test: |z| > 3 has a chance of 0.3 %."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(RUNS):
        found = trend(autoregressive(rng, phi, 600, 1.0), independent=True)
        alarms += found is not None and abs(found.z) > 3.0
    assert alarms <= 0.02 * RUNS


def test_a_trend_under_noise_is_found() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        values = np.linspace(1.0, 0.0, 400) + autoregressive(rng, 0.3, 400, 0.2)
        found = trend(values, independent=True)
        assert found is not None
        assert found.z < -3.0


def _curve(kind: str, rng: np.random.Generator) -> tuple[NDArray[np.float64], int]:
    """Losses of a run of ten classes, and its number of epochs."""
    steps = int(rng.integers(150, 700))
    phi, noise = float(rng.choice([0.0, 0.3, 0.6, 0.9])), float(rng.uniform(0.02, 0.25))
    done = np.arange(steps) / steps
    speed = float(rng.uniform(0.8, 12))
    floor = float(rng.uniform(0.05, 0.6)) * CHANCE
    if kind == "improving":
        level = floor + (CHANCE - floor) * np.exp(-speed * done)
    elif kind == "late":  # a plateau first, then it learns
        level = floor + (CHANCE - floor) / (1 + np.exp(20 * (done - 0.4)))
    elif kind == "overshoot":  # begins too high
        level = floor + (6 * CHANCE - floor) * np.exp(-4 * speed * done)
    else:
        level = np.full(steps, CHANCE)
    losses = level * np.exp(autoregressive(rng, phi, steps, noise))
    return losses, int(rng.integers(3, 13))


def _silent_on(kind: str, check: type[Check], seed: int) -> int:
    """How many of the simulated runs alarm, at any of four looks."""
    rng = np.random.default_rng(seed)
    alarms = 0
    for _ in range(RUNS):
        losses, epochs = _curve(kind, rng)
        spoke = False
        for share in (0.3, 0.6, 0.8, 1.0):
            part = losses[: int(share * len(losses))]
            history = training(
                losses=part, epochs=max(1, int(share * epochs)), finished=share == 1.0
            )
            good = check.kind is Kind.SYMPTOM and history.beats_baseline()
            spoke = spoke or (not good and any(True for _ in check().diagnose(history)))
        alarms += spoke
    return alarms


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["improving", "late", "overshoot"])
@pytest.mark.parametrize(
    "name", ["loss-flat", "loss-oscillating", "loss-diverging", "loss-spike", "batch-lr-mismatch"]
)
def test_runs_that_learn_raise_no_alarm(name: str, kind: str) -> None:
    assert _silent_on(kind, all_checks()[name], seed=3) <= 0.005 * RUNS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["loss-oscillating", "loss-diverging", "loss-spike"])
def test_noise_at_one_level_is_neither_oscillation_nor_divergence(name: str) -> None:
    assert _silent_on("flat", all_checks()[name], seed=4) <= 0.005 * RUNS


def test_flat_runs_are_found_stuck_and_learning_ones_are_not() -> None:
    rng = np.random.default_rng(5)
    found = {"flat": 0, "improving": 0}
    for kind in found:
        for _ in range(100):
            losses, epochs = _curve(kind, rng)
            history = training(losses=losses, epochs=epochs)
            found[kind] += stuck(history, steps=100) is not None
    assert found["improving"] == 0
    assert found["flat"] >= 60  # noise that happens to fall keeps the others silent


def test_progress_of_a_loss_that_fell_to_chance() -> None:
    losses = np.concatenate([np.linspace(40, CHANCE, 20), np.full(200, CHANCE)])
    seen = progress(training(losses=losses))
    assert seen is not None
    assert seen.baseline == pytest.approx(CHANCE)
    assert not seen.below
