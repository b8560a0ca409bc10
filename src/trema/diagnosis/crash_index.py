"""Indices outside: ids of tokens, class labels."""

from __future__ import annotations

import re

from trema.core.diagnosis import Cause, Evidence, Fix
from trema.core.facts import Layer, RunInfo
from trema.diagnosis.crash import ArraySeen, Crash, Explained, LayerSeen, Rule


def _ids(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    layer, entries = _embedding(crash, info)
    if layer is None:
        return None
    given = [*layer.arrays, *crash.held("embedding", "embedding_bag").values()]
    seen = next((array for array in given if array.highest is not None), None)
    return _outside_embedding(layer, entries, seen)


def _embedding(crash: Crash, info: RunInfo) -> tuple[LayerSeen | None, int | None]:
    for layer in crash.layers:
        if "Embedding" in layer.class_name:
            size = layer.options.get("num_embeddings") or layer.options.get("input_dim")
            return layer, size if isinstance(size, int) else _size(info.layer(layer.name))
    known = [layer for layer in info.layers if layer.kind == "embedding"]
    if len(known) != 1:
        return None, None
    return LayerSeen(known[0].name, known[0].class_name), _size(known[0])


def _size(layer: Layer | None) -> int | None:
    size = layer.config.get("inputs") if layer is not None else None
    return size if isinstance(size, int) else None


def _outside_embedding(layer: LayerSeen, entries: int | None, seen: ArraySeen | None) -> Explained:
    has = f"{layer.label} has {entries:,} entries" if entries else f"{layer.label} is too small"
    fixes = [Fix("make the vocabulary as large as the tokenizer's: `len(tokenizer)`")]
    highest = seen.highest if seen is not None else None
    lowest = seen.lowest if seen is not None else None
    if lowest is not None and lowest < 0:
        message = f"{has}, but an id of {lowest} came: negative ids point nowhere"
        fixes = [
            Fix("replace marks such as -100 or -1 by the id of padding before the embedding"),
        ]
        value = float(lowest)
    elif highest is not None:
        message = f"{has}, ids 0 to {entries - 1 if entries else '?'}, but {highest} came"
        value = float(highest)
        fixes.insert(0, Fix(f"make it larger: {highest + 1:,} entries for ids up to {highest:,}"))
        fixes.append(Fix("map unknown tokens to one id before the model sees them"))
    else:
        message = f"{has}, and an id outside of it came"
        value = float("nan")
    limit = float(entries - 1) if entries else None
    return Explained(
        message=message,
        fixes=tuple(fixes),
        cause=Cause.DATA,
        layer=layer,
        at_layer=lowest is None or lowest >= 0,
        evidence=(Evidence("index", value, limit, name=layer.name),),
    )


def _target(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    return _outside_classes(int(match[1]), crash)


def _outside_classes(label: int | None, crash: Crash, classes: int | None = None) -> Explained:
    held = crash.held("cross_entropy", "nll_loss", "sparse_categorical_crossentropy")
    outputs = held.get("input") or held.get("output")
    targets = held.get("target")
    if classes is None and outputs is not None and len(outputs.shape) > 1:
        classes = outputs.shape[1]
    lowest = targets.lowest if targets is not None else None
    highest = targets.highest if targets is not None else label
    fixes = []
    if label is not None and label < 0:
        fixes.append(Fix("tell the loss which label to pass over: `ignore_index=…`"))
    elif classes and lowest == 1 and highest == classes:
        fixes.append(Fix("count labels from 0: `y - 1`"))
    elif highest is not None:
        fixes.append(Fix(f"make the last layer {highest + 1} wide, as there are labels"))
    fixes.append(Fix("encode the labels as 0 to classes - 1 where the data is read"))
    span = f"; labels of this batch go from {lowest} to {highest}" if lowest is not None else ""
    width = f"the model has {classes} outputs, labels 0 to {classes - 1}" if classes else "labels"
    what = f"{width}, but {label} came" if label is not None else f"a label is outside: {width}"
    return Explained(
        message=f"{what}{span}",
        fixes=tuple(fixes),
        cause=Cause.LABELS,
        evidence=(
            Evidence(
                "label",
                float(label) if label is not None else float("nan"),
                float(classes - 1) if classes else None,
            ),
        ),
    )


def _class_values(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    return _outside_classes(None, crash, _width(info))


def _width(info: RunInfo) -> int | None:
    """Units of the last layer before the loss that has any."""
    for name in info.head:
        layer = info.layer(name)
        units = layer.config.get("units") if layer is not None else None
        if isinstance(units, int):
            return units
    return None


def _on_device(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    layer, entries = _embedding(crash, info)
    size = f", an id of {entries:,} or more in {layer.label}" if layer and entries else ""
    return Explained(
        message=f"an index was outside on the GPU: most often a label that is no class{size}",
        fixes=(
            Fix("run one batch on the CPU: there the message names the index"),
            Fix("set `CUDA_LAUNCH_BLOCKING=1`: then the traceback ends at the right line"),
            Fix("print `y.min()`, `y.max()` and the width of the outputs before training"),
        ),
        cause=Cause.LABELS,
        layer=layer,
        evidence=(Evidence("index", float("nan")),),
    )


def _named(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    index, axis, size = map(int, match.groups())
    if crash.own and not crash.layers and not crash.calls:
        return None  # Python's own message says it all
    where = f" in {crash.layer.label}" if crash.layer is not None else ""
    return Explained(
        message=f"index {index} is outside of axis {axis}, which has {size} entries{where}",
        fixes=(
            Fix(f"indices go from 0 to {size - 1}: count from 0, and stop before the size"),
            Fix("compare the sizes of the data and of what holds its indices"),
        ),
        cause=Cause.DATA,
        layer=crash.layer,
        evidence=(Evidence("index", float(index), float(size - 1)),),
    )


def _gathered(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    index, size = int(match[1]), int(match[2])
    layer, _ = _embedding(crash, info)
    if layer is not None:
        return _outside_embedding(layer, size, ArraySeen("ids", (), "int64", index, index))
    return _outside_classes(index, crash, size)


INDEX_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"index out of range in self", _ids),
        (r"Target (-?\d+) is out of bounds", _target),
        (r"Class values must be (?:smaller than num_classes|non-negative)", _class_values),
        (r"device-side assert triggered", _on_device),
        (r"indices\[[\d,]*\] = (-?\d+) is not in \[0, (\d+)\)", _gathered),
        (r"[Rr]eceived a label value of (-?\d+) which is outside the valid range of \[0, (\d+)\)",
         _gathered),
        (r"index (-?\d+) is out of bounds for (?:dimension|axis) (\d+) with size (\d+)", _named),
    )
)  # fmt: skip
