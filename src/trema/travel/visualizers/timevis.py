"""TimeVis (Yang and others, IJCAI 2022): one autoencoder for all epochs.

The vertices are a skeleton of samples at each epoch and border points. Spatial and boundary
edges join those of an epoch as in DVI; temporal edges join a sample to itself at the epochs at
which it was closest. There is no temporal loss: one network for all times is the continuity.

Taken from a description of the authors' code (of the paper only the abstract was at hand):

- a skeleton that grows from the last epoch backwards, from 300 random samples by the farthest one,
  to a radius that follows the width and the intrinsic dimension (TwoNN) of the epoch;
- UMAP's graph of 15 neighbours in the skeleton of an epoch, and that of skeleton and border points
  to their 15 nearest border points, a tenth as many as samples, drawn up to 5 times (3 to 5);
- edges from a sample to its 15 nearest epochs by the sigma and rho of its neighbourhood, made
  symmetric, drawn up to 10 times (10 to 100); of all graphs, what is drawn less than once goes;
- UMAP's cross-entropy with 5 negatives of the batch plus the reconstruction weighted by attention;
- 3 hidden layers of half the width on each side (3 or 4); Adam at 1e-2, a tenth each 4 passes,
  batches of 1000, at most 20 passes (10 to 30).

Other than there on purpose:

- the nearest epochs are those of smallest distance, not the output of a sort taken for ranks;
- distances that decide the skeleton are relative, as the published radii (0.07 to 0.30) belong to
  the authors' networks, width and dimension count with exponent 1, and it ends at a tenth of the
  samples or a thousand;
- reconstruction weighs 10 in all runs (theirs: 1 to 30 by data set), and training also ends when
  3 passes brought less than 1e-2;
- border points, attention, scale, draws and seeds are as in :mod:`trema.travel.visualizers.dvi`.

A fit that was killed goes on after the last whole pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trema.core.errors import UsageError
from trema.travel.autoencoder import Autoencoder, common_scale, generator
from trema.travel.boundary import SHARE, border_points
from trema.travel.cache import Arrays, Cache
from trema.travel.device import device_of
from trema.travel.edge_training import Schedule, Vertices, top_two, train
from trema.travel.frames import Frames
from trema.travel.given import LEAST
from trema.travel.graph import (
    NEIGHBOURS,
    Edges,
    Neighbours,
    boundary_edges,
    joined,
    neighbours,
    spatial_edges,
    strong,
)
from trema.travel.heads import Heads, LinearHeads
from trema.travel.nearest import Indices
from trema.travel.parallel import mapped
from trema.travel.skeleton import skeleton
from trema.travel.temporal import temporal_edges
from trema.travel.training_state import Keeper
from trema.travel.visualizers.base import Floats, Report

#: Hidden layers on each side (TimeVis: 3 or 4).
_HIDDEN = 3

#: Changes when the same input gives another result, so that parts kept before are not taken.
VERSION = 2


@dataclass(frozen=True)
class Options:
    """The settings of a fit.

    passes, patience, tolerance : passes over all edges at most (the authors': 10 to 30), and
        when to stop
    reconstruction : weight of rebuilding (the authors': 1 MNIST, 10 CIFAR-10, 20 to 30 FMNIST)
    repeats : how often a pass draws the strongest edge of an epoch (the authors': 3 to 5)
    temporal : how many times more often it draws a temporal edge (the authors': 2 to 33; higher,
        little is drawn of an epoch's own shape; at 0 there are none)
    cover : how far from the skeleton a sample may be, see :mod:`trema.travel.skeleton`
    most : share of the samples in the skeleton of an epoch at most, but always a thousand
    neighbours : of a vertex, and of epochs (15)
    """

    passes: int = 20
    patience: int = 3
    tolerance: float = 1e-2
    reconstruction: float = 10.0
    repeats: int = 5
    temporal: float = 2.0
    cover: float = 0.75
    most: float = 0.1
    neighbours: int = NEIGHBOURS

    def schedule(self) -> Schedule:
        """Adam at 1e-2, a tenth of it after each 4 passes."""
        return Schedule(
            self.passes,
            self.patience,
            self.tolerance,
            rate=1e-2,
            step=4,
            factor=0.1,
            again=True,
            reconstruction=self.reconstruction,
        )


@dataclass(frozen=True)
class TimeVisProjector:
    """The weights of the autoencoder, and the common shift (D,) and scale."""

    model: Autoencoder
    mean: Floats
    spread: float
    seed: int
    device: torch.device

    def project(self, x: Floats, epoch: int) -> Floats:
        with torch.inference_mode():
            rows = torch.from_numpy((x - self.mean) / np.float32(self.spread))
            return _numpy(self.model.encode(rows.to(self.device)))

    def invert(self, xy: Floats, epoch: int) -> Floats:
        with torch.inference_mode():
            rows = self.model.decode(torch.from_numpy(xy).to(self.device))
        return _numpy(rows) * np.float32(self.spread) + self.mean

    def state(self) -> Mapping[str, NDArray[Any]]:
        about = {"mean": self.mean, "spread": np.array(self.spread), "seed": np.array(self.seed)}
        return {**self.model.weights(), **about}


@dataclass(frozen=True)
class _Epoch:
    """The part of the graph that one epoch gives.

    ``samples`` (s,) are the skeleton, ``points`` (s + b, D) its rows and the border points.
    """

    samples: NDArray[np.int64]
    points: Floats
    found: Neighbours
    spatial: Edges
    boundary: Edges

    def arrays(self) -> Arrays:
        """The parts by name."""
        parts = {"found": self.found, "spatial": self.spatial, "boundary": self.boundary}
        nested = {
            f"{of}-{name}": array
            for of, part in parts.items()
            for name, array in vars(part).items()
        }
        return {"samples": self.samples, "points": self.points, **nested}

    @classmethod
    def of(cls, arrays: Arrays) -> _Epoch:
        """What ``arrays`` gave."""

        def part(of: str) -> Arrays:
            begin = f"{of}-"
            return {n.removeprefix(begin): a for n, a in arrays.items() if n.startswith(begin)}

        return cls(
            arrays["samples"],
            arrays["points"],
            Neighbours(**part("found")),
            Edges(**part("spatial")),
            Edges(**part("boundary")),
        )


def fit(
    frames: Frames,
    heads: Heads | None,
    *,
    seed: int,
    device: str,
    report: Report,
    cache: Cache,
    **options: Any,
) -> TimeVisProjector:
    """The projector; ``options`` are the fields of :class:`Options`.

    The skeleton, the graph of each epoch and the state after each pass are kept, so that a
    build that was killed goes on. Graphs of the epochs are built through joblib.
    """
    given = Options(**options)
    able = int(frames.finite.all(axis=0).sum())
    if able < LEAST:
        raise UsageError(
            f"the method 'timevis' follows samples that are finite at every epoch, but there are "
            f"{able} of them: leave out the epochs where most are not, or use the method 'trema'"
        )
    mean, spread = common_scale(frames)
    where = device_of(device)
    model = Autoencoder(frames.width, _HIDDEN, generator(seed))
    kept = cache.get("model")
    if kept is None:
        _train(model.to(where), frames, heads, mean, spread, given, seed, report, cache)
        kept = model.weights()
        cache.put("model", kept)
    return _projector(kept, mean, spread, seed, where)


def restore(
    state: Mapping[str, NDArray[Any]], frames: Frames | None, heads: Heads | None
) -> TimeVisProjector:
    """The projector of a kept state."""
    seed, spread = int(state["seed"]), float(state["spread"])
    return _projector(dict(state), state["mean"], spread, seed, device_of("auto"))


def _projector(
    weights: Arrays, mean: Floats, spread: float, seed: int, device: torch.device
) -> TimeVisProjector:
    model = Autoencoder(len(mean), _HIDDEN, generator(seed))
    model.put(weights)
    return TimeVisProjector(model.to(device), mean, spread, seed, device)


def _train(
    model: Autoencoder,
    frames: Frames,
    heads: Heads | None,
    mean: Floats,
    spread: float,
    options: Options,
    seed: int,
    report: Report,
    cache: Cache,
) -> None:
    chosen = _skeleton(frames, options, seed, report, cache)
    parts = _parts(frames, heads, chosen, options, seed, report, cache)
    begins = np.cumsum([0, *(len(part.points) for part in parts)])
    places = zip(parts, begins.tolist(), strict=False)
    # each graph is thinned by its own strongest edge, as each is built by itself
    near = [
        strong(graph, options.repeats).shifted(at)
        for part, at in places
        for graph in (part.spatial, part.boundary)
    ]
    edges = _weighed(
        joined(*near),
        _temporal(frames, parts, begins, options.neighbours),
        options,
    )
    rows = np.concatenate([part.points for part in parts])
    device = next(model.parameters()).device
    scaled = torch.from_numpy((rows - mean) / np.float32(spread)).to(device)
    train(
        model,
        _vertices(scaled, parts, heads),
        edges,
        options.repeats,
        options.schedule(),
        generator(seed, 1),
        report=lambda share: report("training", 0.3 + 0.7 * share),
        keeper=_keeper(cache),
    )


def _keeper(cache: Cache) -> Keeper | None:
    """Keeps the state after each pass, where anything is kept."""
    if not cache.keeps:
        return None
    return Keeper(lambda: cache.get("pass"), lambda state: cache.put("pass", state))


def _skeleton(
    frames: Frames, options: Options, seed: int, report: Report, cache: Cache
) -> list[Indices]:
    """The samples of each epoch, those kept before if there are any."""
    kept = cache.get("skeleton")
    if kept is None:
        report("skeleton", 0.0)
        most = max(1000, int(options.most * frames.samples))
        draw = np.random.default_rng([seed, len(frames), 2])
        found = skeleton(frames, draw, cover=options.cover, most=most)
        kept = {str(epoch): samples for epoch, samples in enumerate(found)}
        cache.put("skeleton", kept)
    return [kept[str(epoch)] for epoch in range(len(frames))]


def _parts(
    frames: Frames,
    heads: Heads | None,
    chosen: list[Indices],
    options: Options,
    seed: int,
    report: Report,
    cache: Cache,
) -> list[_Epoch]:
    """The graphs of all epochs, those kept before and the others."""
    done = [cache.get(f"graph-{epoch}") for epoch in range(len(frames))]
    todo = [epoch for epoch, kept in enumerate(done) if kept is None]
    found = mapped(
        _epoch,
        (
            (
                frames.rows(epoch, chosen[epoch]),
                _finite(frames, heads, epoch),
                heads,
                epoch,
                chosen[epoch],
                options,
                seed,
            )
            for epoch in todo
        ),
    )
    parts = []
    for epoch, kept in enumerate(done):
        if kept is None:
            report(f"epoch {epoch}: neighbours", 0.1 + 0.2 * epoch / len(frames))
            parts.append(next(found))
            cache.put(f"graph-{epoch}", parts[-1].arrays())
        else:
            parts.append(_Epoch.of(kept))
    return parts


def _finite(frames: Frames, heads: Heads | None, epoch: int) -> Floats | None:
    """All finite representations of an epoch, between which borders are found."""
    if heads is None:
        return None
    return frames.rows(epoch, np.flatnonzero(frames.finite[epoch]))


def _epoch(
    points: Floats,
    every: Floats | None,
    heads: Heads | None,
    epoch: int,
    samples: NDArray[np.int64],
    options: Options,
    seed: int,
) -> _Epoch:
    near, borders = neighbours(points, options.neighbours), 0
    if heads is not None and every is not None:
        draw = np.random.default_rng([seed, epoch, 0])
        found = border_points(every, heads, epoch, int(SHARE * len(every)), draw)
        points, borders = np.concatenate([points, found]), len(found)
    return _Epoch(
        samples,
        points,
        near,
        spatial_edges(near),
        boundary_edges(points, borders, options.neighbours),
    )


def _temporal(frames: Frames, parts: list[_Epoch], begins: Indices, k: int) -> Edges:
    """Temporal edges among the vertices of the skeleton, which begin at ``begins``."""
    shape = frames.samples, len(parts)
    vertex = np.full(shape, -1)
    rho, sigma = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    for epoch, part in enumerate(parts):
        which = part.samples
        vertex[which, epoch] = begins[epoch] + np.arange(len(which))
        rho[which, epoch], sigma[which, epoch] = part.found.rho, part.found.sigma
    return temporal_edges(frames, vertex, rho, sigma, k)


def _weighed(near: Edges, temporal: Edges, options: Options) -> Edges:
    """All edges, the temporal ones weighted up and the faint ones of each kind left out."""
    if not options.temporal:
        return near
    kept = strong(temporal, options.repeats * options.temporal)
    return joined(near, Edges(kept.first, kept.second, kept.weights * np.float32(options.temporal)))


def _vertices(scaled: Tensor, parts: list[_Epoch], heads: Heads | None) -> Vertices:
    tops = [top_two(part.points, heads, epoch) for epoch, part in enumerate(parts)]
    if not isinstance(heads, LinearHeads):
        return Vertices(scaled)
    device = scaled.device
    of = np.repeat(np.arange(len(parts)), [len(part.points) for part in parts])
    return Vertices(
        scaled,
        torch.from_numpy(heads.weights).to(device),
        torch.from_numpy(of).to(device),
        torch.from_numpy(np.concatenate([top for top in tops if top is not None])).to(device),
    )


def _numpy(rows: Tensor) -> Floats:
    return np.asarray(rows.cpu().numpy(), dtype=np.float32)
