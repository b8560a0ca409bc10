"""Anomalies: what stands out, what leaves the scores alone, and the paper's detector."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trema import travel
from trema.core.errors import UsageError
from trema.travel.abnormality import discovery_rate
from trema.travel.clusters import Similarity, _tree, paper_detector
from trema.travel.rarity import discoveries

Movement = tuple[NDArray[np.float32], NDArray[np.float32]]
EPOCHS = 6


def movement(count: int, seed: int, jump: float = 0.0) -> Movement:
    """Samples of three classes that go to their corners; ``jump`` scatters them on the way."""
    draw = np.random.default_rng(seed)
    goal = draw.integers(0, 3, count)
    corners = np.array([[4.0, 0.0], [-2.0, 3.5], [-2.0, -3.5]])
    steps = np.linspace(0.2, 1, EPOCHS)[:, None, None]
    own = draw.normal(size=(1, count, 2)) * 0.3
    places = steps * (corners[goal] + own) + draw.normal(size=(EPOCHS, count, 2)) * (0.05 + jump)
    logits = steps * (3 * np.eye(3)[goal] + draw.normal(size=(1, count, 3)) * 0.3)
    logits = logits + draw.normal(size=logits.shape) * (0.05 + jump)
    return places.astype(np.float32), logits.astype(np.float32)


def f1(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float(2 * (found & true).sum() / (found.sum() + true.sum()))


def test_scattered_movement_is_found_and_ordinary_is_not() -> None:
    made = travel.anomalies(*movement(1000, 0))
    assert made.flags.mean() <= 0.05
    ordinary, scattered = movement(200, 1), movement(200, 2, jump=1.0)
    both = [np.concatenate(pair, axis=1) for pair in zip(ordinary, scattered, strict=True)]
    scored = made.score(both[0], both[1])
    assert f1(scored.flags, np.arange(400) >= 200) > 0.9
    assert set(scored.by_feature) == {
        "location",
        "velocity",
        "acceleration",
        "confidence",
        "logits",
    }


def test_a_higher_threshold_flags_fewer_also_among_many_abnormal_ones() -> None:
    """Half of the samples are wide: the rate of false discoveries follows the threshold."""
    ordinary, wide = movement(100, 1), movement(100, 2, jump=0.12)
    both = [np.concatenate(pair, axis=1) for pair in zip(ordinary, wide, strict=True)]
    flags = [
        travel.anomalies(*movement(1000, 0), threshold=threshold).score(both[0], both[1]).flags
        for threshold in (0.5, 0.9, 0.98, 0.9999)
    ]
    for more, less in pairwise(flags):
        assert not (less & ~more).any()
        assert less.sum() < more.sum()
    assert discovery_rate(0.98) == pytest.approx(0.1)
    assert 0 < discovery_rate(0.9999) <= 0.001
    assert discovery_rate(0.0) < 0.2


def test_flags_below_the_threshold_come_from_the_company() -> None:
    """The same ordinary samples without the wide ones are flagged by the threshold alone."""
    made = travel.anomalies(*movement(1000, 0))
    ordinary, wide = movement(100, 1), movement(100, 2, jump=0.12)
    alone = made.score(ordinary[0], ordinary[1])
    np.testing.assert_array_equal(alone.flags, alone.scores > 0.98)
    both = [np.concatenate(pair, axis=1) for pair in zip(ordinary, wide, strict=True)]
    together = made.score(both[0], both[1])
    assert together.flags[together.scores > 0.98].all()
    assert (together.flags[:100] & ~alone.flags).any()
    assert together.flags[:100].mean() < 0.2  # a tenth of all flags is expected to be false


def test_scores_are_calibrated() -> None:
    made = travel.anomalies(*movement(2000, 3))
    for share in (0.02, 0.1, 0.5):
        above = (made.score(*movement(2000, 4)).scores > 1 - share).mean()
        assert above == pytest.approx(share, abs=0.03)


def test_held_samples_calibrate_instead() -> None:
    wide = movement(400, 5, jump=0.1)
    plain = travel.anomalies(*movement(600, 6)).score(*movement(400, 7, jump=0.1))
    held = travel.anomalies(*movement(600, 6), held=wide).score(*movement(400, 7, jump=0.1))
    assert plain.scores.mean() > 0.8
    assert held.scores.mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("parity", [False, "raw"])
def test_a_group_apart_in_training(parity: Any) -> None:
    places, logits = movement(500, 8)
    lost, said = movement(5, 9, jump=3.0)
    made = travel.anomalies(
        np.concatenate([places, lost], axis=1),
        np.concatenate([logits, said], axis=1),
        parity=parity,
    )
    assert made.flags[500:].all()
    assert made.scores[500:].min() > 0.98


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 1000),
    st.floats(-3.1, 3.1),
    st.floats(-50, 50),
    st.floats(-50, 50),
)
def test_turning_and_shifting_the_canvas_changes_nothing(
    seed: int, angle: float, right: float, up: float
) -> None:
    places, logits = movement(200, seed)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (places @ turn.T + np.array([right, up])).astype(np.float32)
    there, here = travel.anomalies(places, logits), travel.anomalies(moved, logits)
    # Distances of float32 rows agree to a few parts in 10,000; a rank may go to its neighbour.
    np.testing.assert_allclose(there.scores, here.scores, atol=0.02)
    sure = np.abs(there.scores - 0.98) > 0.02
    np.testing.assert_array_equal(there.flags[sure], here.flags[sure])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_permuting_samples_permutes_scores(seed: int) -> None:
    places, logits = movement(150, seed)
    order = np.random.default_rng(seed).permutation(150)
    there = travel.anomalies(places, logits)
    here = travel.anomalies(places[:, order], logits[:, order])
    np.testing.assert_allclose(there.scores[order], here.scores, atol=0.02)
    np.testing.assert_allclose(
        there.by_feature["velocity"][order], here.by_feature["velocity"], atol=0.02
    )


@pytest.mark.parametrize("parity", ["cosine", "raw"])
@pytest.mark.parametrize("seed", range(4))
def test_parity_sees_neither_turns_nor_the_order_of_samples(parity: Any, seed: int) -> None:
    places, logits = movement(200, seed)
    plain = travel.anomalies(places, logits, parity=parity)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    moved = (places @ turn.T + np.array([30.0, -8.0])).astype(np.float32)
    order = np.random.default_rng(seed).permutation(200)
    for other, expected in (
        (travel.anomalies(moved, logits, parity=parity), plain.scores),
        (travel.anomalies(places[:, order], logits[:, order], parity=parity), plain.scores[order]),
    ):
        # Birch decides row by row: rounding of float32 may send a few rows elsewhere.
        assert np.isclose(other.scores, expected, atol=0.01).mean() >= 0.95
    assert len(np.unique(plain.scores)) > 3


@pytest.mark.parametrize("parity", [False, True])
def test_a_copy_scores_like_its_twin(parity: bool) -> None:
    places, logits = movement(120, 10)
    twins = np.concatenate([np.arange(120), [3, 3, 77]])
    made = travel.anomalies(places[:, twins], logits[:, twins], parity=parity)
    np.testing.assert_allclose(made.scores[[120, 121, 122]], made.scores[[3, 3, 77]], atol=1e-3)


def test_scores_do_not_depend_on_the_company() -> None:
    made = travel.anomalies(*movement(300, 11))
    places, logits = movement(50, 12)
    alone = made.score(places[:, :1], logits[:, :1])
    np.testing.assert_allclose(alone.scores, made.score(places, logits).scores[:1], atol=1e-6)


def test_what_is_not_finite_is_excluded_and_told() -> None:
    places, logits = movement(100, 13)
    clean = travel.anomalies(np.delete(places, [4, 9], 1), np.delete(logits, [4, 9], 1))
    places[2, 4, 1] = np.nan
    logits[0, 9, 0] = np.inf
    made = travel.anomalies(places, logits)
    np.testing.assert_array_equal(made.excluded, [4, 9])
    assert np.isnan(made.scores[[4, 9]]).all()
    assert not made.flags[[4, 9]].any()
    np.testing.assert_allclose(np.delete(made.scores, [4, 9]), clean.scores, atol=0.03)


def test_the_papers_clusters() -> None:
    """Two directions of 70 and 30 rows; cosine does not see their lengths."""
    rows = np.concatenate([np.tile([1.0, 0.0], (70, 1)), np.tile([0.0, 5.0], (30, 1))])
    rows = rows.astype(np.float32)
    rows[::2] *= 3
    detector, seen = paper_detector({"velocity": rows}, "cosine")
    np.testing.assert_allclose(seen["velocity"][:70], 0.3, atol=1e-6)
    np.testing.assert_allclose(seen["velocity"][70:], 0.7, atol=1e-6)
    unseen = np.array([[8.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], dtype=np.float32)
    rated = detector.rate({"velocity": unseen})["velocity"]
    np.testing.assert_allclose(rated, [0.3, 0.7, 0.99], atol=1e-6)  # last: a cluster of one


@pytest.mark.parametrize("width", [2, 12, 150])
def test_subclusters_are_bounded_and_never_too_few_for_thirty_clusters(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many columns all distances are alike: a doubled threshold leaps from all rows to one."""
    monkeypatch.setattr("trema.travel.clusters.SUBCLUSTERS", 60)
    rows = np.random.default_rng(0).normal(size=(300, width)).astype(np.float32) * 9
    assert 30 <= len(_tree(rows, lowered=False).subcluster_centers_) <= 60
    detector, seen = paper_detector({"velocity": rows}, "raw")
    assert len(detector.clusters["velocity"].centres) == 30
    assert len(np.unique(seen["velocity"])) > 1


