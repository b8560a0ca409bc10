"""Features of samples against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trema import travel
from trema.core.errors import UsageError
from trema.travel.content import content_keys

#: Three epochs, three samples, two classes; the logits of class 0 and 1.
LOGITS = np.array(
    [
        [[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]],
        [[0.0, 1.0], [0.0, 3.0], [4.0, 0.0]],
        [[5.0, 1.0], [0.0, 2.0], [6.0, 0.0]],
    ]
)
LABELS = np.array([0, 1, 1])
PLACES = np.array(
    [
        [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]],
        [[3.0, 4.0], [1.0, 1.0], [1.0, 0.0]],
        [[3.0, 4.0], [1.0, 2.0], [3.0, 0.0]],
    ]
)


def cross_entropy(logits: NDArray[Any], label: int) -> float:
    return float(np.log(np.exp(logits).sum()) - logits[label])


def test_known_answers() -> None:
    found = travel.features(PLACES, LOGITS, LABELS).scalars
    np.testing.assert_allclose(found["margin_last"], [4, 2, -6])
    np.testing.assert_allclose(found["margin_mean"], [5 / 3, 2, -13 / 3], rtol=1e-6)
    np.testing.assert_allclose(found["gap_last"], [4, 2, 6])
    np.testing.assert_allclose(found["forgetting"], [1, 0, 0])
    np.testing.assert_allclose(found["learned"], [0, 0, 3])  # 3: at none of the three epochs
    np.testing.assert_allclose(found["wrong"], [1 / 3, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(found["flips"], [2, 0, 0])
    np.testing.assert_allclose(found["unsettled"], [1 / 3, 0, 0], rtol=1e-6)
    losses = [[cross_entropy(LOGITS[e, n], LABELS[n]) for n in range(3)] for e in range(3)]
    np.testing.assert_allclose(found["loss_last"], losses[2], rtol=1e-5)
    np.testing.assert_allclose(found["loss_mean"], np.mean(losses, axis=0), rtol=1e-5)
    np.testing.assert_allclose(found["loss_variance"], np.var(losses, axis=0), rtol=1e-4)
    np.testing.assert_allclose(found["belief_mean"], np.exp(-np.array(losses)).mean(0), rtol=1e-5)


def test_series_by_epoch() -> None:
    """Rows without a label have none, rows that are not finite at an epoch none of that epoch."""
    found = travel.features(PLACES, LOGITS, LABELS)
    np.testing.assert_allclose(found.series["margin"], [[2, 1, -3], [-1, 3, -4], [4, 2, -6]])
    losses = [[cross_entropy(LOGITS[e, n], LABELS[n]) for n in range(3)] for e in range(3)]
    np.testing.assert_allclose(found.series["loss"], losses, rtol=1e-5)
    assert {values.dtype for values in found.series.values()} == {np.dtype(np.float32)}
    logits = LOGITS.copy()
    logits[1, 2] = np.nan
    some = travel.features(PLACES, logits, [0, -1, 1]).series
    for values in some.values():
        expected = [[False, True, False], [False, True, True], [False, True, False]]
        np.testing.assert_array_equal(np.isnan(values), expected)
    assert travel.features(PLACES, LOGITS).series == {}


def test_disagreement_of_neighbours_by_epoch() -> None:
    """A sample that moves from the others of its label to those of another one."""
    draw = np.random.default_rng(0)
    centres = np.eye(8)[:2] * 10
    labels = np.repeat([0, 1], 40)
    place = np.stack([labels] * 6)
    place[3:, 7] = 1
    frames = centres[place] + draw.normal(size=(6, 80, 8))
    logits = frames[..., :2]
    found = travel.features(frames[..., :2], logits, labels, frames, neighbours_by_epoch=True)
    np.testing.assert_array_equal(found.series["other_label"][:, 7], [0, 0, 0, 1, 1, 1])
    assert np.delete(found.series["other_label"], 7, axis=1).max() <= 0.2
    plain = travel.features(frames[..., :2], logits, labels, frames)
    assert "other_label" not in plain.series
    for name, values in plain.scalars.items():
        np.testing.assert_array_equal(values, found.scalars[name], err_msg=name)


def test_movement() -> None:
    found = travel.features(PLACES, LOGITS)
    np.testing.assert_allclose(found.scalars["path"], [5, 1, 3])
    np.testing.assert_allclose(found.scalars["speed_last"], [0, 1, 2])
    np.testing.assert_allclose(found.scalars["jolt"], [5, 1, 1])
    np.testing.assert_allclose(found.location[2], [0, 0, 1, 0, 3, 0])
    np.testing.assert_allclose(found.velocity[2], [1, 0, 2, 0])
    np.testing.assert_allclose(found.acceleration[2], [1, 0])
    assert found.confidence.shape == (3, 3)


def test_what_needs_labels_is_absent_without_them() -> None:
    bare = travel.features(PLACES, LOGITS).scalars
    assert not {"margin_mean", "loss_mean", "learned", "other_label"} & set(bare)
    assert {"confidence_last", "flips", "path"} <= set(bare)
    some = travel.features(PLACES, LOGITS, [0, -1, np.nan]).scalars
    np.testing.assert_array_equal(np.isnan(some["margin_mean"]), [False, True, True])
    assert np.isfinite(some["confidence_last"]).all()
    assert "margin_mean" not in travel.features(PLACES, LOGITS, [-1, -1, -1]).scalars


def test_what_losses_leave_out_is_no_label() -> None:
    """−100 is the index that PyTorch's cross-entropy ignores."""
    some = travel.features(PLACES, LOGITS, [0, -100, 1])
    assert some.labels is not None
    np.testing.assert_array_equal(some.labels, [0, -1, 1])
    np.testing.assert_array_equal(np.isnan(some.scalars["margin_mean"]), [False, True, False])


