"""The last linear layer of a network, and what its outputs and labels mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import UsageError
from trema.travel.record.files import POOL

#: More outputs than this are words of a vocabulary, not classes with a place on a map.
MOST_OUTPUTS = 4096


class Refused(UsageError):
    """What cannot be recorded, in one sentence; the training goes on without a recording."""


@dataclass(frozen=True)
class Head:
    """``weights`` (output, D) and ``biases`` (output,), float32; logits are ``x @ weights.T + b``.

    ``basis`` (kept, D) is there when representations are compressed: ``weights`` then belong to
    what is kept, and ``weights @ basis`` are those of the network.
    """

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    basis: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, weights: NDArray[Any], biases: NDArray[Any] | None) -> Head:
        """A head from arrays of any real dtype; without biases they are zero."""
        w = np.ascontiguousarray(weights, dtype=np.float32)
        b = np.zeros(len(w), np.float32) if biases is None else np.array(biases, dtype=np.float32)
        return cls(w, b)


def called(layer: str) -> str:
    """A layer in words; a model that is one linear layer has no name for it."""
    return f"`{layer}`" if layer else "the model itself"


def checked_outputs(shape: tuple[int, ...], samples: int, layer: str) -> int:
    """The number of logits of a head whose output has this shape for so many samples.

    Raises
    ------
    Refused
        For logits a token or a pixel, and for more than 4,096 of them.
    """
    if len(shape) != 2 or shape[0] != samples:
        raise Refused(
            f"{called(layer)} gives outputs of shape {shape} for {samples} samples: time travel "
            "shows one prediction a sample, and language models predict every token"
        )
    if shape[1] > MOST_OUTPUTS:
        raise Refused(
            f"{called(layer)} has {shape[1]:,} outputs, above the {MOST_OUTPUTS:,} that time "
            "travel shows as classes: language-model heads are not recorded"
        )
    return shape[1]


def kind_of(outputs: int, labels: NDArray[Any] | None, *, stated: str | None, sigmoid: bool) -> str:
    """What the outputs are: stated, else one logit is *sigmoid*; several are *multilabel* where
    the network ends in a sigmoid or a sample carries no or several labels, else *softmax*."""
    if stated is not None:
        if stated == "sigmoid" and outputs != 1:
            raise Refused(f"kind 'sigmoid' needs one output but the head has {outputs}")
        return stated
    if outputs == 1:
        return "sigmoid"
    many = labels is not None and labels.ndim == 2 and labels.shape[1] == outputs
    if many and labels is not None and bool(((labels > 0.5).sum(axis=1) != 1).any()):
        return "multilabel"
    return "multilabel" if sigmoid else "softmax"


@dataclass(frozen=True)
class Meaning:
    """What outputs are, and the labels of each split as :func:`label_numbers` gives them.

    ``signed``: labels were given as −1 and 1 and are kept as 0 and 1.
    """

    kind: str
    numbers: dict[str, NDArray[np.int64] | None]
    signed: bool


def meaning_of(
    labels: Mapping[str, NDArray[Any] | None], outputs: int, *, stated: str | None, sigmoid: bool
) -> Meaning:
    """The kind by the first split that has labels, and all labels as numbers.

    With *sigmoid* and *multilabel*, −1 is a class where −1 and 1 both occur in a split and
    nothing else does in any, as hinge losses want it; everywhere else it is no label. A split
    without a label at all has None, and so has the pool, whatever its data set gives.

    Raises
    ------
    Refused
        When the kind or the labels cannot be.
    """
    told = {
        name: given
        for name, given in labels.items()
        if given is not None and name != POOL and _any(given)
    }
    kind = kind_of(outputs, next(iter(told.values()), None), stated=stated, sigmoid=sigmoid)
    values = {name: set(np.unique(given).tolist()) for name, given in told.items()}
    signed = kind != "softmax" and bool(told) and set().union(*values.values()) == {-1, 1}
    numbers: dict[str, NDArray[np.int64] | None] = dict.fromkeys(labels)
    for name, given in told.items():
        both = signed and len(values[name]) == 2
        numbers[name] = label_numbers(given > 0 if both else given, kind, outputs)
    return Meaning(kind, numbers, signed)


def _any(labels: NDArray[Any]) -> bool:
    """Whether some of these are labels: NaN and negative numbers stand for none."""
    return labels.dtype.kind not in "fi" or bool((labels >= 0).any())


def label_numbers(labels: NDArray[Any], kind: str, outputs: int) -> NDArray[np.int64]:
    """Labels as classes (sample,), or for *multilabel* as zeros and ones (sample, label).

    A sample without a label carries −1, as it does when it was given NaN or a negative number
    (−100 is what losses of PyTorch leave out).

    Raises
    ------
    Refused
        When they are no classes, as in a regression.
    """
    array = np.asarray(labels)
    if array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype.kind == "f" and array.ndim == 1:
        array = np.where(np.isnan(array), -1.0, array)
    if array.dtype.kind == "f" and not bool((array == np.round(array)).all()):
        if kind == "softmax" and array.ndim == 2:  # smoothed or mixed: the likeliest class
            return np.asarray(array.argmax(axis=1), dtype=np.int64)
        raise Refused("the labels are not classes: time travel shows classifications only")
    if kind == "softmax" and array.ndim == 2:
        array = array.argmax(axis=1)
    if array.ndim != (2 if kind == "multilabel" else 1) or array.dtype.kind not in "fiub":
        raise Refused(f"labels of shape {array.shape} and dtype {array.dtype} are no classes")
    numbers = np.maximum(array.astype(np.int64), -1)
    highest = int(numbers.max(initial=-1))
    most = outputs - 1 if kind == "softmax" else 1
    if highest > most:
        raise Refused(
            f"a label is {highest} where {most} is the highest class: the labels are not those of "
            f"this head of {outputs} {'output' if outputs == 1 else 'outputs'}"
        )
    return numbers
