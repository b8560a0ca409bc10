"""Batches of token ids have the length of their longest row."""

from __future__ import annotations

import numpy as np

from trema.core.passing import Passing


def test_rows_of_whole_numbers_are_filled_up_behind() -> None:
    passing = Passing()
    passing.add({"": np.array([[3, 4, 5]])}, np.array([1]))
    passing.add({"": np.array([[6, 7], [8, 9]])}, np.array([0, 1]))
    split = passing.split()
    assert split is not None
    assert split.targets is not None
    assert split.inputs[""].tolist() == [[3, 4, 5], [6, 7, 0], [8, 9, 0]]
    assert split.targets.tolist() == [1, 0, 1]


def test_other_sequences_keep_the_length_of_the_first() -> None:
    passing = Passing()
    passing.add({"": np.ones((1, 3))}, None)
    passing.add({"": np.ones((1, 2))}, None)
    split = passing.split()
    assert split is not None
    assert split.inputs[""].shape == (1, 3)
