"""How far apart epochs stand, with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from trema import travel
from trema.travel.drift import FAR, FARTHER, RANGE, Drift, drift_of, one_more
from trema.travel.frames import Frames

RNG = np.random.default_rng(0)
CLOUD = RNG.normal(size=(200, 6))
LAYOUT = RNG.normal(size=(200, 2)).astype(np.float32)


def made(shifts: list[float], sizes: list[float]) -> tuple[Frames, Drift]:
    """A cloud that is shifted along one axis and grows, its layout always the same."""
    axis = np.eye(6)[0]
    frames = Frames(
        [size * CLOUD + shift * axis for shift, size in zip(shifts, sizes, strict=True)]
    )
    return frames, drift_of(frames, np.repeat(LAYOUT[None], len(shifts), axis=0))


def sizes_of(drift: Drift) -> list[float]:
    """The spread of each epoch on the canvas."""
    placed = [drift.put(LAYOUT, epoch) for epoch in range(len(drift.scale))]
    return [float(np.sqrt(((p - p.mean(axis=0)) ** 2).sum(axis=1).mean())) for p in placed]


def apart(drift: Drift) -> np.ndarray:
    return np.asarray(np.linalg.norm(drift.centre[:, None] - drift.centre[None], axis=2))


def test_epochs_stand_apart_in_proportion_to_how_far_their_samples_moved() -> None:
    shifts = [0.0, 1.0, 3.0, 5.0]
    _, drift = made(shifts, [1.0] * 4)
    expected = FARTHER * np.abs(np.subtract.outer(shifts, shifts))
    np.testing.assert_allclose(apart(drift), expected, atol=1e-3)


def test_spread_on_the_canvas_is_that_of_the_representations() -> None:
    frames, drift = made([0.0, 0.0], [1.0, 2.5])
    for epoch, spread in enumerate(sizes_of(drift)):
        rows = frames.read(epoch)
        expected = np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())
        assert spread == pytest.approx(expected, rel=1e-5)
        placed = drift.put(LAYOUT, epoch)
        np.testing.assert_allclose(drift.taken(placed, epoch), LAYOUT, atol=1e-4)


@pytest.mark.parametrize(
    "sizes",
    [[1.0, 1.1, 1.2, 1000.0], [3.0**epoch for epoch in range(10)], [1.0, 1e12, 1e-12, 1.0, 2.0]],
)
def test_every_epoch_can_be_looked_at(sizes: list[float]) -> None:
    _, drift = made([0.0] * len(sizes), sizes)
    seen = sizes_of(drift)
    assert max(seen) <= 1.001 * RANGE * min(seen)
    ordered = np.argsort(sizes, kind="stable")
    assert (np.diff(np.array(seen)[ordered]) >= -1e-5 * max(seen)).all()
    assert apart(drift).max() <= 1.001 * FAR * max(seen)


def test_epochs_far_apart_are_brought_together_in_order() -> None:
    shifts = [0.0, 10.0, 100.0, 10_000.0]
    _, drift = made(shifts, [1.0] * 4)
    from_first = apart(drift)[0]
    assert (np.diff(from_first) > 0).all()
    assert from_first.max() <= 1.001 * FAR * max(sizes_of(drift))


def test_one_more_epoch_finds_its_place_and_moves_no_other() -> None:
    _, drift = made([0.0, 1.0, 3.0], [1.0] * 3)
    longer, _ = made([0.0, 1.0, 3.0, 4.5], [1.0] * 4)
    more = one_more(drift, longer, LAYOUT)
    np.testing.assert_array_equal(more.centre[:3], drift.centre)
    away = np.linalg.norm(more.centre[3] - more.centre[:3], axis=1)
    np.testing.assert_allclose(away, FARTHER * np.array([4.5, 3.5, 1.5]), atol=1e-2)


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_one_more_epoch_of_another_size_leaves_the_others_to_be_seen(size: float) -> None:
    _, drift = made([0.0, 1.0, 3.0], [1.0, 1.2, 1.5])
    longer, _ = made([0.0, 1.0, 3.0, 10 * size], [1.0, 1.2, 1.5, size])
    more = one_more(drift, longer, LAYOUT)
    seen = sizes_of(more)
    assert max(seen) <= 1.001 * RANGE * min(seen)
    assert apart(more).max() <= 2 * FAR * max(seen)


def test_one_epoch_stands_in_the_middle() -> None:
    _, drift = made([5.0], [2.0])
    np.testing.assert_allclose(drift.centre, 0.0, atol=1e-9)
    assert np.isfinite(drift.scale).all()


def test_samples_that_are_missing_at_an_epoch_are_compared_where_they_are_known() -> None:
    rows = np.repeat(CLOUD[None], 4, axis=0) + np.arange(4)[:, None, None] * np.eye(6)[0]
    rows[1, :100] = np.nan
    rows[2, 100:150] = rows[3, 150:] = np.nan  # no sample is finite at every epoch
    drift = drift_of(Frames(rows), np.repeat(LAYOUT[None], 4, axis=0))
    known = apart(drift)[0, [1, 2, 3]]
    np.testing.assert_allclose(known, FARTHER * np.array([1, 2, 3]), atol=0.3)


def test_a_collapsed_epoch_bends_no_other() -> None:
    rows = np.stack([CLOUD, np.ones_like(CLOUD), 2 * CLOUD])
    layouts = np.stack([LAYOUT, np.full_like(LAYOUT, 0.3), LAYOUT])
    drift = drift_of(Frames(rows), layouts)
    assert drift.power == 1.0
    assert np.abs(drift.put(layouts[1], 1)).max() < 20


def test_one_huge_sample_at_one_epoch_leaves_the_canvas_to_the_others() -> None:
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(5, 120, 8)).cumsum(axis=0).astype(np.float32)
    plain = travel.build(rows, method="trema").positions
    others = np.arange(120) != 7
    for times in (100, 10_000):
        odd = rows.copy()
        odd[2, 7] *= times
        found = travel.build(odd, method="trema").positions
        for epoch in range(5):
            ratio = found[epoch, others].std() / plain[epoch, others].std()
            assert 0.7 < ratio < 1.5
        assert np.abs(found[:, others]).max() < 2 * np.abs(plain).max()
