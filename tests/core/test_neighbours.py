"""What neighbours have in common, columns with far numbers, and targets that come late."""

from __future__ import annotations

import numpy as np
import pytest

from trema.core.datasets import DataSketch, Neighbours
from trema.core.neighbours import neighbours
from trema.core.passing import Passing
from trema.core.sketching import Split, class_indices, sketch


def _seen(x: np.ndarray, y: np.ndarray) -> Neighbours | None:
    return neighbours({"": x}, y, class_indices(y))


def _groups(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, rows)
    return rng.normal(size=(4, 8))[y] * 2 + rng.normal(size=(rows, 8)), y


def test_labels_that_belong_to_their_inputs_agree() -> None:
    x, y = _groups(900)
    found = _seen(x, y)
    assert found is not None
    assert found.sizes == (800, 400, 200, 100)
    assert min(found.agreement) > 0.6
    assert found.means > 20
    shuffled = _seen(x, np.random.default_rng(1).permutation(y))
    assert shuffled is not None
    assert abs(shuffled.agreement[0] - shuffled.chance[0]) < 0.06
    assert shuffled.means < 5
    assert shuffled.distance == found.distance


def test_order_and_periods_of_the_data_do_not_matter() -> None:
    x, y = _groups(1000)
    order = np.argsort(y, kind="stable")
    found = _seen(x[order], y[order])
    assert found is not None
    assert found.classes == (0, 1, 2, 3)
    assert found.agreement[-1] > 0.6
    cycle = np.arange(8000) % 10
    many = np.random.default_rng(0).normal(size=(8000, 5)) + cycle[:, None]
    periodic = _seen(many, cycle)
    assert periodic is not None
    assert len(periodic.classes) == 10


def test_numbers_are_correlated() -> None:
    x = np.random.default_rng(0).normal(size=(500, 3))
    found = _seen(x, x.sum(axis=1, keepdims=True) + 0.1)
    assert found is not None
    assert found.classes == ()
    assert found.agreement[0] > 0.7


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((300, 4)), np.arange(300) % 3),
        (np.full((300, 4), np.nan), np.arange(300) % 3),
        (np.random.default_rng(0).normal(size=(50, 4)), np.arange(50) % 3),
        (np.random.default_rng(0).normal(size=(300, 4)), np.zeros(300, dtype=np.int64)),
        (np.random.default_rng(0).normal(size=(300, 4)), np.zeros((300, 4))),
    ],
    ids=["all equal", "all missing", "too few", "one class", "many targets"],
)
def test_nothing_is_said_where_nothing_can_be(x: np.ndarray, y: np.ndarray) -> None:
    assert _seen(x, y) is None


def test_the_program_s_random_numbers_are_left_alone() -> None:
    np.random.seed(3)
    expected = np.random.random(3)
    np.random.seed(3)
    _seen(*_groups(300))
    assert (np.random.random(3) == expected).all()


def test_a_sketch_keeps_it_through_the_journal() -> None:
    x, y = _groups(400)
    x[:8, 3] = 5000 + np.arange(8) * 100
    made = sketch(Split(inputs={"": x}, targets=y), "train")
    read = DataSketch.from_dict(made.as_dict())
    assert read.neighbours == made.neighbours is not None
    far = read.inputs[""].faraway
    assert [one.column for one in far] == [3]
    assert far[0].rows == tuple(range(8))


def test_targets_of_a_batch_may_come_after_it() -> None:
    passing = Passing()
    x = np.arange(12.0).reshape(6, 2)
    passing.add({"": x}, None)
    passing.label(np.arange(6))
    passing.add({"": x + 1}, None)
    passing.label(np.arange(4))  # not those of this batch
    passing.label(np.arange(6))
    split = passing.split()
    assert split is not None
    assert split.targets is None
    passing = Passing()
    passing.add({"": x}, None)
    passing.label(np.arange(6))
    split = passing.split()
    assert split is not None
    assert split.targets is not None
    assert split.targets.tolist() == [*range(6)]
