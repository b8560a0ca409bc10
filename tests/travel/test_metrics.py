"""Measures against brute force and hand-made arrays with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trema import travel
from trema.core.errors import UsageError
from trema.travel import metrics
from trema.travel.boundary import border_points
from trema.travel.heads import LinearHeads
from trema.travel.measure import qualities
from trema.travel.nearest import nearest, overlap

RNG = np.random.default_rng(3)
LABELS = np.arange(120) % 3
CENTRES = RNG.normal(size=(3, 6))
FRAMES = np.stack(
    [RNG.normal(size=(120, 6)) * 0.4 + epoch * CENTRES[LABELS] for epoch in range(8)]
).astype(np.float32)
HEADS = (np.stack([CENTRES * (epoch + 1) for epoch in range(8)]), np.zeros((8, 3)))


def brute(queries: NDArray[Any], rows: NDArray[Any], k: int, own: bool) -> NDArray[np.int64]:
    """Nearest rows by all distances in double precision."""
    apart = np.linalg.norm(queries[:, None].astype(float) - rows[None], axis=2)
    if own:
        np.fill_diagonal(apart, np.inf)
    return np.asarray(np.argsort(apart, axis=1, kind="stable")[:, :k])


@pytest.mark.parametrize("width", [1, 2, 3, 4, 40])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_nearest_is_exact(width: int, offset: float) -> None:
    rows = (RNG.normal(size=(300, width)) + offset).astype(np.float32)
    for asked, own in ((rows, True), (rows[:9] + np.float32(0.1), False)):
        itself = np.arange(300) if own else None
        found, known = nearest(asked, rows, 7, itself=itself), brute(asked, rows, 7, own)
        # by distance: at an offset, single precision makes equals of which either may come first
        far, near = (np.linalg.norm(rows[i] - asked[:, None], axis=2) for i in (found, known))
        np.testing.assert_allclose(far, near, rtol=1e-6)


@pytest.mark.parametrize("width", [2, 9])
def test_a_sample_is_not_its_own_neighbour_among_twins(width: int) -> None:
    rows = np.zeros((6, width), dtype=np.float32)
    found = nearest(rows, rows, 3, itself=np.arange(6))
    assert found.shape == (6, 3)
    assert not (found == np.arange(6)[:, None]).any()


def test_overlap_counts() -> None:
    assert overlap(np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 1, 9], [0, 0, 0]])).tolist() == [
        2,
        0,
    ]


def test_neighbour_preservation_is_that_of_brute_force() -> None:
    high, low = RNG.normal(size=(80, 9)), RNG.normal(size=(80, 2))
    high, low = high.astype(np.float32), low.astype(np.float32)
    first, second = brute(high, high, 10, True), brute(low, low, 10, True)
    expected = np.mean([len(set(a) & set(b)) for a, b in zip(first, second, strict=True)])
    assert metrics.neighbour_preservation(high, low, 10) == pytest.approx(expected)
    assert metrics.neighbour_preservation(low, low * 3 + 1, 10) == 10
    some = metrics.neighbour_preservation(high, low, 10, queries=[4, 7])
    assert some == np.mean([len(set(first[i]) & set(second[i])) for i in (4, 7)])


def test_unseen_samples_are_asked_among_the_seen() -> None:
    line = np.arange(10, dtype=np.float32)[:, None]
    low = np.concatenate([line, line * 0], axis=1)
    asked = np.array([[2.2]])
    assert metrics.neighbour_preservation(line, low, 3, unseen=(asked, [[2.2, 0.0]])) == 3
    assert metrics.neighbour_preservation(line, low, 3, unseen=(asked, [[8.0, 0.0]])) == 0


def test_boundary_preservation() -> None:
    border = np.array([[0.0, 0], [1, 0], [5, 0], [9, 0]])
    rows = np.array([[0.1, 0], [8.0, 0]])
    assert metrics.boundary_preservation(rows, rows, border, border, 2) == 2
    # the second point's nearest are {9, 5}, on the mirrored canvas {0, 1}
    assert metrics.boundary_preservation(rows, [[0.1, 0], [1.0, 0]], border, border, 2) == 1


def test_prediction_and_confidence() -> None:
    before = np.log([[0.9, 0.1], [0.2, 0.8]])
    after = np.log([[0.6, 0.4], [0.7, 0.3]])
    assert metrics.prediction_preservation(before, after) == 0.5
    assert metrics.confidence_difference(before, after) == pytest.approx((0.3 + 0.5) / 2)
    assert metrics.confidence_difference([[0.0]], [[np.log(3)]], "sigmoid") == pytest.approx(0.25)
    one, two = [[5.0, -5.0]], [[5.0, 5.0]]
    assert metrics.prediction_preservation(one, two, "multilabel") == 0
    assert metrics.confidence_difference(one, one, "multilabel") == 0


def test_temporal_measures_of_a_known_walk() -> None:
    # a sample walks along a line; the canvas shows the first faithfully, the second shuffled
    walk = np.cumsum(np.arange(1, 9))[:, None, None] * np.ones((8, 2, 1))
    low = np.concatenate([walk, walk * 0], axis=2)
    low[:, 1] = low[[3, 0, 5, 1, 7, 2, 6, 4], 1]
    far, near = metrics.temporal_distances(walk), metrics.temporal_distances(low)
    assert far.shape == (2, 8, 8)
    assert far[0, 0, 7] == 35
    np.testing.assert_allclose(metrics.temporal_ranking(far[:1], near[:1]), 1.0)
    np.testing.assert_allclose(metrics.temporal_neighbour_preservation(far[:1], near[:1], 3), 3.0)
    assert (metrics.temporal_ranking(far[1:], near[1:]) < 0.9).all()
    assert metrics.temporal_neighbour_preservation(far[1:], near[1:], 3).mean() < 3


def test_ranks_are_those_of_scipy() -> None:
    from scipy.stats import spearmanr

    high, low = RNG.normal(size=(7, 4, 5)), RNG.normal(size=(7, 4, 2))
    far, near = metrics.temporal_distances(high), metrics.temporal_distances(low)
    expected = np.mean(
        [spearmanr(np.delete(far[i, 2], 2), np.delete(near[i, 2], 2))[0] for i in range(4)]
    )
    assert metrics.temporal_ranking(far, near)[2] == pytest.approx(expected)
    speed = spearmanr(far[:, 3, 2], near[:, 3, 2])[0]
    assert metrics.speed_correlation(far, near)[3] == pytest.approx(speed)


def test_motion_continuity_of_known_ways() -> None:
    t = np.arange(5.0)
    even = np.stack([t, t * 2], axis=1)
    to_and_fro = np.stack([t % 2, t * 0], axis=1)
    still = np.zeros((5, 2))
    frames = np.stack([even, to_and_fro, still], axis=1)
    apart = metrics.temporal_distances(frames)
    assert np.isnan(metrics.motion_continuity(apart)[[0, 4]]).all()
    np.testing.assert_allclose(metrics.motion_continuity(apart[:1])[1:4], 1.0, atol=1e-3)
    np.testing.assert_allclose(metrics.motion_continuity(apart[1:2])[1:4], 0.0, atol=1e-6)
    np.testing.assert_allclose(metrics.motion_continuity(apart)[1:4], 0.5, atol=1e-3)


def test_frozen_canvas_has_no_ranking() -> None:
    far = metrics.temporal_distances(RNG.normal(size=(6, 3, 4)))
    np.testing.assert_array_equal(metrics.temporal_ranking(far, far * 0), 0.0)
    assert np.isnan(metrics.temporal_ranking(far * 0, far)).all()
    assert np.isnan(metrics.temporal_neighbour_preservation(far, far)).all()  # 5 of 5 say nothing


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(0, 6.3))
def test_turning_and_scaling_the_canvas_changes_nothing(
    seed: int, scale: float, angle: float
) -> None:
    draw = np.random.default_rng(seed)
    high, low = draw.normal(size=(60, 5)), draw.normal(size=(60, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = low @ turn * scale + 3
    same = metrics.neighbour_preservation(high, low, 5)
    assert metrics.neighbour_preservation(high, moved, 5) == pytest.approx(same, abs=0.05)


def test_border_points_lie_where_predictions_change() -> None:
    heads = LinearHeads(
        np.asarray(HEADS[0], dtype=np.float32), np.asarray(HEADS[1], dtype=np.float32), "softmax"
    )
    points = border_points(FRAMES[7], heads, 7, 60, np.random.default_rng(0))
    assert points.shape == (60, 6)
    top = np.sort(heads.logits(points, 7), axis=1)
    assert ((top[:, -1] - top[:, -2]) / (top[:, -1] - top[:, 0]) < 0.1).all()
    pairs = {tuple(sorted(pair)) for pair in np.argsort(heads.logits(points, 7))[:, -2:].tolist()}
    assert len(pairs) == 3
    again = border_points(FRAMES[7], heads, 7, 60, np.random.default_rng(0))
    np.testing.assert_array_equal(points, again)


def test_one_prediction_has_no_border() -> None:
    heads = LinearHeads(np.zeros((1, 3, 6), np.float32), np.eye(3, dtype=np.float32)[:1], "softmax")
    assert border_points(FRAMES[0], heads, 0, 60, np.random.default_rng(0)).shape == (0, 6)


def test_borders_of_other_heads() -> None:
    weights = RNG.normal(size=(1, 3, 6)).astype(np.float32)
    for outputs, kind in ((1, "sigmoid"), (3, "multilabel")):
        heads = LinearHeads(weights[:, :outputs], np.zeros((1, outputs), np.float32), kind)  # type: ignore[arg-type]  # a literal
        points = border_points(FRAMES[3], heads, 0, 40, np.random.default_rng(0))
        assert len(points) > 10
        assert (np.abs(heads.logits(points, 0)).min(axis=1) < 0.3).all()


def test_quality_of_a_movie(tmp_path: Path) -> None:
    movie = travel.build(FRAMES, LABELS, HEADS, method="pca")
    found = travel.quality(movie, k=10, folder=tmp_path)
    for epoch in (0, 7):
        same = metrics.neighbour_preservation(FRAMES[epoch], movie.positions[epoch], 10)
        assert found.by_epoch["neighbours"][epoch] == pytest.approx(same)
        weights = HEADS[0][epoch]
        back = movie.invert(movie.positions[epoch], epoch)
        kept = metrics.prediction_preservation(FRAMES[epoch] @ weights.T, back @ weights.T)
        assert found.by_epoch["prediction"][epoch] == pytest.approx(kept)
    far, near = (metrics.temporal_distances(part) for part in (FRAMES, movie.positions))
    np.testing.assert_allclose(
        found.by_epoch["temporal_ranking"], metrics.temporal_ranking(far, near), atol=1e-6
    )
    again = travel.quality(movie, k=10, folder=tmp_path)
    for name, values in found.by_epoch.items():
        np.testing.assert_array_equal(values, again.by_epoch[name])
    assert "neighbours kept" in str(found)
    assert found.stages()["neighbours"]["late"] == found.by_epoch["neighbours"][-1]
    assert found.to_dict()["by_epoch"]["motion_continuity"][0] is None


@pytest.mark.parametrize(
    ("epochs", "heads", "last"),
    [
        (8, HEADS, "early, middle, late: the first, middle and last epoch that has the measure"),
        (6, (HEADS[0][:6], HEADS[1][:6]), "–: neighbouring epochs need 7 epochs"),
        (
            8,
            None,
            "–: borders need heads and at least k border points; predictions and confidence "
            "need heads",
        ),
        (
            1,
            (HEADS[0][:1], HEADS[1][:1]),
            "–: neighbouring epochs need 7 epochs; the ranking of epochs and motion need 3 that "
            "differ; speed needs 2 epochs that differ",
        ),
    ],
)
def test_the_table_says_what_stands_for_no_number(epochs: int, heads: Any, last: str) -> None:
    lines = str(travel.quality(travel.build(FRAMES[:epochs], LABELS, heads, "pca"), 5)).split("\n")
    assert lines[-1] == last
    assert ("–" in "".join(lines[:-1])) == (not last.startswith("early"))


def test_kept_borders_are_of_their_heads(tmp_path: Path) -> None:
    other = (HEADS[0][:, ::-1] + RNG.normal(size=(8, 3, 6)), HEADS[1])
    for heads in (HEADS, other):
        movie = travel.build(FRAMES, LABELS, heads, method="pca")
        kept, anew = travel.quality(movie, 5, folder=tmp_path), travel.quality(movie, 5)
        np.testing.assert_array_equal(kept.by_epoch["boundary"], anew.by_epoch["boundary"])


def test_several_k_measured_at_once_are_those_measured_apart() -> None:
    draw = np.random.default_rng(5)
    rows = draw.normal(size=(3, 90, 5)).cumsum(axis=0).astype(np.float32)
    heads = (draw.normal(size=(3, 3, 5)).astype(np.float32), np.zeros((3, 3), np.float32))
    movie = travel.build(rows, heads=heads, method="pca")
    for unseen in (None, rows[:, :40] + 0.1):
        together = qualities(movie, (4, 10), unseen=unseen)
        assert list(together) == [4, 10]
        for k, found in together.items():
            alone = travel.quality(movie, k, unseen=unseen)
            assert (found.k, found.unseen, found.queries) == (k, alone.unseen, alone.queries)
            for name, values in alone.by_epoch.items():  # ties may fall otherwise
                np.testing.assert_allclose(found.by_epoch[name], values, atol=0.03)
        assert together[4].mean()["neighbours"] < together[10].mean()["neighbours"]


def test_quality_of_unseen_samples() -> None:
    movie = travel.build(FRAMES, LABELS, HEADS, method="pca")
    shifted = FRAMES[:, :50] + 0.01
    unseen = travel.quality(movie, k=5, unseen=shifted)
    assert unseen.unseen
    assert unseen.queries == 50
    expected = metrics.neighbour_preservation(
        FRAMES[2], movie.positions[2], 5, unseen=(shifted[2], movie.project(shifted[2], 2))
    )
    assert unseen.by_epoch["neighbours"][2] == pytest.approx(expected)


def test_quality_leaves_out_what_is_not_finite() -> None:
    broken = FRAMES.copy()
    broken[3, 5] = np.nan
    movie = travel.build(broken, LABELS, method="pca")
    found = travel.quality(movie, k=5)
    assert found.queries == 119
    assert np.isnan(found.by_epoch["prediction"]).all()  # no heads
    assert np.isfinite(found.by_epoch["neighbours"]).all()


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    movie = travel.build(FRAMES, LABELS, HEADS, method="pca")
    with pytest.raises(UsageError, match="k must be"):
        travel.quality(movie, k=120)
    for asked, words in (
        ({"k": "3"}, "k must be a whole number but got '3'"),
        ({"k": 2.5}, "k must be a whole number but got 2.5"),
        ({"queries": "all"}, "queries must be a whole number but got 'all'"),
        ({"queries": 0}, "queries must be at least 1 but got 0"),
        ({"seed": -1}, "seed must be"),
    ):
        with pytest.raises(UsageError, match=words):
            travel.quality(movie, **asked)
    with pytest.raises(UsageError, match="expected unseen samples"):
        travel.quality(movie, unseen=FRAMES[:2])
    movie.save(tmp_path / "movie")
    with pytest.raises(UsageError, match="without its representations"):
        travel.quality(travel.load(tmp_path / "movie"))
    with pytest.raises(UsageError, match="same samples"):
        metrics.neighbour_preservation(FRAMES[0], FRAMES[0][:4])
