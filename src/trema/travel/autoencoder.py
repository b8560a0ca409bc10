"""The network of DVI and TimeVis: representations to the canvas and back."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trema.travel.frames import Frames
from trema.travel.visualizers.base import Floats

#: Rows of each frame that the common scale is measured by.
_ROWS = 2000


class Autoencoder(nn.Module):
    """``hidden`` layers of half the width (DVI: 512-256-256-256-256-2), ReLU, and the mirror."""

    def __init__(self, width: int, hidden: int, draw: torch.Generator) -> None:
        super().__init__()
        sizes = [width, *[max(width // 2, 8)] * hidden, 2]
        self.encoder = _layers(sizes, draw)
        self.decoder = _layers(sizes[::-1], draw)

    def encode(self, x: Tensor) -> Tensor:
        """(n, D) -> (n, 2)."""
        result: Tensor = self.encoder(x)
        return result

    def decode(self, xy: Tensor) -> Tensor:
        """(n, 2) -> (n, D)."""
        result: Tensor = self.decoder(xy)
        return result

    def weights(self) -> dict[str, NDArray[Any]]:
        """A copy of all parameters."""
        return {name: p.detach().cpu().numpy().copy() for name, p in self.named_parameters()}

    def put(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take these parameters."""
        with torch.no_grad():
            for name, p in self.named_parameters():
                p.copy_(torch.from_numpy(np.asarray(weights[name])))


def generator(*seeds: int) -> torch.Generator:
    """A generator of its own on the CPU, so that devices draw the same."""
    state = np.random.SeedSequence(seeds).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)


def common_scale(frames: Frames) -> tuple[Floats, float]:
    """The mean (D,) and the deviation of a feature over all epochs, averaged over the features.

    One shift and one number for the whole run: representations of any unit then weigh alike in
    the reconstruction, and neither distances between epochs nor neighbours change.
    """
    some = np.linspace(0, frames.samples - 1, min(frames.samples, _ROWS)).astype(np.int64)
    rows = [frames.rows(epoch, some)[frames.finite[epoch][some]] for epoch in range(len(frames))]
    together = np.concatenate(rows)
    if not len(together):
        return np.zeros(frames.width, dtype=np.float32), 1.0
    spread = float(np.sqrt(together.var(axis=0, dtype=np.float64).mean()))
    return together.mean(axis=0, dtype=np.float64).astype(np.float32), spread or 1.0


def _layers(sizes: list[int], draw: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        # drawn here, by an own generator: the caller's random state stays as it is
        layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            for p in layer.parameters():
                p.copy_((torch.rand(p.shape, generator=draw) * 2 - 1) / inputs**0.5)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
