"""Sketches of the data as checks read them, and small data sets for their cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import situation
from trema.checks.graph import first_use
from trema.core.datasets import Columns, DataSketch
from trema.core.diagnosis import Location
from trema.core.facts import TRAIN, VALIDATION, Fact, Observation, Phase, RunInfo
from trema.core.history import History
from trema.core.sketching import Split, sketch

#: Rows of passing batches from which something can be said about all data; of validation data
#: two batches are seen.
FEW = {TRAIN: 200, VALIDATION: 50}
#: Tokens of a sample, on average, below which hardly anything of it is left.
FEW_TOKENS = 4.0
_read: dict[int, tuple[Mapping[str, Any], DataSketch]] = {}


def sketches(history: History, phase: Phase) -> list[DataSketch]:
    """Every sketch of a split, in order of observation."""
    found = (_parsed(o.data) for o in history.observations(Fact.DATASET))
    return [one for one in found if one.split == phase]


def _parsed(data: Mapping[str, Any]) -> DataSketch:
    """A sketch, parsed once while it is in use."""
    known = _read.get(id(data))
    if known is not None and known[0] is data:
        return known[1]
    made = DataSketch.from_dict(data)
    if len(_read) >= 16:
        _read.clear()
    _read[id(data)] = (data, made)
    return made


def as_read(history: History, phase: Phase = TRAIN) -> DataSketch | None:
    """The numbers that the model reads: arrays, else enough batches; None without either."""
    found = [s for s in sketches(history, phase) if s.source != "beneath" and s.inputs]
    found = [s for s in found if s.source == "arrays" or s.read >= FEW[phase]]
    return found[0] if found else None


def samples(history: History, phase: Phase = TRAIN) -> DataSketch | None:
    """The samples of a split by index, as they lie in memory; None when they were not seen."""
    found = [s for s in sketches(history, phase) if s.source != "batches"]
    return found[0] if found else None


def classifies(run: RunInfo) -> bool:
    """Whether the targets are classes, one for each sample."""
    if run.outputs is not None:
        return run.outputs == "classification"
    return run.loss is not None and run.loss.kind in ("cross-entropy", "nll")


def is_ids(history: History, name: str) -> bool:
    """Whether an input is read by an embedding."""
    if not any(layer.kind == "embedding" for layer in history.run.layers):
        return False
    tensors = history.names(Fact.INPUT_MIN)
    return len(tensors) <= 1 or first_use(history.run, name, tensors).embedded


def predicts_tokens(history: History) -> bool:
    """Whether the targets are tokens of the vocabulary that an embedding reads, as in language
    models: how often they occur is a matter of the language."""
    run = history.run
    classes = history.classes()
    if classes is None:
        units = [layer.config.get("units") for layer in run.layers if layer.kind == "linear"]
        classes = units[-1] if units and isinstance(units[-1], int) else None
    if classes is None or classes < 8:
        return False
    ids = [layer.config.get("inputs") for layer in run.layers if layer.kind == "embedding"]
    if any(isinstance(size, int) and abs(size - classes) <= 4 for size in ids):
        return True
    # one-hot letters: as many features as classes
    shapes = [one.shape for found in sketches(history, TRAIN) for one in found.inputs.values()]
    return any(len(shape) == 2 and shape[1] == classes for shape in shapes)


def tables(history: History, found: DataSketch) -> dict[str, Columns]:
    """Inputs that are tables of numbers: no ids, and not known to be text or images."""
    if history.run.inputs in ("text", "image"):
        return {}
    return {
        name: one.columns
        for name, one in found.inputs.items()
        if one.form == "table" and one.columns is not None and not is_ids(history, name)
    }


def features(history: History, found: DataSketch) -> dict[str, Columns]:
    """Features of inputs that are series of numbers."""
    if history.run.inputs in ("text", "image"):
        return {}
    return {
        name: one.columns
        for name, one in found.inputs.items()
        if one.form == "series" and one.columns is not None
    }


def like_pixels(columns: Columns) -> bool:
    """Whether columns look like pixels, counts or one-hot codes, which are often empty: most of
    them begin at the same number, most have two values, or they can be a flattened image."""
    width = len(columns)
    roots = [round((width / parts) ** 0.5) for parts in (1, 3)]
    if width >= 64 and any(r * r * p == width for r, p in zip(roots, (1, 3), strict=True)):
        return True
    varying = columns.low[~columns.constant]
    if not len(varying):
        return True
    if float(columns.binary[~columns.constant].mean()) >= 0.5:
        return True
    _, counts = np.unique(varying, return_counts=True)
    return width >= 16 and counts.max() >= 0.75 * len(varying)


def informative(history: History, found: DataSketch) -> bool:
    """Whether equal inputs are surely one thing twice, and not two of few possible rows; the same
    words are followed by others each time."""
    if predicts_tokens(history):
        return False
    for name, one in found.inputs.items():
        if one.form in ("image", "series"):
            return True
        if one.tokens is not None and is_ids(history, name):
            filled = one.tokens.width * (1 - one.tokens.pad)  # rows of a word or two are alike
            return one.tokens.width >= 8 and one.tokens.high >= 32 and filled >= FEW_TOKENS
        if one.columns is not None:
            repeated = found.repeats.count / found.samples if found.repeats is not None else 0.0
            rows = min(found.read, 2048) * (1 - repeated)
            return bool((one.columns.distinct >= 0.5 * rows).any())
    return False


def place(run: RunInfo, phase: Phase = TRAIN) -> Location | None:
    """The line that reads a split, else the one that hands it on."""
    if phase == VALIDATION:
        return run.place("validation", "load-validation", "fit", "loop")
    return run.place("load", "data", "data-source", "inputs", "fit", "step")


def subject(name: str, noun: str = "the inputs") -> str:
    """``input `x``` or the noun."""
    return f"input `{name}`" if name else noun


def listed(items: list[str], most: int = 4) -> str:
    """``a, b and c``, or the first ones and how many more."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join(([", ".join(items[:-1])] if items[1:] else []) + items[-1:])


