"""Smoothing and noise against values worked out by hand or by NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from trema.checks.base import situation
from trema.checks.learning_rates import observed_rates, usual_range
from trema.checks.sketch import optimizer
from trema.checks.smoothing import both_phases, median_of_three, noise
from trema.core.facts import Fact, RunInfo


def test_an_outlier_vanishes() -> None:
    smooth = median_of_three(np.array([1.0, 1.0, 9.0, 1.0, 1.0]))
    assert smooth.tolist() == [1.0, 1.0, 1.0, 1.0, 1.0]


def test_short_series_stay() -> None:
    assert median_of_three(np.array([3.0, 5.0])).tolist() == [3.0, 5.0]


def test_noise_ignores_a_trend() -> None:
    assert noise(np.linspace(0, 9, 50)) == pytest.approx(0, abs=1e-12)


def test_noise_is_the_standard_deviation_of_white_noise() -> None:
    values = np.random.default_rng(0).normal(0, 0.3, 20_000)
    assert noise(values) == pytest.approx(0.3, rel=0.03)  # sampling error of a median


def test_only_epochs_seen_in_both_phases_count() -> None:
    history = situation(metrics={"loss": [3.0, 2.0, 1.0]}, val_metrics={"loss": [4.0, np.nan]})
    seen = both_phases(history, ("loss",))
    assert seen is not None
    name, epochs, train, val = seen
    assert (name, epochs.tolist(), train.tolist(), val.tolist()) == ("loss", [0], [3.0], [4.0])


def test_observed_rates_come_before_those_at_the_start() -> None:
    run = RunInfo(optimizers=(optimizer("adam", 0.1, 0.2),))
    history = situation(run, facts={(Fact.LEARNING_RATE, "0.1"): [0.5, 0.7, 0.9]})
    first, second = observed_rates(history)
    assert (first.typical, second.typical, second.highest) == (0.1, 0.7, 0.9)


def test_ranges_are_ordered() -> None:
    for kind in ("adam", "sgd", "lion", "adadelta", "unheard-of"):
        limits = usual_range(kind)
        assert limits.low < limits.high <= limits.doubtful <= limits.absurd
