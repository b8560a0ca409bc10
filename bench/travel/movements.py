"""Movements that no sample of a run made: random steps, confidence at random.

As in DeepDebugger, section 6.1.2: a trajectory built step by step with random accelerations that
stays on the canvas of the samples, and a confidence drawn for each epoch. The accelerations are as
large as those of the samples. Logits that carry the confidence are those of samples drawn anew for
each epoch, scaled until their largest probability is the one drawn, so that nothing but the course
gives them away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trema.travel.heads import confidence


def synthetic(
    positions: NDArray[np.float32], logits: NDArray[np.float32], count: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Positions (epoch, count, 2) and logits (epoch, count, class)."""
    draw = np.random.default_rng(seed)
    return _wander(positions, count, draw), _believe(logits, count, draw)


def _wander(
    positions: NDArray[np.float32], count: int, draw: np.random.Generator
) -> NDArray[np.float32]:
    epochs, samples, _ = positions.shape
    steps = np.diff(positions, axis=0)
    spread = np.diff(steps, axis=0).reshape(-1, 2).std(axis=0)
    low, high = positions.min(axis=(0, 1)), positions.max(axis=(0, 1))
    place = positions[0, draw.integers(samples, size=count)]
    step = steps[0, draw.integers(samples, size=count)]
    places = [place]
    for _ in range(1, epochs):
        place = np.clip(place + step, low, high)
        step = step + draw.normal(size=(count, 2)) * spread
        places.append(place)
    return np.stack(places).astype(np.float32)


def _believe(
    logits: NDArray[np.float32], count: int, draw: np.random.Generator
) -> NDArray[np.float32]:
    epochs, samples, classes = logits.shape
    result = np.empty((epochs, count, classes), dtype=np.float32)
    for epoch in range(epochs):
        z = logits[epoch, draw.integers(samples, size=count)]
        wanted = draw.uniform(1 / classes + 1e-3, 0.9999, size=count)
        low, high = np.full(count, -9.0), np.full(count, 9.0)  # of the logarithm of the scale
        for _ in range(50):
            middle = (low + high) / 2
            below = confidence(z * np.exp(middle)[:, None], "softmax") < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        result[epoch] = z * np.exp((low + high) / 2)[:, None]
    return result
