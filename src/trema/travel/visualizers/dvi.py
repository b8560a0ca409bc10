"""DVI (Yang and others, AAAI 2022): an autoencoder for each epoch, carried on from the last.

Each epoch has two fuzzy graphs, of nearest neighbours and of nearest border points. The
autoencoder is trained on their edges, rebuilds what it lays out with emphasis on the features
that decide the prediction, and stays near that of the epoch before, the nearer the more
neighbours the epochs share.

Taken from a description of the authors' code (of the paper only the abstract was at hand):

- UMAP's graph of the 15 neighbours of each sample; a second one from samples and border points to
  their 15 nearest border points, of which there are a tenth as many as samples;
- of each graph the edges of at least a tenth of the strongest, which is drawn 10 times a pass;
- UMAP's cross-entropy with 5 negatives of the batch, plus 1 x the reconstruction weighted by
  attention, plus 0.3 x the share of neighbours kept x the squared distance of the weights to those
  of the epoch before, from which training begins;
- 4 hidden layers of half the width on each side; Adam at 1e-3, 1e-4 after 8 passes, batches of
  1000, at most 200 passes, an end when 8 brought less than 1e-2. Their port to torch has 1e-2, a
  tenth each 4 passes, and weight decay; this is left out.

Other than there on purpose:

- border points lie between representations, as a recording holds no inputs, anywhere between two
  samples, and are found all together; those for judging are drawn by :mod:`trema.travel.measure`;
- the attention of a linear head is read from its weights; other heads have none;
- neighbours are exact, and what an edge is drawn beyond a whole number of times is left to chance;
- representations are scaled by one number for the run, so that rebuilding weighs alike in all;
- a point that a batch holds several times is encoded once, which changes no loss; all is seeded.

A fit that was killed goes on by epoch: whole ones are kept, the one it was at begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trema.travel.autoencoder import Autoencoder, common_scale, generator
from trema.travel.boundary import SHARE, border_points
from trema.travel.cache import Arrays, Cache
from trema.travel.device import device_of
from trema.travel.edge_training import Schedule, Vertices, top_two, train
from trema.travel.frames import Frames
from trema.travel.graph import NEIGHBOURS, boundary_edges, joined, neighbours, spatial_edges, strong
from trema.travel.heads import Heads, LinearHeads
from trema.travel.nearest import Indices, overlap
from trema.travel.visualizers.base import Floats, Report

#: Hidden layers on each side.
_HIDDEN = 4

#: Changes when the same input gives another result, so that parts kept before are not taken.
VERSION = 2


@dataclass(frozen=True)
class Options:
    """The settings of a fit; the defaults are the authors'.

    passes, patience, tolerance : passes over the edges of an epoch at most, and when to stop
    reconstruction, temporal : weights of rebuilding (1) and of staying near (0.3)
    repeats : how often a pass draws the strongest edge (10; weaker than a tenth are left out)
    neighbours : of a vertex (15)
    """

    passes: int = 200
    patience: int = 8
    tolerance: float = 1e-2
    reconstruction: float = 1.0
    temporal: float = 0.3
    repeats: int = 10
    neighbours: int = NEIGHBOURS

    def schedule(self) -> Schedule:
        """Adam at 1e-3, from the ninth pass at 1e-4."""
        return Schedule(
            self.passes,
            self.patience,
            self.tolerance,
            rate=1e-3,
            step=8,
            factor=0.1,
            again=False,
            reconstruction=self.reconstruction,
        )


@dataclass(frozen=True)
class DviProjector:
    """``weights`` of the autoencoder of each epoch, and the common shift (D,) and scale."""

    weights: Sequence[Arrays]
    mean: Floats
    spread: float
    options: Options
    seed: int
    device: str

    def project(self, x: Floats, epoch: int) -> Floats:
        with torch.inference_mode():
            rows = torch.from_numpy((x - self.mean) / np.float32(self.spread))
            return _numpy(self._model(epoch).encode(rows.to(device_of(self.device))))

    def invert(self, xy: Floats, epoch: int) -> Floats:
        with torch.inference_mode():
            rows = self._model(epoch).decode(torch.from_numpy(xy).to(device_of(self.device)))
        return _numpy(rows) * np.float32(self.spread) + self.mean

    def state(self) -> Mapping[str, NDArray[Any]]:
        stacked = {name: np.stack([w[name] for w in self.weights]) for name in self.weights[0]}
        about = [float(value) for value in vars(self.options).values()]
        return {
            **stacked,
            "mean": self.mean,
            "spread": np.array(self.spread),
            "options": np.array(about),
            "seed": np.array(self.seed),
        }

    def extended(self, frames: Frames, heads: Heads | None, *, report: Report) -> DviProjector:
        """The projector of ``frames``, whose last epoch is new."""
        epoch = len(frames) - 1
        before = _near(frames, epoch - 1, self.options)
        weights, _ = _epoch(self, frames, heads, epoch, before, report)
        return replace(self, weights=[*self.weights, weights])

    def _model(self, epoch: int) -> Autoencoder:
        model = Autoencoder(len(self.mean), _HIDDEN, generator(self.seed))
        model.put(self.weights[epoch])
        return model.to(device_of(self.device))


def fit(
    frames: Frames,
    heads: Heads | None,
    *,
    seed: int,
    device: str,
    report: Report,
    cache: Cache,
    **options: Any,
) -> DviProjector:
    """The projector; ``options`` are the fields of :class:`Options`. Finished epochs are kept."""
    mean, spread = common_scale(frames)
    made = DviProjector([], mean, spread, Options(**options), seed, device)
    before: Indices | None = None
    for epoch in range(len(frames)):
        kept = cache.get(f"epoch-{epoch}")
        if kept is None:
            if before is None and epoch:
                before = _near(frames, epoch - 1, made.options)
            kept, before = _epoch(made, frames, heads, epoch, before, _part(report, epoch, frames))
            cache.put(f"epoch-{epoch}", kept)
        else:
            before = None
        made = replace(made, weights=[*made.weights, kept])
    return made


def restore(
    state: Mapping[str, NDArray[Any]], frames: Frames | None, heads: Heads | None
) -> DviProjector:
    """The projector of a kept state."""
    layers = [name for name in state if name.startswith(("encoder", "decoder"))]
    epochs = len(state[layers[0]])
    kinds = [type(value) for value in vars(Options()).values()]
    given = [kind(value) for kind, value in zip(kinds, state["options"].tolist(), strict=True)]
    return DviProjector(
        [{name: state[name][epoch] for name in layers} for epoch in range(epochs)],
        state["mean"],
        float(state["spread"]),
        Options(*given),
        int(state["seed"]),
        "auto",
    )


def _epoch(
    made: DviProjector,
    frames: Frames,
    heads: Heads | None,
    epoch: int,
    before: Indices | None,
    report: Report,
) -> tuple[Arrays, Indices]:
    """The weights of an epoch, and its neighbours (sample, k) for the next."""
    options = made.options
    report("neighbours", 0.0)
    kept = np.flatnonzero(frames.finite[epoch])
    rows = frames.rows(epoch, kept)
    found = neighbours(rows, options.neighbours)
    points, borders = _with_borders(rows, heads, epoch, made.seed)
    # each graph is thinned by its own strongest edge, as each is built by itself
    graphs = [spatial_edges(found), boundary_edges(points, borders, options.neighbours)]
    edges = joined(*(strong(graph, options.repeats) for graph in graphs))
    near = np.full((frames.samples, found.indices.shape[1]), -1)
    near[kept] = kept[found.indices]

    device = device_of(made.device)
    model = Autoencoder(frames.width, _HIDDEN, generator(made.seed))
    if made.weights:
        model.put(made.weights[-1])
    model = model.to(device)
    scaled = torch.from_numpy((points - made.mean) / np.float32(made.spread))
    train(
        model,
        _vertices(scaled.to(device), points, heads, epoch),
        edges,
        options.repeats,
        options.schedule(),
        generator(made.seed, epoch, 1),
        also=_anchor(model, options.temporal * _shared(before, near)),
        report=lambda share: report("training", share),
    )
    return model.weights(), near


def _with_borders(rows: Floats, heads: Heads | None, epoch: int, seed: int) -> tuple[Floats, int]:
    """The rows and border points after them, and how many those are."""
    if heads is None:
        return rows, 0
    draw = np.random.default_rng([seed, epoch, 0])
    points = border_points(rows, heads, epoch, int(SHARE * len(rows)), draw)
    return np.concatenate([rows, points]), len(points)


def _vertices(scaled: Tensor, points: Floats, heads: Heads | None, epoch: int) -> Vertices:
    top = top_two(points, heads, epoch)
    if top is None or not isinstance(heads, LinearHeads):
        return Vertices(scaled)
    of = torch.zeros(len(scaled), dtype=torch.long, device=scaled.device)
    weights = torch.from_numpy(heads.weights[epoch : epoch + 1]).to(scaled.device)
    return Vertices(scaled, weights, of, torch.from_numpy(top).to(scaled.device))


def _anchor(model: Autoencoder, weight: float) -> Any:
    """The loss of leaving the weights the model has now; none without a weight."""
    if not weight:
        return None
    before = [p.detach().clone() for p in model.parameters()]
    return lambda: (
        weight
        * sum((p - b).square().sum() for p, b in zip(model.parameters(), before, strict=True))
    )


def _shared(before: Indices | None, now: Indices) -> float:
    """The share of neighbours that two epochs have in common, over samples of both."""
    if before is None:
        return 0.0
    both = (before[:, 0] >= 0) & (now[:, 0] >= 0)
    return float(overlap(before[both], now[both]).mean() / now.shape[1]) if both.any() else 0.0


def _near(frames: Frames, epoch: int, options: Options) -> Indices:
    kept = np.flatnonzero(frames.finite[epoch])
    found = neighbours(frames.rows(epoch, kept), options.neighbours)
    near = np.full((frames.samples, found.indices.shape[1]), -1)
    near[kept] = kept[found.indices]
    return near


def _part(report: Report, epoch: int, frames: Frames) -> Report:
    return lambda what, share: report(f"epoch {epoch}: {what}", (epoch + share) / len(frames))


def _numpy(rows: Tensor) -> Floats:
    return np.asarray(rows.cpu().numpy(), dtype=np.float32)
