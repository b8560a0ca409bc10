"""The data of a fit as a whole: what is told of each split before the first step."""

from __future__ import annotations

from typing import Any

import numpy as np

from trema.adapters.keras.data import FitCall, labels_of, rows_of
from trema.adapters.keras.seen import named
from trema.core.beneath import arrays_beneath
from trema.core.facts import TRAIN, VALIDATION, Fact, Observation, Phase
from trema.core.passing import Passing
from trema.core.sketching import Split, sketch
from trema.engine.session import Segment


def splits_of(call: FitCall) -> dict[Phase, Split]:
    """The splits that can be read without running the user's code."""
    found: dict[Phase, Split] = {}
    train = split_of(call.x, call.y, call.shuffle, call.weighted)
    if train is not None:
        found[TRAIN] = train
    if call.has_validation:
        validation = split_of(call.validation_x, call.validation_y, None, False)
        if validation is not None:
            found[VALIDATION] = validation
    return found


def split_of(x: Any, y: Any, shuffle: bool | None, weighted: bool) -> Split | None:
    """One split from the arguments of a fit; ``x`` may be arrays or something that gives batches.

    shuffle : the argument of ``fit``; it counts for arrays only
    """
    rows = rows_of(x) if x is not None else None
    if rows is not None and all(array.ndim >= 2 for array in rows.values()):
        loader = hasattr(x, "batch_sampler")
        return Split(
            inputs=rows,
            targets=labels_of(x, y),
            names=_names(x),
            source="arrays",
            shuffled=drawn(x) if loader else shuffle,
            weighted=weighted or (loader and _weighs(x)),
        )
    inner = getattr(x, "dataset", x) if hasattr(x, "batch_sampler") else x
    if inner is None or isinstance(inner, np.ndarray | list | tuple | dict):
        return None
    size = None
    if inner is not x:
        size = len(inner) if hasattr(type(inner), "__len__") else None
    pair = arrays_beneath(inner, _array, size)
    if pair is None:
        return None
    return Split(
        inputs={"": pair[0]},
        targets=pair[1],
        source="beneath",
        shuffled=drawn(x) if inner is not x else None,
        weighted=weighted or (inner is not x and _weighs(x)),
    )


def tell_datasets(segment: Segment, splits: dict[Phase, Split]) -> None:
    """Sketch the splits and take the sketches in."""
    for phase, split in splits.items():
        tell(segment, split, phase)


def tell(segment: Segment, split: Split, phase: Phase, step: int | None = None) -> None:
    """Sketch one split; ``step`` is None before training."""
    data = sketch(split, phase).as_dict()
    segment.observe(
        Observation(
            fact=Fact.DATASET,
            step=step,
            epoch=None if step is None else segment.history.epoch,
            data=data,
            segment=segment.number,
        )
    )


def keep_batch(passing: Passing, x: Any, y: Any) -> None:
    """Keep a batch that passes; one on an accelerator is left there."""
    inputs = {name: _array(tensor) for name, tensor in named(x).items()}
    if not inputs or any(array is None for array in inputs.values()):
        passing.full = True
        return
    targets = [_array(tensor) for tensor in named(y).values()] if y is not None else []
    known = {name: array for name, array in inputs.items() if array is not None}
    passing.add(known, targets[0] if len(targets) == 1 else None)


def drawn(loader: Any) -> bool | None:
    """Whether a torch ``DataLoader`` draws in random order, by the kind of its sampler."""
    kind = type(getattr(loader, "sampler", None)).__name__
    if type(getattr(loader, "batch_sampler", None)).__name__ != "BatchSampler":
        return None
    known = {"RandomSampler": True, "WeightedRandomSampler": True, "SequentialSampler": False}
    return known.get(kind)


def _weighs(loader: Any) -> bool:
    return type(getattr(loader, "sampler", None)).__name__ == "WeightedRandomSampler"


def _names(x: Any) -> tuple[str, ...]:
    columns = getattr(x, "columns", None)
    if columns is None or not hasattr(x, "to_numpy"):
        return ()
    return tuple(str(name)[:80] for name in columns)


def _array(tensor: Any) -> np.ndarray | None:
    """A numeric array of what lies in memory, without a copy; else None."""
    if hasattr(tensor, "detach"):
        if tensor.device.type != "cpu" or str(tensor.dtype) == "torch.bfloat16":
            return None
        found: np.ndarray = tensor.detach().numpy()
        return found if found.dtype.kind in "biuf" else None
    if isinstance(tensor, np.ndarray):
        return tensor if tensor.dtype.kind in "biuf" else None
    if type(tensor).__module__.split(".")[0] in ("jaxlib", "jax", "tensorflow"):
        array = np.asarray(tensor)
        return array if array.dtype.kind in "biuf" else None
    if hasattr(tensor, "to_numpy") and hasattr(tensor, "columns"):
        array = tensor.to_numpy()
        return array if array.dtype.kind in "biuf" else None
    return None