def test_minus_one_that_may_be_a_class_is_told() -> None:
    logits = np.array([[2.0, -1.0, 1.0], [1.0, 3.0, 2.0]])
    with pytest.warns(UserWarning, match="−1 counts as no label; give 0"):
        found = travel.features(PLACES[:2], logits, [1, -1, 1])
    assert np.isnan(found.scalars["margin_last"][1])
    travel.features(PLACES[:2], logits, [1, -1, 0])  # a pool beside two classes: nothing to tell


def test_one_logit_is_two_classes() -> None:
    logits = np.array([[2.0, -1.0], [1.0, 3.0]])  # (epoch, sample)
    found = travel.features(PLACES[:2, :2], logits, [1, 0])
    np.testing.assert_allclose(found.scalars["margin_last"], [1, -3])
    np.testing.assert_allclose(found.scalars["loss_last"], np.log1p(np.exp([-1.0, 3.0])), rtol=1e-6)
    np.testing.assert_allclose(found.scalars["learned"], [0, 0])
    np.testing.assert_allclose(found.scalars["forgetting"], [0, 1])
    p = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(found.confidence[1, 0], 2 * abs(p - 0.5), rtol=1e-5)


def test_several_labels() -> None:
    logits = np.array([[[2.0, -1.0, 4.0], [1.0, 1.0, -2.0]]])
    labels = np.array([[1, 0, 1], [1, 0, 0]])
    found = travel.features(PLACES[:1, :2], logits, labels)
    assert found.kind == "multilabel"
    np.testing.assert_allclose(found.scalars["margin_last"], [1, -1])
    np.testing.assert_allclose(found.scalars["wrong"], [0, 1])
    np.testing.assert_allclose(
        found.scalars["loss_last"][0], np.log1p(np.exp([-2.0, -1.0, -4.0])).mean(), rtol=1e-5
    )


def test_a_wrong_label_among_its_neighbours() -> None:
    draw = np.random.default_rng(0)
    centres = np.eye(8)[:2] * 10
    labels = np.repeat([0, 1], 40)
    frames = np.stack([centres[labels] + draw.normal(size=(80, 8)) for _ in range(3)])
    told = labels.copy()
    told[7] = 1
    logits = np.stack([frame[:, :2] for frame in frames])
    found = travel.features(frames[..., :2], logits, told, frames)
    assert found.scalars["other_label"][7] == 1.0
    assert np.delete(found.scalars["other_label"], 7).max() <= 0.2
    assert found.scalars["other_prediction"].max() <= 0.2
    assert found.common is not None
    assert found.common[7] == 0


