"""The settings of a run as words and numbers, to be read and compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from trema.api.models import RunRow
from trema.api.queries.context import Context
from trema.api.queries.described import Described
from trema.api.queries.plain import mapping, real, sequence, text, whole
from trema.core.facts import TRAIN, Fact
from trema.core.numbers import show
from trema.store.base import Run, SeriesKey

SEGMENTS = 50  # parts of a run that are looked at
VALUE = 200  # characters
_RATES = frozenset({"lr", "learning_rate", "name"})  # told apart from the rest


def settings_of(context: Context, run: Run, described: Described, row: RunRow) -> dict[str, str]:
    """Name of a setting -> its value; parts of a run that differ are joined by a comma."""
    found: dict[str, list[str]] = {}
    for segment in sorted(described.infos)[:SEGMENTS]:
        for name, value in _of_segment(context, run, segment, described.info(segment)):
            values = found.setdefault(text(name), [])
            if value and value not in values:
                values.append(value)
    found.setdefault("framework", [row.framework])
    for name in ("arguments", "command"):
        if given := _words(run.metadata.get(name)):
            found[name] = [given]
    found["epochs"], found["steps"] = [f"{row.epochs:,}"], [f"{row.steps:,}"]
    return {name: ", ".join(values) for name, values in found.items() if values}


def _of_segment(
    context: Context, run: Run, segment: int, info: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for name in ("framework", "backend", "inputs", "outputs"):
        yield name, text(info.get(name))
    for optimizer in map(mapping, sequence(info.get("optimizers"))):
        yield "optimizer", text(optimizer.get("kind"))
        rates = [
            show(rate)
            for rate in map(real, sequence(optimizer.get("learning_rates")))
            if rate is not None
        ]
        yield "learning rate", ", ".join(dict.fromkeys(rates))
        if optimizer.get("scheduled"):
            yield "learning rate schedule", "yes"
        for name, value in list(mapping(optimizer.get("config")).items())[:50]:
            if name not in _RATES:
                yield text(name).replace("_", " "), _words(value)
    loss = mapping(info.get("loss"))
    yield "loss", text(loss.get("name")) or text(loss.get("kind"))
    yield "loss reads", text(loss.get("reads"))
    total, trainable = parameter_counts(info)
    if total:
        yield "parameters", f"{total:,}"
    if trainable != total:
        yield "trainable parameters", f"{trainable:,}"
    yield "batch size", _batch_size(context, run, segment, info)
    for name, key in (("training samples", "train_samples"), ("planned epochs", "epochs_planned")):
        if (number := whole(info.get(key))) is not None:
            yield name, f"{number:,}"
    yield "device", text(info.get("device"))
    yield "seed", text(info.get("seed"))
    for name, version in list(mapping(info.get("versions")).items())[:20]:
        yield f"{text(name)} version", text(version)
    for name, value in list(mapping(info.get("reproducibility")).items())[:60]:
        yield text(name), text(value, VALUE)


def parameter_counts(info: Mapping[str, Any]) -> tuple[int, int]:
    """All numbers of the model, and those that are trained."""
    total = trainable = 0
    for parameter in map(mapping, sequence(info.get("parameters"), 100_000)):
        size = parameter_size(parameter)
        total += size
        trainable += size if parameter.get("trainable", True) else 0
    return total, trainable


def parameter_size(parameter: Mapping[str, Any]) -> int:
    """How many numbers a parameter holds."""
    shape = [whole(size) for size in sequence(parameter.get("shape"))]
    sizes = [size for size in shape if size is not None and size >= 0]
    return min(math.prod(sizes), 2**53 - 1) if len(sizes) == len(shape) else 0


def _batch_size(context: Context, run: Run, segment: int, info: Mapping[str, Any]) -> str:
    key = SeriesKey(fact=str(Fact.BATCH_SIZE), phase=TRAIN, segment=segment)
    seen = context.store.window(run.id, key, width=2)  # the first point stands alone in it
    if len(seen.values):
        return show(float(seen.values[0]))
    return text(info.get("batch_size"))


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return show(value)
    if isinstance(value, list | tuple):
        return " ".join(_words(item) for item in value[:50])[:VALUE]
    return text(value, VALUE)
