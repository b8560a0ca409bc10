"""Wrong labels and foreign pictures in a training on MNIST."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from tests.travel import real
from trema import travel

pytestmark = pytest.mark.slow
SAMPLES, UNSEEN, EPOCHS = 1500, 300, 6


@cache
def training() -> dict[str, NDArray[Any]]:
    """A small network; a tenth of the labels is wrong. Rows past SAMPLES are unseen pictures,
    then their negatives."""
    pixels, clean = real.mnist(SAMPLES + UNSEEN)
    rows = pixels.reshape(len(pixels), -1)
    draw = np.random.default_rng(0)
    labels = clean[:SAMPLES].astype(np.int64)
    wrong = draw.permutation(SAMPLES)[: SAMPLES // 10]
    labels[wrong] = (labels[wrong] + draw.integers(1, 10, len(wrong))) % 10
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = nn.Sequential(nn.Linear(rows.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        head = nn.Linear(32, 10)
    adam = torch.optim.Adam([*body.parameters(), *head.parameters()], 2e-3)
    x, y = torch.from_numpy(rows), torch.from_numpy(labels)
    everything = torch.cat([x, 1 - x[SAMPLES:]])
    frames, logits = [], []
    order = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for batch in torch.randperm(SAMPLES, generator=order).split(50):
            adam.zero_grad()
            nn.functional.cross_entropy(head(body(x[batch])), y[batch]).backward()
            adam.step()
        with torch.no_grad():
            frames.append(body(everything).numpy())
            logits.append(head(body(everything)).numpy())
    return {
        "frames": np.stack(frames),
        "logits": np.stack(logits),
        "labels": labels,
        "wrong": labels != clean[:SAMPLES],
    }


def test_wrong_labels_are_recommended_first() -> None:
    run = training()
    movie = travel.build(run["frames"][:, :SAMPLES], run["labels"], method="pca")
    session = travel.suggest(movie, run["logits"][:, :SAMPLES])
    hits = 0
    for _ in range(6):
        found = session.next(25)
        said = run["wrong"][found]
        hits += int(said.sum())
        session.feedback(accepted=found[said].tolist(), rejected=found[~said].tolist())
    assert hits >= 0.7 * 150  # 150 shown, 150 wrong ones among 1,500; chance finds 15


def test_foreign_pictures_are_flagged() -> None:
    run = training()
    movie = travel.build(run["frames"][:, :SAMPLES], run["labels"], method="pca")
    found = travel.anomalies(movie, run["logits"][:, :SAMPLES])
    places = np.stack([movie.project(run["frames"][e][SAMPLES:], e) for e in range(EPOCHS)])
    scored = found.score(places, run["logits"][:, SAMPLES:])
    hits, alarms = scored.flags[UNSEEN:].mean(), scored.flags[:UNSEEN].mean()
    assert hits > 0.6
    assert alarms < 0.25
    assert np.median(scored.scores[UNSEEN:]) > np.quantile(scored.scores[:UNSEEN], 0.8)