def test_copies_do_not_vote_for_each_other() -> None:
    draw = np.random.default_rng(1)
    frames = draw.normal(size=(2, 60, 4))
    labels = np.zeros(60, dtype=int)
    frames[:, 40:] = frames[:, :1]  # twenty copies of one sample, all labelled 1
    labels[40:] = 1
    labels[0] = 1
    found = travel.features(frames[..., :2], frames, labels, frames)
    assert found.scalars["other_label"][0] == 1.0


def test_what_is_not_finite_is_told() -> None:
    logits, places = LOGITS.copy(), PLACES.copy()
    logits[1, 0, 0] = np.inf
    places[2, 1] = np.nan
    found = travel.features(places, logits, LABELS)
    np.testing.assert_array_equal(found.usable, [False, False, True])
    np.testing.assert_allclose(found.scalars["margin_mean"][2], -13 / 3, rtol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(2)
    places, logits = draw.normal(size=(4, 50, 2)), draw.normal(size=(4, 50, 3))
    labels = draw.integers(0, 3, 50)
    labels[::7] = -1
    whole = travel.features(places, logits, labels)
    monkeypatch.setattr("trema.travel.learning._VALUES", 21)
    parts = travel.features(places, logits, labels)
    for name, values in whole.scalars.items():
        np.testing.assert_array_equal(values, parts.scalars[name], err_msg=name)
    for name, values in whole.series.items():
        np.testing.assert_array_equal(values, parts.series[name], err_msg=name)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_permuting_samples_permutes_features(seed: int) -> None:
    draw = np.random.default_rng(seed)
    frames = draw.normal(size=(3, 40, 6)).astype(np.float32)
    labels = draw.integers(0, 3, 40)
    order = draw.permutation(40)
    logits = frames[..., :3]
    there = travel.features(frames[..., :2], logits, labels, frames).scalars
    moved = frames[:, order]
    here = travel.features(moved[..., :2], moved[..., :3], labels[order], moved).scalars
    for name, values in there.items():
        np.testing.assert_allclose(values[order], here[name], atol=1e-5, err_msg=name)


def test_keys_are_equal_for_copies_only() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 500, 4))
    rows[:, 1] = rows[:, 0]
    rows[0, 2], rows[0, 3] = 0.0, -0.0
    rows[1:, 2] = rows[1:, 3]
    keys = content_keys(list(rows))
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert len(np.unique(keys)) == 498


@pytest.mark.parametrize(
    ("places", "logits", "labels", "words"),
    [
        (PLACES[0], LOGITS, None, "positions of shape"),
        (PLACES, LOGITS[:, :2], None, "3 × 2"),
        (PLACES, LOGITS, [0, 1], r"shape \(3,\)"),
        (PLACES, LOGITS, [0, 1, 2], "from 0 to 1.*sample 2 is labelled 2: number the classes"),
        (PLACES, LOGITS, [0, 0.5, 1], "from 0 to 1.*sample 1 is labelled 0.5"),
        (PLACES, [LOGITS[0], LOGITS[1, :2], LOGITS[2]], None, "logits of shape"),
    ],
)
def test_bad_input_is_one_sentence(places: Any, logits: Any, labels: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        travel.features(places, logits, labels)


def test_a_sample_that_is_not_finite_at_one_epoch_has_no_figures_but_its_series() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(4, 30, 3)).astype(np.float32)
    places = draw.normal(size=(4, 30, 2)).astype(np.float32)
    logits[2, 7, 1] = np.nan
    found = travel.features(places, logits, np.arange(30) % 3)
    others = np.arange(30) != 7
    for name, values in found.scalars.items():
        assert np.isnan(values[7]), name
        assert np.isfinite(values[others]).all(), name
    for values in (found.confidence, found.series["loss"], found.series["margin"]):
        assert np.isnan(values[:, 7]).tolist() == [False, False, True, False]
    assert not found.usable[7]
