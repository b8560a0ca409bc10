"""How far apart epochs stand, with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from trema.travel.drift import Drift, drift_of, one_more
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


def test_epochs_stand_as_far_apart_as_their_samples_do() -> None:
    _, drift = made([0.0, 1.0, 3.0, 7.0], [1.0] * 4)
    away = np.linalg.norm(drift.centre[:, None] - drift.centre[None], axis=2)
    expected = np.abs(np.subtract.outer([0, 1, 3, 7], [0, 1, 3, 7]))
    np.testing.assert_allclose(away, expected, atol=1e-3)


def test_spread_on_the_canvas_is_that_of_the_representations() -> None:
    frames, drift = made([0.0, 0.0], [1.0, 2.5])
    for epoch in range(2):
        placed = drift.put(LAYOUT, epoch)
        spread = np.sqrt(((placed - placed.mean(axis=0)) ** 2).sum(axis=1).mean())
        rows = frames.read(epoch)
        expected = np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())
        assert spread == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(drift.taken(placed, epoch), LAYOUT, atol=1e-4)


def test_one_more_epoch_finds_its_place_and_moves_no_other() -> None:
    _, drift = made([0.0, 1.0, 3.0], [1.0] * 3)
    longer, _ = made([0.0, 1.0, 3.0, 4.5], [1.0] * 4)
    more = one_more(drift, longer, LAYOUT)
    np.testing.assert_array_equal(more.centre[:3], drift.centre)
    away = np.linalg.norm(more.centre[3] - more.centre[:3], axis=1)
    np.testing.assert_allclose(away, [4.5, 3.5, 1.5], atol=1e-2)


def test_one_epoch_stands_in_the_middle() -> None:
    _, drift = made([5.0], [2.0])
    np.testing.assert_allclose(drift.centre, 0.0, atol=1e-9)
    assert np.isfinite(drift.scale).all()
