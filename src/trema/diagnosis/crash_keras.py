"""Shapes that do not fit, as Keras tells them."""

from __future__ import annotations

import math
import re

from trema.core.diagnosis import Cause, Fix
from trema.core.facts import RunInfo
from trema.diagnosis.crash import (
    Crash,
    Explained,
    LayerSeen,
    Rule,
    known_layer,
    numbers,
    shape,
    sizes,
)


def _named(name: str, info: RunInfo) -> LayerSeen:
    layer = known_layer(info, name)
    return LayerSeen(name, layer.class_name if layer is not None else "")


def _is(layer: LayerSeen, *kinds: str) -> bool:
    """Whether class or name say that the layer is one of these."""
    return any(kind in f"{layer.class_name} {layer.name}".lower() for kind in kinds)


def _axis(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    layer = _named(match[1], info)
    axis, wanted, given = int(match[2]), int(match[3]), numbers(match[4])
    got = given[axis] if -len(given) <= axis < len(given) else -1
    fixes = [
        Fix(f"make {layer.label} anew after a change of its input: its weights are for {wanted}"),
        Fix("give the model the same features in training, validation and prediction"),
    ]
    if len(given) > 2 and math.prod(given[1:]) == wanted:
        fixes.insert(0, Fix(f"flatten before {layer.label}: a `Flatten` layer makes {wanted}"))
    elif _is(layer, "conv") and wanted in given:
        fixes.insert(0, Fix("channels come last in Keras: `np.moveaxis(x, 1, -1)`"))
    return Explained(
        message=f"{layer.label} takes {wanted} entries along axis {axis} but {got} arrived, in an "
        f"input of shape {shape(given)}",
        fixes=tuple(fixes),
        cause=Cause.ARCHITECTURE,
        layer=layer,
        at_layer=True,
        evidence=sizes(got, wanted, "entries", layer),
    )


def _axes(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    layer = _named(match[1], info)
    wanted, got, given = int(match[2]), int(match[3]), numbers(match[4])
    fixes = [Fix(f"give {layer.label} an input of {wanted} axes, the batch first")]
    if wanted == got + 1 and _is(layer, "conv"):
        fixes.insert(0, Fix("add the axis of channels: `x[..., np.newaxis]`"))
    elif wanted == got + 1 and _is(layer, "lstm", "gru", "rnn"):
        fixes.insert(0, Fix("keep the axis of steps: `return_sequences=True` in the layer before"))
    elif got > wanted:
        fixes.insert(0, Fix("put a `Flatten` or `GlobalAveragePooling` layer before it"))
    return Explained(
        message=f"{layer.label} takes an input of {wanted} axes but got {got}: {shape(given)}",
        fixes=tuple(fixes),
        cause=Cause.ARCHITECTURE,
        layer=layer,
        at_layer=True,
        evidence=sizes(got, wanted, "axes", layer),
    )


def _whole(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    layer, wanted, given = _named(match[1], info), numbers(match[2]), numbers(match[3])
    return _inputs(layer, wanted, given)


def _model(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    return _inputs(None, numbers(match[1]), numbers(match[2]))


def _inputs(layer: LayerSeen | None, wanted: tuple[int, ...], given: tuple[int, ...]) -> Explained:
    fixes = [
        Fix(f"give the model samples of shape {shape(wanted[1:])}"),
        Fix(f"or make it for what comes: `keras.Input({shape(given[1:])})`"),
    ]
    if math.prod(given[1:]) == math.prod(wanted[1:]):
        text = ", ".join(map(str, wanted[1:]))
        fixes.insert(0, Fix(f"reshape the samples: `x.reshape(-1, {text})`"))
    elif sorted(given[1:]) == sorted(wanted[1:]):
        fixes.insert(0, Fix("the axes are in another order: `np.moveaxis(x, 1, -1)`"))
    return Explained(
        message=f"the model takes samples of shape {shape(wanted[1:])} but got {shape(given[1:])}",
        fixes=tuple(fixes),
        cause=Cause.DATA,
        layer=layer,
        evidence=sizes(abs(math.prod(given[1:])), abs(math.prod(wanted[1:])), "numbers", layer),
    )


def _loss(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    target, output = numbers(match[1]), numbers(match[2])
    fixes = [Fix("give outputs and targets the same shape")]
    classes = output[-1] if len(output) > 1 else 0
    if classes > 1 and (len(target) < len(output) or target[-1] == 1):
        fixes = [
            Fix('for class indices: `loss="sparse_categorical_crossentropy"`'),
            Fix(f"or make one-hot targets: `keras.utils.to_categorical(y, {classes})`"),
        ]
    elif len(target) == len(output) and classes and target[-1] == classes:
        fixes = [Fix('for one-hot targets: `loss="categorical_crossentropy"`')]
    elif len(target) == len(output) and classes:
        fixes.insert(0, Fix(f"make the last layer {target[-1]} wide, as the targets are"))
    return Explained(
        message=f"the loss got targets of shape {shape(target)} and outputs of shape "
        f"{shape(output)}",
        fixes=tuple(fixes),
        cause=Cause.LOSS,
        evidence=sizes(len(target), len(output), "axes", None),
    )


def _one_hot(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    target, output = numbers(match[1]), numbers(match[2])
    return Explained(
        message=f"a sparse loss takes one index a sample but got targets of shape {shape(target)} "
        f"for outputs of shape {shape(output)}",
        fixes=(
            Fix('for one-hot targets: `loss="categorical_crossentropy"`'),
            Fix("or give indices: `y.argmax(-1)`"),
        ),
        cause=Cause.LOSS,
        evidence=sizes(len(target), len(output) - 1, "axes", None),
    )


def _cardinality(match: re.Match[str], crash: Crash, info: RunInfo) -> Explained | None:
    x, y = numbers(match[1]), numbers(match[2])
    return Explained(
        message=f"inputs have {x[0]:,} samples but targets {y[0]:,}",
        fixes=(
            Fix("select rows of both with the same mask or the same split"),
            Fix("look where rows were dropped: `dropna` on one of the two only?"),
        ),
        cause=Cause.DATA,
        evidence=sizes(y[0], x[0], "samples", None),
    )


_S = r"(?:torch\.Size\()?[\[(]([\dNone, -]*)[\])]"
_LAYER = r"of layer [\"']([^\"']+)[\"'] is incompatible with the layer: "
_BOTH = rf".*?target\.shape={_S}.*?output\.shape={_S}"
KERAS_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern, re.DOTALL), rule)
    for pattern, rule in (
        (_LAYER + r"expected axis (-?\d+) of input shape to have value (\d+), but received input "
         rf"with shape {_S}", _axis),
        (_LAYER + r"expected (?:min_ndim|max_ndim|ndim)=(\d+), found ndim=(\d+)\. "
         rf"Full shape received: {_S}", _axes),
        (_LAYER + rf"expected shape={_S}, found shape={_S}", _whole),
        (rf"Expected shape {_S}, but input has incompatible shape {_S}", _model),
        (r"`target` and `output` must have the same shape up until" + _BOTH, _one_hot),
        (r"`target` and `output` must have the same (?:shape|rank \(ndim\))" + _BOTH, _loss),
        (r"must have rank \(ndim\) `target\.ndim - 1`" + _BOTH, _one_hot),
        (r"Data cardinality is ambiguous.*?'x' sizes: ([\d, ]+).*?'y' sizes: ([\d, ]+)",
         _cardinality),
    )
)  # fmt: skip
