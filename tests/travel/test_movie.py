"""The movie with the plainest of its methods: shapes, the way there and back, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trema import travel
from trema.core.errors import NotFound, UsageError

RNG = np.random.default_rng(0)
#: Three classes that move apart, in eight dimensions, over four epochs.
LABELS = np.arange(90) % 3
CENTRES = RNG.normal(size=(3, 8))
FRAMES = np.stack(
    [RNG.normal(size=(90, 8)) * 0.3 + epoch * CENTRES[LABELS] for epoch in range(4)]
).astype(np.float32)
HEADS = (np.stack([CENTRES * epoch for epoch in range(4)]), np.zeros((4, 3)))


def movie(**options: Any) -> travel.Movie:
    given = {"labels": LABELS, "heads": HEADS, "method": "pca", **options}
    return travel.build(FRAMES, **given)


def test_positions_and_projection_agree() -> None:
    made = movie()
    assert made.positions.shape == (4, 90, 2)
    assert made.positions.dtype == np.float32
    for epoch in range(4):
        there = made.project(FRAMES[epoch], epoch)
        np.testing.assert_allclose(there, made.positions[epoch], atol=1e-4)
    assert made.invert(made.positions[3], 3).shape == (90, 8)


def test_way_back_is_nearest_point_of_the_plane() -> None:
    made = movie()
    back = made.invert(made.positions[2], 2)
    np.testing.assert_allclose(made.project(back, 2), made.positions[2], atol=1e-4)


def test_landscape_says_what_the_head_says() -> None:
    made = movie()
    picture = made.landscape(3, size=32)
    assert picture.classes.shape == picture.confidence.shape == (32, 32)
    assert picture.classes.dtype == np.uint8
    assert picture.confidence.dtype == np.float32
    left, right, bottom, top = picture.extent
    spots = made.positions[3]
    column = ((spots[:, 0] - left) / (right - left) * 32).astype(int)
    row = ((spots[:, 1] - bottom) / (top - bottom) * 32).astype(int)
    assert (picture.classes[row, column] == LABELS).mean() > 0.9
    assert made.boundaries(3, size=32).any()
    assert made.landscape(3, size=32) is picture
    assert made.landscape(0, size=32).extent == picture.extent


def test_heads_may_be_a_function() -> None:
    weights, biases = HEADS

    def heads(x: NDArray[Any], epoch: int) -> NDArray[Any]:
        return np.asarray(x @ weights[epoch].T + biases[epoch])

    np.testing.assert_array_equal(
        movie(heads=heads).landscape(2, 16).classes, movie().landscape(2, 16).classes
    )


def test_one_logit_is_two_classes() -> None:
    one = movie(heads=(np.ones((4, 1, 8)), np.zeros((4, 1))))
    assert set(np.unique(one.landscape(3, 16).classes)) <= {0, 1}


def test_what_is_not_finite_is_told_and_left_out() -> None:
    broken = FRAMES.copy()
    broken[1, 7, 3] = np.nan
    made = travel.build(broken, method="pca")
    assert [(bad.epoch, bad.sample) for bad in made.excluded] == [(1, 7)]
    assert np.isnan(made.positions[1, 7]).all()
    assert np.isfinite(np.delete(made.positions, 7, axis=1)).all()


def test_one_more_epoch_leaves_the_others(tmp_path: Path) -> None:
    made = movie()
    longer = made.extended(FRAMES[3] * 1.5, (CENTRES, np.zeros(3)))
    assert longer.positions.shape == (5, 90, 2)
    np.testing.assert_array_equal(longer.positions[:4], made.positions)
    assert longer.epochs == [0, 1, 2, 3, 4]


def test_saved_and_loaded(tmp_path: Path) -> None:
    made = movie()
    made.save(tmp_path / "movie")
    again = travel.load(tmp_path / "movie", FRAMES, HEADS)
    np.testing.assert_array_equal(again.positions, made.positions)
    np.testing.assert_array_equal(again.project(FRAMES[1], 1), made.project(FRAMES[1], 1))
    with pytest.raises(NotFound, match="no movie"):
        travel.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("frames", "options", "words"),
    [
        (FRAMES[0], {}, "shape .epoch, sample, D."),
        ([FRAMES[0], FRAMES[0][:5]], {}, "same samples"),
        (FRAMES, {"heads": (np.ones((4, 3, 7)), np.ones((4, 3)))}, r"\(4, class, 8\)"),
        (FRAMES, {"heads": 3}, "heads must be"),
        (FRAMES, {"method": "tsne"}, "expected a method"),
        (FRAMES, {"labels": [1, 2]}, "expected 90 labels"),
        (np.full((2, 5, 3), np.nan), {}, "no representation is finite"),
    ],
)
def test_bad_input_is_one_sentence(frames: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        travel.build(frames, **{"method": "pca", **options})