# for cases --------------------------------------------------------------------------------


def given(
    x: NDArray[Any],
    y: NDArray[Any] | None = None,
    run: RunInfo | None = None,
    *,
    validation: tuple[NDArray[Any], NDArray[Any] | None] | None = None,
    facts: Any = None,
    **options: Any,
) -> History:
    """A history in which these data were seen; ``options`` are fields of the training split."""
    seen = [Split(inputs={"": x}, targets=y, **options)]
    if validation is not None:
        seen.append(Split(inputs={"": validation[0]}, targets=validation[1]))
    observations = [
        Observation(fact=Fact.DATASET, step=None, epoch=None, data=sketch(one, phase).as_dict())
        for one, phase in zip(seen, (TRAIN, VALIDATION), strict=False)
    ]
    return situation(
        run or RunInfo(inputs="tabular", outputs="classification"),
        observations=observations,
        facts=facts,
    )


def table(rows: int = 400, columns: int = 6, seed: int = 0) -> NDArray[np.float64]:
    """Standard normal numbers."""
    return np.random.default_rng(seed).normal(size=(rows, columns))


def classes(rows: int = 400, count: int = 2, seed: int = 1) -> NDArray[np.int64]:
    """Classes in random order."""
    return np.random.default_rng(seed).integers(0, count, size=rows)


def pictures(count: int = 200, size: int = 12, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth gray images of shape (sample, size, size, 1), bytes of the whole range."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(-3, 3, size=(3, count, 1, 1))
    grid = np.linspace(-1, 1, size)
    waves = np.sin(a * grid[None, :, None] + b * grid[None, None, :] + c)
    return np.asarray((waves + 1) * 127.5, dtype=np.uint8)[..., None]
