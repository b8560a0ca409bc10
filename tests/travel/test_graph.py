"""Graphs, skeletons and temporal edges against hand-made and brute-force answers."""

from __future__ import annotations

import numpy as np
import pytest

from trema.travel.frames import Frames
from trema.travel.graph import (
    both_ways,
    boundary_edges,
    memberships,
    neighbours,
    spatial_edges,
    strong,
)
from trema.travel.skeleton import intrinsic_dimension, skeleton
from trema.travel.temporal import temporal_edges

RNG = np.random.default_rng(5)


def test_weights_of_a_vertex_sum_to_log_k() -> None:
    apart = np.sort(RNG.random((40, 15)).astype(np.float32) + 0.2, axis=1)
    weights, rho, _ = memberships(apart)
    np.testing.assert_allclose(rho, apart[:, 0])
    np.testing.assert_allclose(weights.sum(axis=1), np.log2(15), rtol=1e-4)
    np.testing.assert_array_equal(weights[:, 0], 1.0)
    assert (np.diff(weights, axis=1) <= 0).all()


def test_twins_count_fully_and_nothing_breaks() -> None:
    weights, rho, sigma = memberships(np.zeros((3, 15), dtype=np.float32))
    np.testing.assert_array_equal(weights, 1.0)
    np.testing.assert_array_equal(rho, 0.0)
    assert (sigma > 0).all()


def test_both_ways_is_the_fuzzy_union() -> None:
    edges = both_ways(
        np.array([0, 1, 2]), np.array([1, 0, 0]), np.array([0.5, 0.5, 0.25], np.float32), 3
    )
    found = {
        (a, b): w for a, b, w in zip(edges.first, edges.second, edges.weights.tolist(), strict=True)
    }
    assert found == {(0, 1): 0.75, (1, 0): 0.75, (0, 2): 0.25, (2, 0): 0.25}


def test_spatial_edges_join_near_rows() -> None:
    rows = np.concatenate([RNG.normal(size=(30, 4)), RNG.normal(size=(30, 4)) + 50])
    edges = spatial_edges(neighbours(rows.astype(np.float32), 5))
    assert ((edges.first < 30) == (edges.second < 30)).all()
    assert (edges.first != edges.second).all()
    assert edges.weights.max() <= 1.0


def test_boundary_edges_end_at_border_points() -> None:
    rows = RNG.normal(size=(50, 4)).astype(np.float32)
    edges = boundary_edges(rows, 12, 5)
    assert ((edges.first >= 38) | (edges.second >= 38)).all()
    assert (edges.first != edges.second).all()
    assert set(edges.first.tolist()) == set(range(50))
    assert len(boundary_edges(rows, 1)) == 0


def test_strong_edges() -> None:
    edges = both_ways(np.array([0, 0]), np.array([1, 2]), np.array([1.0, 0.1], np.float32), 3)
    assert len(strong(edges, 5)) == 2
    assert len(strong(edges, 20)) == 4


def test_dimension_of_known_clouds() -> None:
    turn = np.linalg.qr(RNG.normal(size=(20, 20)))[0]
    flat = np.zeros((2000, 20))
    flat[:, :2] = RNG.random((2000, 2))
    assert intrinsic_dimension((flat @ turn).astype(np.float32)) == pytest.approx(2, abs=0.2)
    assert intrinsic_dimension(np.zeros((10, 3), dtype=np.float32)) == 1.0


def test_skeleton_covers_all_samples() -> None:
    frames = np.stack([RNG.normal(size=(900, 5)) * (t + 1) for t in range(3)]).astype(np.float32)
    chosen = skeleton(Frames(frames), np.random.default_rng(0), cover=0.6, most=900)
    for epoch in (0, 1):  # what a later epoch chose, an earlier one keeps
        assert set(chosen[epoch + 1]) <= set(chosen[epoch])
    last = frames[2]
    begin = np.linalg.norm(last[:, None] - last[chosen[2][:1]], axis=2)
    apart = np.linalg.norm(last[:, None] - last[None, chosen[2]], axis=2).min(axis=1)
    assert apart.max() < begin.max()
    assert 300 < len(chosen[2]) < 900
    few = skeleton(Frames(frames), np.random.default_rng(0), cover=0.01, most=400)
    assert all(len(which) == 400 for which in few)


def test_temporal_edges_are_those_of_brute_force() -> None:
    walk = np.cumsum(RNG.normal(size=(8, 30, 6)), axis=0).astype(np.float32)
    vertex = np.arange(240).reshape(30, 8)
    vertex[3, 2] = -1
    rho, sigma = np.zeros((30, 8), np.float32), np.ones((30, 8), np.float32)
    edges = temporal_edges(Frames(walk), vertex, rho, sigma, 3)
    weights = np.zeros((240, 240))
    for sample in range(30):
        for epoch in range(8):
            apart = np.linalg.norm(walk[:, sample] - walk[epoch, sample], axis=1)
            apart[(vertex[sample] < 0) | (np.arange(8) == epoch)] = np.inf
            if vertex[sample, epoch] < 0:
                continue
            for other in np.argsort(apart)[:3]:
                weights[vertex[sample, epoch], vertex[sample, other]] = np.exp(-apart[other])
    expected = weights + weights.T - weights * weights.T
    found = np.zeros((240, 240))
    found[edges.first, edges.second] = edges.weights
    np.testing.assert_allclose(found, expected, atol=1e-5)