def test_narrow_movements_have_thirty_clusters_by_the_text_and_one_by_the_code() -> None:
    """Confidences point one way: with the library's threshold all are one cluster."""
    rows = np.random.default_rng(0).uniform(0.8, 1, size=(300, 5)).astype(np.float32)
    expected: dict[Similarity, int] = {"cosine": 30, "raw": 1}
    for similarity, count in expected.items():
        detector, _ = paper_detector({"confidence": rows}, similarity)
        assert len(detector.clusters["confidence"].centres) == count
    copies = np.repeat(rows[:4], 10, axis=0) * np.linspace(1, 2, 40, dtype=np.float32)[:, None]
    detector, seen = paper_detector({"confidence": copies}, "cosine")
    assert len(detector.clusters["confidence"].centres) == 4
    np.testing.assert_allclose(seen["confidence"], 0.75)


def test_discoveries_by_hand() -> None:
    """Ten p-values: i/10 × 0.1 is 0.01, 0.02, 0.03 …; seven ordinary ones leave π at 1."""
    p = np.array([0.5, 0.009, 0.6, 0.025, 0.7, 0.8, 0.019, 0.9, 0.95, 0.99])
    np.testing.assert_array_equal(np.flatnonzero(discoveries(p, 0.1)), [1, 3, 6])
    assert not discoveries(np.linspace(0.1, 1, 50), 0.1).any()
    assert discoveries(np.zeros(0), 0.1).shape == (0,)


