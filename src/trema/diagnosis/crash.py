"""Why a program crashed, beside the exception: the layer, what met there, and the change that fits.

Everything here is data in, data out: the text of the exception, what its traceback shows, and what
is known of the run. An exception that is not understood gets no explanation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Location, Severity, Where
from trema.core.facts import Layer, RunInfo

PREFIX = "crash-"

#: Check id -> what it means in general, for ``trema explain``.
CRASHES = {
    "crash-shape": "Two arrays met whose sizes do not go together. Each layer fixes the size of "
    "one axis of what it takes; the sizes of its input follow from the layers before it. The "
    "batch axis comes first and must stay as it is through every reshape.",
    "crash-dtype": "An operation takes values of one type and got another. NumPy makes float64 and "
    "int64 by default, layers hold float32, class labels and ids of tokens must be whole numbers.",
    "crash-device": "Model and batch lie in the memory of different devices. Both must be moved: "
    "the model once, each batch in the loop.",
    "crash-index": "A number that is used as an index lies outside of what it points into: an id "
    "of a token outside the embedding, or a label outside the classes. Indices count from 0.",
    "crash-memory": "Parameters, their gradients, the state of the optimizer and the activations "
    "kept for the backward pass did not fit. Only the activations grow with the batch.",
}
TITLES = {
    "crash-shape": "the program crashed: shapes do not fit",
    "crash-dtype": "the program crashed: a type of numbers does not fit",
    "crash-device": "the program crashed: tensors lie on different devices",
    "crash-index": "the program crashed: an index is outside",
    "crash-memory": "the program crashed: the memory is full",
}


@dataclass(frozen=True)
class ArraySeen:
    """A tensor or array that a frame of the traceback held.

    lowest, highest : of whole numbers only, None where they were not looked at
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    lowest: int | None = None
    highest: int | None = None


@dataclass(frozen=True)
class LayerSeen:
    """A layer that was running.

    options : what it was made with, such as ``in_features``
    """

    name: str
    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    arrays: tuple[ArraySeen, ...] = ()

    @property
    def label(self) -> str:
        """The name for a message."""
        return Layer(name=self.name, kind="other", class_name=self.class_name).label


@dataclass(frozen=True)
class Crash:
    """What an exception and its traceback show.

    kinds : names of the exception's class and its bases
    layers : running layers, the innermost first
    calls : names of the functions that ran, the innermost first, with the arrays they held
    location : the innermost line of the user's code
    own : whether that line raised it itself
    memory : bytes of the device, or of the machine, that crashed for want of memory
    """

    kinds: tuple[str, ...]
    message: str
    layers: tuple[LayerSeen, ...] = ()
    calls: tuple[tuple[str, tuple[ArraySeen, ...]], ...] = ()
    location: Location | None = None
    own: bool = False
    memory: int | None = None

    @property
    def layer(self) -> LayerSeen | None:
        """The innermost layer."""
        return self.layers[0] if self.layers else None

    def batch_size(self) -> int | None:
        """Rows of the batch that the outermost layer was given."""
        for layer in reversed(self.layers):
            for array in layer.arrays:
                if len(array.shape) > 1:
                    return array.shape[0]
        return None

    def held(self, *functions: str) -> dict[str, ArraySeen]:
        """The arrays of the first of these functions that ran, by name."""
        for name, arrays in self.calls:
            if name in functions:
                return {array.name: array for array in arrays}
        return {}


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What a rule makes of a crash."""

    message: str
    fixes: tuple[Fix, ...]
    cause: Cause
    layer: LayerSeen | None = None
    at_layer: bool = False  # the change belongs where the layer is made
    evidence: tuple[Evidence, ...] = ()
    check: str | None = None
    title: str | None = None


Rule = Callable[[re.Match[str], Crash, RunInfo], Explained | None]


def explain(crash: Crash, info: RunInfo) -> Diagnosis | None:
    """What Trema knows of a crash, or None.

    info : of the part of the run that was going on; empty when no training had begun
    """
    from trema.diagnosis.crash_dtype import DTYPE_RULES
    from trema.diagnosis.crash_index import INDEX_RULES
    from trema.diagnosis.crash_keras import KERAS_RULES
    from trema.diagnosis.crash_memory import memory
    from trema.diagnosis.crash_shape import SHAPE_RULES, any_shapes

    found = memory(crash, info)
    if found is not None:
        return _diagnosis("crash-memory", found, crash, info)
    tables = (
        ("crash-dtype", DTYPE_RULES),
        ("crash-index", INDEX_RULES),
        ("crash-shape", SHAPE_RULES),
        ("crash-shape", KERAS_RULES),
    )
    for check, rules in tables:
        for pattern, rule in rules:
            match = pattern.search(crash.message)
            found = rule(match, crash, info) if match is not None else None
            if found is not None:
                return _diagnosis(found.check or check, found, crash, info)
    found = any_shapes(crash, info)
    return _diagnosis("crash-shape", found, crash, info) if found is not None else None


def _diagnosis(check: str, found: Explained, crash: Crash, info: RunInfo) -> Diagnosis:
    name = found.layer.name if found.layer is not None else None
    location = crash.location
    made = known_layer(info, name) if name else None
    if found.at_layer and made is not None and made.location is not None:
        location = made.location
    return Diagnosis(
        check=check,
        cause=found.cause,
        severity=Severity.CRITICAL,
        title=found.title or TITLES[check],
        message=found.message,
        evidence=found.evidence,
        fixes=found.fixes,
        where=Where(layer=made.name if made is not None else _part(found.layer)),
        location=location,
        confidence="measured",
    )


def _part(layer: LayerSeen | None) -> str | None:
    """The name of a layer; the whole model is none."""
    return None if layer is None or layer.name == layer.class_name else layer.name


def known_layer(info: RunInfo, name: str) -> Layer | None:
    """The layer of this name, also where only the end of its name was seen."""
    exact = info.layer(name)
    if exact is not None:
        return exact
    like = [layer for layer in info.layers if layer.name.endswith(f".{name}")]
    return like[0] if len(like) == 1 else None


def numbers(text: str) -> tuple[int, ...]:
    """The whole numbers in a text such as ``64, 1, 28, 28``; None stands for -1."""
    return tuple(-1 if part == "None" else int(part) for part in re.findall(r"-?\d+|None", text))


def shape(sizes: tuple[int, ...]) -> str:
    """A shape as Python writes it; a size of -1 is any."""
    inner = ", ".join("None" if size < 0 else str(size) for size in sizes)
    return f"({inner},)" if len(sizes) == 1 else f"({inner})"


def sizes(got: int, wanted: int, unit: str, layer: LayerSeen | None) -> tuple[Evidence, ...]:
    """The evidence of a size that is not the one wanted."""
    name = layer.name if layer is not None else ""
    return (Evidence("shape", float(got), float(wanted), unit, name=name),)
