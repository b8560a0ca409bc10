"""Numbers, fingerprints, history and configuration against known answers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trema.core.config import Config
from trema.core.errors import UnknownOption, UsageError
from trema.core.facts import Fact, LossInfo, RunInfo, Snapshot
from trema.core.history import CAPACITY, History
from trema.core.numbers import decode, dumps, percent, short_list, show
from trema.core.reduce import (
    QUANTILES,
    SAMPLE,
    UNITS,
    activation_statistics,
    norm,
    quantiles,
    sample_stride,
    tensor_statistics,
    unit_max,
)
from trema.core.samples import fingerprints, overlap


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_survive_json(value: float) -> None:
    back = decode(json.loads(dumps(value)))
    assert back == value or (math.isnan(back) and math.isnan(value))


def test_other_words_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="expected a number"):
        decode("NaNa")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (250.0, "250"),
        (1234567.0, "1.23e+06"),
        (math.nan, "nan"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_are_shown_short(value: float, text: str) -> None:
    assert show(value) == text


def test_percent() -> None:
    assert percent(0.8531) == "85.3 %"


def test_tensor_statistics_of_a_known_array() -> None:
    got = tensor_statistics([[1, 2], [3, 4]])
    np.testing.assert_allclose(got, [1, 4, 2.5, math.sqrt(1.25), 0, 1, 3, 7])
    assert tensor_statistics([1.0, math.nan, math.inf])[4] == 2
    assert np.isnan(tensor_statistics([math.nan])[:4]).all()


def test_activation_statistics_of_a_known_array() -> None:
    np.testing.assert_allclose(
        activation_statistics([0, 0, 1, -1]), [0, math.sqrt(0.5), 0.5, 0.5, 0]
    )
    np.testing.assert_array_equal(unit_max(np.array([[1, 5], [3, 2]]), axis=-1), [3, 5])
    assert norm([3, 4]) == 5


def test_quantiles_of_known_arrays() -> None:
    np.testing.assert_allclose(quantiles(np.arange(101)[::-1]), [100 * q for q in QUANTILES])
    np.testing.assert_array_equal(quantiles([math.nan, 2.0, math.inf]), [2.0] * 9)
    assert np.isnan(quantiles([math.nan, -math.inf])).all()
    assert np.isnan(quantiles(np.empty((0, 3)))).all()
    extreme = quantiles(np.array([-1.7e308, 1.7e308]))
    assert extreme[4] == 0
    assert np.isfinite(extreme).all()
    x = np.random.default_rng(0).normal(size=3000)  # no longer than a sample
    np.testing.assert_allclose(quantiles(x), np.quantile(x, QUANTILES), rtol=1e-12)


@given(st.integers(1, 2**24))
def test_a_sample_is_bounded_and_meets_all_units_alike(size: int) -> None:
    stride = sample_stride(size)
    assert -(-size // stride) <= SAMPLE
    assert math.gcd(stride, size) == 1
    assert (stride == 1) == (size <= SAMPLE)


def test_each_channel_has_its_share_of_a_sample() -> None:
    x = np.zeros((64, 32, 16, 16))
    x[:, 7] = 1
    flat = x.reshape(-1)
    assert flat[:: sample_stride(flat.size)].mean() == pytest.approx(1 / 32, rel=0.02)


def test_wide_layers_have_an_even_subset_of_units() -> None:
    assert len(unit_max(np.zeros((2, UNITS)), axis=1)) == UNITS
    np.testing.assert_array_equal(unit_max(np.arange(2048)[None], axis=1), np.arange(0, 2048, 2))


def test_measured_arrays_are_written_short() -> None:
    array = np.array([[0.1, -1 / 3], [2e9 / 3, math.inf]], dtype=np.float32)
    assert dumps(short_list(array)) == '[[0.1,-0.333333],[666667000.0,"inf"]]'


def test_equal_rows_and_no_others_have_equal_fingerprints() -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 7)).astype(np.float32)
    rows[100] = rows[4]
    found = fingerprints(rows)
    assert len(np.unique(found)) == 4999
    assert found[100] == found[4]
    np.testing.assert_array_equal(fingerprints(rows.astype(np.float64)), found)


def test_one_changed_bit_changes_the_fingerprint() -> None:
    row = np.zeros((1, 784), dtype=np.uint8)
    hashes = {int(fingerprints(row)[0])}
    for i in range(784):
        other = row.copy()
        other[0, i] = 1
        hashes.add(int(fingerprints(other)[0]))
    assert len(hashes) == 785


def test_overlap_names_samples_and_their_twins() -> None:
    train = fingerprints(np.arange(20.0).reshape(10, 2))
    validation = fingerprints(np.array([[100.0, 1.0], [6.0, 7.0], [0.0, 1.0]]))
    found, twins = overlap(train, validation)
    assert found.tolist() == [1, 2]
    assert twins.tolist() == [3, 0]
    assert overlap(train[:0], validation)[0].tolist() == []


def history_of(losses: list[float], **info: Any) -> History:
    history = History(RunInfo(**info))
    for step, loss in enumerate(losses):
        values = {(Fact.LOSS, ""): loss, (Fact.TARGET_STD, ""): 2.0}
        history.add(Snapshot(step=step, epoch=0, phase="train", values=values))
    return history


def test_a_series_is_bounded_and_keeps_beginning_and_end() -> None:
    history = history_of([float(i) for i in range(5 * CAPACITY)])
    steps, values = history.array(Fact.LOSS)
    assert len(steps) <= CAPACITY
    assert steps[0] == 0
    assert steps[-1] == 5 * CAPACITY - 1
    assert (np.diff(steps) > 0).all()
    np.testing.assert_array_equal(steps, values)


def test_phases_are_kept_apart() -> None:
    history = history_of([1.0])
    assert len(history.array(Fact.LOSS, phase="validation")[0]) == 0
    assert not history.observed(Fact.LOSS, "validation")


@pytest.mark.parametrize(
    ("loss", "value", "expected"),
    [("mse", 3.0, True), ("mse", 4.1, False), ("mae", 1.5, True), ("other", 0.0, None)],
)
def test_baselines_of_constant_predictions(loss: str, value: float, expected: bool | None) -> None:
    assert history_of([value] * 10, loss=LossInfo(kind=loss)).beats_baseline() is expected


def test_a_non_finite_loss_beats_no_baseline() -> None:
    assert history_of([math.nan] * 3, loss=LossInfo(kind="mse")).beats_baseline() is False


def test_options_are_checked() -> None:
    with pytest.raises(UnknownOption, match="did you mean 'overhead'"):
        Config.of(overheat=1)
    with pytest.raises(UsageError, match=r"inputs must be one of image, .* but got 'picture'"):
        Config.of(inputs="picture")
    with pytest.raises(UsageError, match="overhead must be above 0"):
        Config.of(overhead=0)


HEAVY = "torch keras jax tensorflow sqlalchemy alembic fastapi pydantic rich typer numpy"


def test_importing_trema_loads_no_framework() -> None:
    code = f"import sys, trema; print([m for m in {HEAVY.split()!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