PLAIN, LOGITS = np.zeros((2, 9, 2)), np.zeros((2, 9, 3))


@pytest.mark.parametrize(
    ("places", "logits", "options", "words"),
    [
        (np.zeros((2, 5, 2)), np.zeros((2, 5, 3)), {}, "at least 8 samples"),
        (np.zeros((2, 5, 2)), np.zeros((2, 6, 3)), {}, "same epochs and samples"),
        (np.zeros((2, 9, 2)), np.zeros((2, 9, 3)), {"threshold": 1.5}, "threshold"),
        (PLAIN, LOGITS, {"threshold": "a"}, "threshold must be a number .* but got 'a'"),
        (PLAIN, LOGITS, {"threshold": None}, "threshold must be a number"),
        (PLAIN, LOGITS, {"parity": "cosin"}, "parity must be .* but got 'cosin'"),
        (PLAIN, LOGITS * np.nan, {}, "at least 8 samples .* but got 0"),
        (PLAIN * np.nan, LOGITS, {}, "at least 8 samples .* but got 0"),
        (PLAIN, LOGITS[..., :0], {}, r"but got \(2, 9, 2\) and 2 × \(9, 0\)"),
        (PLAIN, None, {}, "expected logits as numbers .* but got NoneType"),
        (PLAIN, [[[1, 2], [3]]], {}, "expected logits as numbers .* but got list"),
        ("a", LOGITS, {}, "expected positions as numbers but got str"),
        (PLAIN, LOGITS, {"held": PLAIN}, r"held as a pair \(positions, logits\).*ndarray"),
        (PLAIN, LOGITS, {"held": 5}, "held as a pair .* but got int"),
        (PLAIN, LOGITS, {"held": (PLAIN[:, :0], LOGITS[:, :0])}, "8 held samples .* got 0"),
        (PLAIN, LOGITS, {"held": (PLAIN[:1], LOGITS[:1])}, "of 2 epochs and 3 outputs but got 1"),
    ],
)
def test_bad_input_is_one_sentence(
    places: Any, logits: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        travel.anomalies(places, logits, **options)


@pytest.mark.parametrize("parity", [False, True])
def test_scores_of_no_finite_sample_are_empty_or_nan(parity: bool) -> None:
    made = travel.anomalies(*movement(50, 14), parity=parity)
    places, logits = movement(3, 15)
    none = made.score(places[:, :0], logits[:, :0])
    assert none.scores.shape == none.flags.shape == none.excluded.shape == (0,)
    lost = made.score(places, logits * np.nan)
    assert np.isnan(lost.scores).all()
    assert not lost.flags.any()
    np.testing.assert_array_equal(lost.excluded, [0, 1, 2])
    assert set(none.by_feature) == set(lost.by_feature) == set(made.by_feature)
    assert lost.by_feature["location"].shape == (3,)


def test_unseen_samples_of_other_epochs_are_refused() -> None:
    made = travel.anomalies(*movement(50, 14))
    places, logits = movement(5, 15)
    with pytest.raises(UsageError, match="6 epochs"):
        made.score(places[:4], logits[:4])


def test_samples_that_are_all_equal() -> None:
    made = travel.anomalies(np.ones((3, 40, 2)), np.ones((3, 40, 3)))
    assert not made.flags.any()


def test_order_beyond_what_held_samples_tell() -> None:
    made = travel.anomalies(*movement(300, 16))
    places, logits = movement(3, 17)
    far = places + np.array([[[10.0, 0.0]], [[40.0, 0.0]], [[90.0, 0.0]]]).reshape(1, 3, 2)
    scores = made.score(far, logits).scores
    assert 0.98 < scores[0] < scores[1] < scores[2] < 1.0
