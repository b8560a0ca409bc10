"""The series of each sample that anomalies are looked for in, as rows of one length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.travel import heads as outputs
from trema.travel.dynamics import differences
from trema.travel.heads import Kind

Floats = NDArray[np.float32]
#: Epochs of which logits are kept, evenly over the run: more tell little and cost memory.
_EPOCHS = 12
#: Logits kept by class up to so many classes; beyond it the largest ones by size.
_CLASSES = 32
#: The four features of DeepDebugger, section 4.1.
PAPER = ("location", "velocity", "acceleration", "confidence")


@dataclass(frozen=True)
class Series:
    """Rows by name, each (n, d) float32, of the samples that are usable.

    ``usable`` (all samples,) tells which those are: positions and logits finite at all epochs.
    """

    rows: Mapping[str, Floats]
    usable: NDArray[np.bool_]


def series_of(
    positions: Floats,
    frames: Sequence[NDArray[Any]],
    kind: Kind,
    origin: NDArray[np.float64] | None = None,
) -> Series:
    """The paper's four features and the logits.

    ``location`` (relative to ``origin`` (2,), the middle of the canvas), ``velocity``,
    ``acceleration``, ``confidence`` by epoch; ``logits`` by class and ordered by size, at
    epochs evenly over the run.
    """
    usable = np.asarray(np.isfinite(positions).all(axis=(0, 2)), dtype=bool)
    for frame in frames:
        usable &= np.asarray(np.isfinite(frame).all(axis=1), dtype=bool)
    places = np.asarray(positions[:, usable], dtype=np.float64)
    middle = middle_of(places) if origin is None else origin
    held = np.asarray(places - middle, dtype=np.float32)
    rows = {
        "location": differences(held, 0),
        "velocity": differences(held, 1),
        "acceleration": differences(held, 2),
        "confidence": np.empty((held.shape[1], len(frames)), dtype=np.float32),
    }
    chosen = set(np.linspace(0, len(frames) - 1, _EPOCHS).round().astype(int).tolist())
    parts = []
    for epoch, frame in enumerate(frames):
        z = np.asarray(frame[usable], dtype=np.float32)
        rows["confidence"][:, epoch] = outputs.confidence(z, kind)
        if epoch in chosen:
            parts += [z] if z.shape[1] <= _CLASSES else []
            parts += [np.sort(z, axis=1)[:, -_CLASSES:]]
    rows["logits"] = np.concatenate(parts, axis=1)
    return Series({name: r for name, r in rows.items() if r.shape[1]}, usable)


def middle_of(positions: NDArray[np.floating]) -> NDArray[np.float64]:
    """The mean position (2,) over samples and epochs that are finite."""
    if not positions.size:
        return np.zeros(2)
    return np.asarray(np.nanmean(positions.reshape(-1, 2), axis=0, dtype=np.float64))
