"""Sketches of data sets against arrays with known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trema.core.beneath import arrays_beneath
from trema.core.datasets import DataSketch
from trema.core.numbers import dumps
from trema.core.passing import Passing
from trema.core.repeats import repeats
from trema.core.sketching import Split, class_indices, labels, sketch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)).astype(np.float32)
Y = RNG.integers(0, 3, size=300)


def test_columns_are_those_of_numpy() -> None:
    x = X.copy()
    x[7, 2], x[9, 2] = np.nan, np.inf
    x[:, 4] = 2.5
    one = sketch(Split(inputs={"": x}), "train").inputs[""]
    assert one.columns is not None
    good = np.delete(x, [7, 9], axis=0)
    np.testing.assert_allclose(one.columns.mean[2], good[:, 2].mean(), rtol=1e-5)
    np.testing.assert_allclose(one.columns.std[:2], x[:, :2].std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(one.columns.high[:2], x[:, :2].max(axis=0))
    assert one.columns.nonfinite.tolist() == [0, 0, 2, 0, 0]
    assert one.columns.constant.tolist() == [False] * 4 + [True]
    assert (one.bad, one.bad_rows) == (2, (7, 9))


def test_channels_of_images_in_both_layouts() -> None:
    images = RNG.integers(0, 256, size=(40, 12, 12, 3), dtype=np.uint8)
    last = sketch(Split(inputs={"": images}), "train").inputs[""].columns
    first = sketch(Split(inputs={"": images.transpose(0, 3, 1, 2)}), "train").inputs[""].columns
    assert last is not None
    assert first is not None
    np.testing.assert_allclose(last.mean, images.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(first.std, images.std(axis=(0, 1, 2)))


def test_a_sketch_survives_the_journal() -> None:
    x = X.copy()
    x[3, 0] = np.nan
    x[-5:] = x[:5]
    made = sketch(Split(inputs={"": x}, targets=Y, shuffled=False, names=tuple("abcde")), "train")
    read = DataSketch.from_dict(json.loads(dumps(made.as_dict())))
    assert read.repeats == made.repeats
    assert read.labels == made.labels
    assert (read.shuffled, read.source, read.samples) == (False, "arrays", 300)
    ours, theirs = read.inputs[""].columns, made.inputs[""].columns
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-5)
    assert ours.label(1) == "column `b`"


@pytest.mark.parametrize("width", [3, 700])
def test_repeats_and_conflicts_by_index(width: int) -> None:
    x = RNG.normal(size=(200, width))
    y = np.arange(200) % 4
    x[150], x[160], x[170] = x[10], x[20], x[20]
    y[150], y[160], y[170] = y[10], y[20], y[20] + 1
    found = repeats({"": x}, y)
    assert found is not None
    assert (found.count, found.samples, found.twins) == (3, (150, 160, 170), (10, 20, 20))
    assert (found.conflicting, found.conflicts, found.conflict_twins) == (3, (170,), (20,))


def test_blank_samples_do_not_conflict() -> None:
    x = RNG.normal(size=(100, 6))
    x[50:60] = 0
    found = repeats({"": x}, np.arange(100))
    assert found is not None
    assert (found.count, found.blank, found.conflicting) == (9, 9, 0)


def test_repeats_need_every_input_to_be_equal() -> None:
    a, b = np.zeros((50, 4)), RNG.normal(size=(50, 4))
    found = repeats({"a": a, "b": b}, None)
    assert found is not None
    assert found.count == 0


def test_runs_of_labels() -> None:
    found = labels(np.array([0] * 50 + [1] * 50))
    assert found is not None
    assert (found.longest, found.mean_run) == (50, 50)
    shuffled = labels(np.random.default_rng(1).permutation([0] * 5000 + [1] * 5000))
    assert shuffled is not None
    # the mean of runs of a random order of 10,000 labels lies within 5 % of what is expected
    np.testing.assert_allclose(shuffled.mean_run, found.expected_run, rtol=0.05)


def test_targets_that_are_no_classes() -> None:
    assert class_indices(np.array([0.5, 1.0])) is None
    assert class_indices(np.array([[1.0, 1.0], [0.0, 1.0]])) is None
    decoded = class_indices(np.eye(3)[[2, 0]])
    assert decoded is not None
    assert decoded.tolist() == [2, 0]


def test_large_arrays_are_read_by_every_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trema.core.sketching.READ", 500)
    found = sketch(Split(inputs={"": X}, targets=Y), "train")
    assert found.samples == 300
    assert found.read == 100
    assert not found.whole


def test_passing_batches_are_bounded() -> None:
    passing = Passing(memory=16 * 1000)
    passing.add({"": X[:32]}, Y[:32])
    passing.add({"": X[32:64]}, Y[32:64])
    split = passing.split()
    assert split is not None
    assert split.targets is not None
    np.testing.assert_array_equal(split.inputs[""], X[:50])  # 1,000 bytes of 20 a row
    np.testing.assert_array_equal(split.targets, Y[:50])
    assert passing.full


def test_how_classes_lie_in_the_batches_that_passed() -> None:
    halves = labels(np.tile([1, 1, 0, 0], 5), (4,) * 5)
    assert halves is not None
    assert halves.purity == 0.5
    assert halves.inside == 5 / 9
    in_turn = labels(np.repeat([1, 0, 1, 0], 4), (4,) * 4)
    assert in_turn is not None
    assert (in_turn.purity, in_turn.inside) == (1.0, 0.0)
    unknown = labels(np.repeat([1, 0], 8), (4,))
    assert unknown is not None
    assert unknown.purity is None


class Held:
    """A data set that fails when its samples are asked for."""

    def __init__(self) -> None:
        self.data, self.targets, self.mean = X, Y, X.mean(axis=0)

    def __getitem__(self, index: int) -> None:
        raise AssertionError("the user's code was run")


def test_arrays_beneath_a_data_set() -> None:
    def array(value: object) -> np.ndarray | None:
        return value if isinstance(value, np.ndarray) else None

    found = arrays_beneath(Held(), array, 300)
    assert found is not None
    assert found[0] is X
    assert found[1] is Y
    assert arrays_beneath(Held(), array, 299) is None
    two = Held()
    two.other = X + 1  # type: ignore[attr-defined]  # a second candidate
    assert arrays_beneath(two, array, 300) is not None  # `data` is what inputs are called
    two.first = two.__dict__.pop("data")  # type: ignore[attr-defined]
    assert arrays_beneath(two, array, 300) is None
