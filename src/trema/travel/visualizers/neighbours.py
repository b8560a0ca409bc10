"""The method *trema*: positions themselves are laid out, epoch after epoch, by their neighbours.

Where DVI and TimeVis train a network that maps representations to the canvas, and lose most
neighbourhoods to what a small network can express, here the positions are free. Each epoch has
the graph of its 15 nearest neighbours in full width; the layout (``layout.py``) begins with the
last epoch, whose classes stand apart, and goes back in time, each epoch from the positions of
the one after it, so that what stays together stays in place. Then each epoch is given the size and
the place on the canvas that its representations have among those of the others (``drift.py``).
No network is trained, and an epoch takes seconds.

The way in, for samples that were not recorded, goes by their nearest recorded representations:
of the places where those that the network predicts alike lie together, it takes the one with
most of them round it from which the way back gives the sample's own prediction, so that a
sample lies where the landscape shows what is predicted of it. The way back interpolates between
the recorded samples that lie round a place (Shepard, 1968). A recorded sample is so mapped to its
own position and back to its own representation; how good the canvas is for others, only samples
that were not recorded can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trema.core.errors import UsageError
from trema.travel import heads as outputs
from trema.travel.cache import Cache
from trema.travel.cells import Cells, twins
from trema.travel.device import device_of
from trema.travel.drift import Drift, drift_of, one_more
from trema.travel.frames import Frames
from trema.travel.heads import Heads
from trema.travel.layout import descend, graph_of
from trema.travel.parallel import mapped
from trema.travel.visualizers.base import Floats, Report

#: Neighbours of the graph, the number that DVI and TimeVis preserve and are judged by.
NEIGHBOURS = 15

#: Weight of an edge between samples that the network predicts differently, beside 1. It keeps the
#: sides of a boundary apart; what it costs in neighbours is in docs/bench/travel.md.
ACROSS = 0.5

#: (steps, exaggeration, momentum) of the first layout and of one from the epoch beside it.
_FIRST = ((100, 12.0, 0.5), (200, 1.0, 0.8))
_NEXT = ((30, 3.0, 0.5), (90, 1.0, 0.8))

#: Recorded samples between which the way back interpolates.
_AROUND = 6
_ROWS = 4096

#: Places tried for a sample that was not recorded: round 5 of its neighbours, at 3 reaches. One
#: anchor keeps 0.89 of the neighbours that recorded samples keep, three 0.96, five 1.01
#: (10,000 samples of CIFAR-10, 10 epochs, 15 neighbours).
_ANCHORS = 5
_REACHES = (0.5, 1.0, 2.0)
#: Samples compared with all that are predicted alike at once: 256 × 50,000 distances are 51 MB.
_AT_ONCE = 256
#: Parts of the way to a recorded sample that is predicted alike, tried where no place is.
_TOWARD = (0.5, 0.75, 0.9, 1.0)

#: Classes (n,) of representations (n, D); None without a head.
Predict = Callable[[Floats], NDArray[np.int64] | None]

#: Changes when the same input gives another result, so that parts kept before are not taken.
VERSION = 3


@dataclass(frozen=True)
class Settings:
    """How epochs are laid out; an epoch added later is laid out alike."""

    neighbours: int = NEIGHBOURS
    across: float = ACROSS
    seed: int = 0
    device: str = "auto"


class NeighbourProjector:
    """Positions of the recorded samples, and the ways there and back for others.

    ``positions`` is of shape (epoch, sample, 2), float32.
    """

    def __init__(
        self,
        positions: Floats,
        drift: Drift,
        frames: Frames | None,
        heads: Heads | None,
        settings: Settings,
    ) -> None:
        self.positions = positions
        self._drift = drift
        self._frames, self._heads = frames, heads
        self._settings = settings
        self._held: tuple[int, _Frame] | None = None

    def project(self, x: Floats, epoch: int) -> Floats:
        frame = self._frame(epoch)
        parts = [
            frame.place(x[at : at + _ROWS], lambda rows: self._classes(rows, epoch))
            for at in range(0, len(x), _ROWS)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.float32)

    def invert(self, xy: Floats, epoch: int) -> Floats:
        frame = self._frame(epoch)
        parts = [frame.back(xy[at : at + _ROWS]) for at in range(0, len(xy), _ROWS)]
        width = frame.rows.shape[1]
        return np.concatenate(parts) if parts else np.empty((0, width), dtype=np.float32)

    def state(self) -> Mapping[str, NDArray[Any]]:
        drift = self._drift
        return {
            "positions": self.positions,
            "scale": drift.scale,
            "centre": drift.centre,
            "spread": drift.spread,
            "bend": np.array([drift.unit, drift.power]),
            "seed": np.asarray(self._settings.seed),
            "neighbours": np.asarray(self._settings.neighbours),
            "across": np.asarray(self._settings.across),
        }

    def extended(
        self, frames: Frames, heads: Heads | None, *, report: Report
    ) -> NeighbourProjector:
        """One more epoch, laid out from the positions of the last."""
        report("laying out the new epoch", 0.0)
        epoch = len(frames) - 1
        last = self._drift.taken(self.positions[-1], epoch - 1)
        start = torch.from_numpy(last).to(device_of(self._settings.device))
        links = linked(*_rows(frames, heads, epoch), self._settings)
        laid = _laid(frames, epoch, start, links, self._settings)
        drift = one_more(self._drift, frames, laid)
        positions = np.concatenate([self.positions, drift.put(laid, epoch)[None]])
        return NeighbourProjector(positions, drift, frames, heads, self._settings)

    def _classes(self, x: Floats, epoch: int) -> NDArray[np.int64] | None:
        if self._heads is None:
            return None
        return outputs.predicted(self._heads.logits(x, epoch), self._heads.kind)

    def _frame(self, epoch: int) -> _Frame:
        """The frame of an epoch with its indices; the last one asked for is kept."""
        if self._frames is None:
            raise UsageError(
                "this movie was loaded without its representations, which its ways there and "
                "back go by: give them to load()"
            )
        if self._held is None or self._held[0] != epoch:
            self._held = None  # not two frames at once
            kept = np.flatnonzero(self._frames.finite[epoch])
            rows = self._frames.rows(epoch, kept)
            self._held = (
                epoch,
                _Frame(
                    rows,
                    self.positions[epoch][kept],
                    self._classes(rows, epoch),
                    seed=self._settings.seed,
                    device=device_of(self._settings.device),
                ),
            )
        return self._held[1]


class _Frame:
    """The recorded samples of one epoch: representations, positions, predicted classes."""

    def __init__(
        self,
        rows: Floats,
        positions: Floats,
        classes: NDArray[np.int64] | None,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.rows = torch.from_numpy(rows).to(device)
        self.positions = torch.from_numpy(positions).to(device)
        self.classes = None if classes is None else torch.from_numpy(classes).to(device)
        self._seed = seed
        self._index: Cells | None = None
        self._tree: Any = None
        self._spacing = 0.0

    def place(self, x: Floats, predict: Predict) -> Floats:
        """Positions (n, 2) of representations (n, D)."""
        if self._index is None:
            self._index = Cells(self.rows, seed=self._seed)
        queries = torch.from_numpy(np.ascontiguousarray(x)).to(self.rows.device)
        distance, index = self._index.search(queries, NEIGHBOURS)
        weight = 1 / (distance + 1e-3 * distance[:, -1:] + 1e-12)
        spots = self.positions[index]  # (n, k, 2)
        classes = predict(x)
        alike = torch.ones_like(index, dtype=torch.bool)
        if classes is not None and self.classes is not None:
            alike = self.classes[index] == torch.from_numpy(classes).to(index.device)[:, None]
            weight = torch.where(alike | ~alike.any(dim=1, keepdim=True), weight, 0.0)
        places = _candidates(spots, weight, self._scale())
        order = self._kept(places, index).argsort(dim=1, descending=True, stable=True)
        places = places.gather(1, order[:, :, None].expand(-1, -1, 2))
        result = places[:, 0].clone()
        known = distance[:, 0] <= 1e-4 * distance[:, -1]  # the recorded sample itself
        result[known] = spots[known, 0]
        some = np.flatnonzero((~known).cpu().numpy())
        if classes is not None and len(some):
            wrong = some[predict(self.back(result[some].cpu().numpy())) != classes[some]]
            at, toward = self._nearest_alike(queries, index, alike, wrong, classes)
            if len(at):
                on = torch.from_numpy(at).to(index.device)
                spots = self.positions[toward]
                result[on] = self._agreeing(places[on], spots, classes[at], predict)
        return np.asarray(result.cpu().numpy(), dtype=np.float32)

    def _nearest_alike(
        self,
        queries: Tensor,
        neighbours: Tensor,
        alike: Tensor,
        which: NDArray[np.int64],
        classes: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], Tensor]:
        """Those of the queries ``which`` with a recorded sample predicted alike, and the nearest.

        Mostly one of the neighbours (n, k), of which ``alike`` (n, k) are; else one is looked for
        among all that are predicted so, if any is.
        """
        assert self.classes is not None
        found = torch.full((len(queries),), -1, dtype=torch.long, device=queries.device)
        near = alike.any(dim=1)
        found[near] = neighbours[near, alike[near].int().argmax(dim=1)]
        far = which[~near.cpu().numpy()[which]]
        for name in np.unique(classes[far]).tolist():
            members = (self.classes == name).nonzero()[:, 0]
            if len(members):
                asked = torch.from_numpy(far[classes[far] == name]).to(queries.device)
                for on in torch.split(asked, _AT_ONCE):
                    away = torch.cdist(queries[on], self.rows[members])
                    found[on] = members[away.argmin(dim=1)]
        found = found[torch.from_numpy(which).to(found.device)]
        there = found >= 0
        return which[there.cpu().numpy()], found[there]

    def _agreeing(
        self, places: Tensor, toward: Tensor, classes: NDArray[np.int64], predict: Predict
    ) -> Tensor:
        """The first of the places (n, candidate, 2) whose way back is predicted as it should be.

        Where there is none, the first on the way from the best place to the spot ``toward``
        (n, 2) of a recorded sample that is predicted so.
        """
        shares = torch.tensor(_TOWARD, device=places.device)[None, :, None]
        nearer = places[:, :1] + shares * (toward[:, None] - places[:, :1])
        places = torch.cat([places, nearer], dim=1)
        n, count, _ = places.shape
        said = predict(self.back(places.reshape(-1, 2).cpu().numpy()))
        right = torch.from_numpy(np.reshape(said == np.repeat(classes, count), (n, count)))
        right[:, -1] |= ~right.any(dim=1)
        return places[torch.arange(n), right.int().argmax(dim=1).to(places.device)]

    def _kept(self, places: Tensor, neighbours: Tensor) -> Tensor:
        """How many of the neighbours (n, k) lie round each of the places (n, candidate, 2)."""
        n, count, _ = places.shape
        k = neighbours.shape[1]
        _, found = self._canvas().query(places.reshape(-1, 2).cpu().numpy(), k=k)
        round_it = torch.from_numpy(np.reshape(found, (n, count, k))).to(neighbours.device)
        return (round_it[:, :, :, None] == neighbours[:, None, None, :]).any(dim=3).sum(dim=2)

    def back(self, xy: Floats) -> Floats:
        """Representations (n, D) of positions (n, 2): near samples, by inverse cubed distance."""
        k = min(_AROUND, len(self.rows))
        distance, index = self._canvas().query(xy, k=k)
        distance, index = np.reshape(distance, (-1, k)), np.reshape(index, (-1, k))
        # a sample on the very place outweighs the others by 1e9 and more
        weight = 1 / (distance + 1e-4 * distance[:, -1:] + 1e-12) ** 3
        weight /= weight.sum(axis=1, keepdims=True)
        weights = torch.from_numpy(weight.astype(np.float32)).to(self.rows.device)
        near = self.rows[torch.from_numpy(index).to(self.rows.device)]
        return np.asarray(torch.bmm(weights[:, None], near)[:, 0].cpu().numpy())

    def _canvas(self) -> Any:
        """A tree of the positions."""
        from scipy.spatial import cKDTree

        if self._tree is None:
            self._tree = cKDTree(self.positions.cpu().numpy())
        return self._tree

    def _scale(self) -> float:
        """The usual distance on the canvas from a sample to its 15th neighbour there."""
        if not self._spacing:
            some = self.positions[:: max(1, len(self.positions) // 1000)].cpu().numpy()
            k = min(NEIGHBOURS + 1, len(self.positions))
            distance, _ = self._canvas().query(some, k=k)
            self._spacing = max(float(np.median(np.reshape(distance, (-1, k))[:, -1])), 1e-9)
        return self._spacing


def _candidates(spots: Tensor, weight: Tensor, scale: float) -> Tensor:
    """Places (n, candidate, 2) where groups of the spots (n, k, 2) lie together.

    Each is the weighted mean of the spots round one of those with most others near it, near
    meaning half, once or twice the usual distance. A mean over all would put a sample between two
    groups that are its neighbours, where neither is.
    """
    away = torch.cdist(spots, spots) / scale
    support = (torch.exp(-0.5 * away * away) * weight[:, None, :]).sum(dim=2) * (weight > 0)
    anchors = support.topk(min(_ANCHORS, spots.shape[1]), dim=1).indices
    weight = weight + 1e-6 * weight.amax(dim=1, keepdim=True)  # an anchor may have no weight
    places = []
    for anchor in anchors.T:
        distance = away[torch.arange(len(spots)), anchor]
        for reach in _REACHES:
            near = torch.exp(-0.5 * (distance / reach) ** 2) * weight
            place = (spots * near[:, :, None]).sum(dim=1) / near.sum(dim=1, keepdim=True)
            places.append(place)
    return torch.stack(places, dim=1)


def fit(
    frames: Frames,
    heads: Heads | None,
    *,
    seed: int,
    device: str,
    report: Report,
    cache: Cache,
    neighbours: int = NEIGHBOURS,
    across: float = ACROSS,
) -> NeighbourProjector:
    """The projector of all epochs.

    ``neighbours`` is the size of the graph, ``across`` the weight from 0 to 1 of an edge
    between samples predicted differently.
    """
    if neighbours < 1 or not 0 <= across <= 1:
        raise UsageError(
            "expected neighbours of at least 1 and across from 0 to 1 "
            f"but got {neighbours} and {across}"
        )
    settings = Settings(neighbours, across, seed, device)
    layouts = np.zeros((len(frames), frames.samples, 2), dtype=np.float32)
    order = list(reversed(range(len(frames))))
    done = {epoch: kept for epoch in order if (kept := cache.get(f"epoch-{epoch}")) is not None}
    todo = [epoch for epoch in order if epoch not in done]
    links = mapped(
        linked,
        ((*_rows(frames, heads, epoch), settings) for epoch in todo),
    )
    start: Tensor | None = None
    for at, epoch in enumerate(order):
        report(f"laying out epoch {epoch}", at / len(frames))
        if epoch in done:
            laid = done[epoch]["positions"]
        else:
            laid = _laid(frames, epoch, start, next(links), settings)
            cache.put(f"epoch-{epoch}", {"positions": laid})
        layouts[epoch] = laid
        start = torch.from_numpy(laid).to(device_of(device))
    drift = drift_of(frames, layouts)
    positions = np.stack([drift.put(laid, epoch) for epoch, laid in enumerate(layouts)])
    return NeighbourProjector(positions, drift, frames, heads, settings)


def restore(
    state: Mapping[str, NDArray[Any]], frames: Frames | None, heads: Heads | None
) -> NeighbourProjector:
    """The projector of a kept state."""
    unit, power = state["bend"].tolist()
    drift = Drift(state["scale"], state["centre"], state["spread"], unit, power)
    settings = Settings(int(state["neighbours"]), float(state["across"]), int(state["seed"]))
    return NeighbourProjector(state["positions"], drift, frames, heads, settings)


def linked(
    rows: Floats, classes: NDArray[np.int64] | None, settings: Settings
) -> tuple[NDArray[np.int32], Floats]:
    """Nearest neighbours (n, k) of representations (n, D), and the weights (n, k) of their edges.

    Arrays in and arrays out, so that it may run anywhere.
    """
    here = torch.from_numpy(np.ascontiguousarray(rows)).to(device_of(settings.device))
    _, near = Cells(here, seed=settings.seed).search(here, settings.neighbours, itself=False)
    index = near.cpu().numpy()
    # equal weights: with those of t-SNE a tenth of the 15 neighbours less was preserved
    weights = np.ones(index.shape, dtype=np.float32)
    if classes is not None:
        weights[classes[index] != classes[:, None]] = settings.across
    return index.astype(np.int32), weights


def _rows(
    frames: Frames, heads: Heads | None, epoch: int
) -> tuple[Floats, NDArray[np.int64] | None]:
    """The finite representations of an epoch and what is predicted of them."""
    rows = frames.rows(epoch, np.flatnonzero(frames.finite[epoch]))
    if heads is None:
        return rows, None
    return rows, outputs.predicted(heads.logits(rows, epoch), heads.kind)


def _laid(
    frames: Frames,
    epoch: int,
    start: Tensor | None,
    links: tuple[NDArray[np.int32], Floats],
    settings: Settings,
) -> Floats:
    """Positions (sample, 2) of an epoch; samples that are not finite stay where they start."""
    kept = torch.from_numpy(np.flatnonzero(frames.finite[epoch])).to(device_of(settings.device))
    rows = torch.from_numpy(frames.rows(epoch, kept.cpu().numpy())).to(kept.device)
    near, weights = (torch.from_numpy(part).to(kept.device) for part in links)
    graph = graph_of(near.long(), weights)
    if start is None:
        y, plan = _beginning(rows), _FIRST
        whole = torch.zeros(frames.samples, 2, device=rows.device)
    else:
        whole, plan = start.clone(), _NEXT
        y = whole[kept]
    for steps, exaggeration, momentum in plan:
        y = descend(y, graph, steps=steps, exaggeration=exaggeration, momentum=momentum)
    whole[kept] = y[twins(rows)]  # equal representations have one place
    return np.asarray(whole.cpu().numpy(), dtype=np.float32)


def _beginning(rows: Tensor) -> Tensor:
    """The first two principal components, small: the layout unfolds them."""
    centred = rows - rows.mean(dim=0)
    covariance = (centred.T @ centred).double() / len(rows)
    _, vectors = torch.linalg.eigh(covariance)
    axes = vectors[:, -2:].flip(dims=(1,)).to(rows.dtype)
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    axes *= torch.where(largest < 0, -1.0, 1.0)  # the signs are free: fix them
    y = centred @ axes
    if y.shape[1] < 2:
        y = torch.cat([y, torch.zeros_like(y)], dim=1)
    y = 1e-2 * y / y[:, 0].std().clamp(min=1e-12)
    # points on one spot feel no force: lift each by a little that depends on its number only
    number = torch.arange(len(y), device=y.device, dtype=y.dtype)
    lift = 1e-4 * torch.stack([torch.sin(12.9898 * number), torch.cos(78.233 * number)], 1)
    result: Tensor = y + lift
    return result
