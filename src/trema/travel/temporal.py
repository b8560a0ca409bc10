"""Edges from a sample to itself at other epochs."""

from __future__ import annotations

import numpy as np

from trema.travel.frames import Frames
from trema.travel.graph import Edges, both_ways
from trema.travel.nearest import Indices
from trema.travel.visualizers.base import Floats

#: Floats of the trajectories looked at together: 64 MB.
_BLOCK = 1 << 24


def temporal_edges(frames: Frames, vertex: Indices, rho: Floats, sigma: Floats, k: int) -> Edges:
    """Edges from each vertex to its sample's ``k`` nearest epochs, both ways.

    vertex, rho, sigma : ndarrays of shape (sample, epoch): the number of the vertex that a sample
        is at an epoch, -1 for none, and the scale of its neighbourhood there. The weight of a
        directed edge of length d is ``exp(-max(0, d - rho) / sigma)``.
    """
    samples = np.flatnonzero((vertex >= 0).sum(axis=1) > 1)
    epochs = vertex.shape[1]
    size = max(1, _BLOCK // (epochs * frames.width))
    firsts, seconds = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    weights = [np.empty(0, dtype=np.float32)]
    for at in range(0, len(samples), size):
        part = samples[at : at + size]
        rows = np.stack([frames.rows(epoch, part) for epoch in range(epochs)])
        of, absent = vertex[part], vertex[part] < 0
        for epoch in range(epochs):
            apart = np.linalg.norm(rows - rows[epoch], axis=2).T
            apart[absent] = np.inf
            apart[:, epoch] = np.inf
            order = np.argsort(apart, axis=1, kind="stable")[:, : min(k, epochs - 1)]
            near = np.take_along_axis(apart, order, axis=1)
            good = np.isfinite(near) & ~absent[:, epoch, None]
            beyond = np.maximum(near - rho[part, epoch, None], 0.0) / sigma[part, epoch, None]
            firsts.append(np.broadcast_to(of[:, epoch, None], order.shape)[good])
            seconds.append(np.take_along_axis(of, order, axis=1)[good])
            weights.append(np.exp(-beyond[good]).astype(np.float32))
    count = int(vertex.max()) + 1
    return both_ways(
        np.concatenate(firsts), np.concatenate(seconds), np.concatenate(weights), count
    )
