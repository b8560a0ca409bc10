"""The last layer of the watched network, epoch after epoch: logits, classes and confidence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError
from trema.travel.frames import plain

Floats = NDArray[np.float32]
#: softmax: one class of several; sigmoid: one logit, two classes; multilabel: a logit a label.
Kind = Literal["softmax", "sigmoid", "multilabel"]
_KINDS = ("softmax", "sigmoid", "multilabel")


class Heads(Protocol):
    """Gives the logits that belong to representations."""

    @property
    def kind(self) -> Kind:
        """What the outputs are."""

    @property
    def outputs(self) -> int:
        """The number of logits."""

    def logits(self, x: Floats, epoch: int) -> Floats:
        """Logits of shape (n, output) of representations (n, D) at an epoch."""


@dataclass(frozen=True)
class LinearHeads:
    """A linear last layer.

    ``weights`` is of shape (epoch, output, D), ``biases`` of shape (epoch, output), float32.
    """

    weights: Floats
    biases: Floats
    kind: Kind

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[1])

    def logits(self, x: Floats, epoch: int) -> Floats:
        return np.asarray(x @ self.weights[epoch].T + self.biases[epoch], dtype=np.float32)


@dataclass(frozen=True)
class CallableHeads:
    """Any function ``(x, epoch) -> logits`` that takes and gives arrays."""

    call: Callable[[Floats, int], Any]
    outputs: int
    kind: Kind

    def logits(self, x: Floats, epoch: int) -> Floats:
        result = np.asarray(plain(self.call(x, epoch)), dtype=np.float32)
        result = result[:, None] if result.ndim == 1 else result
        if result.shape != (len(x), self.outputs):
            raise UsageError(
                f"heads(x, epoch) must give logits of shape ({len(x)}, {self.outputs}) as at the "
                f"first epoch but gave {result.shape} at epoch {epoch}"
            )
        return result


def heads_of(
    heads: Any, *, epochs: int, width: int, probe: Floats, kind: Kind | None = None
) -> Heads | None:
    """The heads a caller gave: None, Heads, a pair of arrays, a pair an epoch, or a function.

    ``probe`` is a few representations (n, D) with which a function is tried. ``kind`` is
    *softmax* for several outputs and *sigmoid* for one unless it is said.
    """
    if kind is not None and kind not in _KINDS:
        raise UsageError(f"expected a kind of {', '.join(_KINDS)} but got {kind!r}")
    if heads is None or isinstance(heads, (LinearHeads, CallableHeads)):
        return heads
    if callable(heads):
        _takes_two(heads)
        tried = np.asarray(plain(heads(probe, 0)))
        if tried.ndim not in (1, 2) or len(tried) != len(probe):
            raise UsageError(
                f"heads(x, epoch) must give logits of shape (n, class) for x of shape "
                f"{probe.shape} but gave {tried.shape}"
            )
        outputs = 1 if tried.ndim == 1 else tried.shape[1]
        return CallableHeads(heads, outputs, _kind(outputs, kind))
    weights, biases = _arrays(heads)
    if weights.ndim != 3 or weights.shape[0] != epochs or weights.shape[2] != width:
        raise UsageError(
            f"expected head weights of shape (epoch, class, D) = ({epochs}, class, {width}) "
            f"but got {weights.shape}"
        )
    if biases.shape != weights.shape[:2]:
        raise UsageError(
            f"expected head biases of shape (epoch, class) = {weights.shape[:2]} "
            f"but got {biases.shape}"
        )
    return LinearHeads(weights, biases, _kind(weights.shape[1], kind))


def one_more(heads: Heads | None, head: Any, epochs: int, width: int) -> Heads | None:
    """The heads and ``head``, the (weights, biases) of the last of ``epochs``.

    A function knows that epoch by itself.
    """
    if not isinstance(heads, LinearHeads):
        return heads
    if head is None:
        raise UsageError("expected head=(weights, biases) of the new epoch but got none")
    before = list(zip(heads.weights, heads.biases, strict=True))
    probe = np.zeros((2, width), dtype=np.float32)
    return heads_of([*before, head], epochs=epochs, width=width, probe=probe, kind=heads.kind)


def _takes_two(heads: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called as (x, epoch)."""
    try:
        signature = inspect.signature(getattr(heads, "forward", heads))
    except (TypeError, ValueError):  # written in C
        return
    try:
        signature.bind(None, 0)
    except TypeError:
        raise UsageError(
            f"heads must be a function (x, epoch) -> logits but it takes {signature}: "
            "give lambda x, epoch: … round it"
        ) from None


def _kind(outputs: int, said: Kind | None) -> Kind:
    if said in ("softmax", "sigmoid") and (said == "sigmoid") != (outputs == 1):
        raise UsageError(
            f"kind {said!r} needs {'one output' if said == 'sigmoid' else 'several outputs'} "
            f"but the head has {outputs}; several sigmoids are 'multilabel'"
        )
    return said or ("sigmoid" if outputs == 1 else "softmax")


def _arrays(heads: Any) -> tuple[Floats, Floats]:
    if isinstance(heads, Sequence) and len(heads) and all(_is_head(head) for head in heads):
        heads = _by_epoch([tuple(map(plain, head)) for head in heads])
    if not (isinstance(heads, Sequence) and len(heads) == 2):
        raise UsageError(
            "heads must be (weights, biases) of the last layer, or a function "
            f"(x, epoch) -> logits, but it is {type(heads).__name__}"
        )
    weights, biases = (_stacked(part) for part in heads)
    if not (np.isfinite(weights).all() and np.isfinite(biases).all()):
        raise UsageError("the weights of the head hold NaN or infinity; leave those epochs out")
    return weights, biases


def _stacked(part: ArrayLike) -> Floats:
    try:
        return np.ascontiguousarray(np.asarray(plain(part)), dtype=np.float32)
    except (TypeError, ValueError):
        raise UsageError(
            "heads must be (weights of shape (epoch, class, D), biases of shape (epoch, class)) "
            "but they are of unequal shapes or no numbers"
        ) from None


def _is_head(head: Any) -> bool:
    """Whether this is the (weights (class, D), biases (class,)) of one epoch."""
    if not isinstance(head, (tuple, list)) or len(head) != 2:
        return False
    try:
        return [np.ndim(plain(part)) for part in head] == [2, 1]
    except ValueError:  # lists of unequal lengths
        return False


def _by_epoch(heads: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Weights and biases of heads given epoch by epoch."""
    shapes = [tuple(np.shape(part) for part in head) for head in heads]
    for epoch, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise UsageError(
                f"every epoch must have a head of the same shape, but weights and biases are "
                f"{shapes[0]} at epoch 0 and {shape} at epoch {epoch}"
            )
    return [weights for weights, _ in heads], [biases for _, biases in heads]


def probabilities(logits: ArrayLike, kind: Kind) -> Floats:
    """Probabilities of classes, of shape (…, class); two columns for a sigmoid of one logit.

    For *multilabel* they are those of the labels, each by itself.
    """
    z = np.asarray(logits, dtype=np.float32)
    if kind == "softmax":
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return np.asarray(e / e.sum(axis=-1, keepdims=True), dtype=np.float32)
    p = np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)), dtype=np.float32)  # exact and never overflows
    return p if kind == "multilabel" else np.concatenate([1.0 - p, p], axis=-1)


def predicted(logits: ArrayLike, kind: Kind) -> NDArray[np.int64]:
    """The predicted class (…,).

    For *multilabel* it is the set of labels as a number, the first label the lowest bit, so
    that equal sets are equal numbers; sets of more than 62 labels are told by their first 62.
    """
    z = np.asarray(logits)
    if kind == "softmax":
        return np.asarray(z.argmax(axis=-1), dtype=np.int64)
    if kind == "sigmoid":
        return np.asarray(z[..., 0] > 0, dtype=np.int64)
    bits = z[..., :62] > 0
    return np.asarray((bits.astype(np.int64) << np.arange(bits.shape[-1])).sum(axis=-1))


def confidence(logits: ArrayLike, kind: Kind) -> Floats:
    """Confidence of the prediction (…,) from 0 to 1.

    Softmax: the largest probability. Sigmoid: ``2 |p - 1/2|`` (DeepDebugger, equation 1);
    multilabel: the mean of that over the labels.
    """
    p = probabilities(logits, kind)
    if kind == "softmax":
        return np.asarray(p.max(axis=-1))
    if kind == "sigmoid":
        return np.asarray(2.0 * np.abs(p[..., 1] - 0.5))
    return np.asarray((2.0 * np.abs(p - 0.5)).mean(axis=-1))


def margin(logits: ArrayLike, kind: Kind) -> Floats:
    """How far the prediction stands above the next, relative to the spread of logits (…,).

    Softmax: ``(top1 - top2) / (max - min)`` of the logits, which is the measure by which the
    landscape fades; two classes: the confidence.
    """
    z = np.asarray(logits, dtype=np.float32)
    if kind != "softmax" or z.shape[-1] < 3:
        return confidence(z, kind)
    top = np.partition(z, -2, axis=-1)
    spread = top[..., -1] - z.min(axis=-1)
    return np.asarray((top[..., -1] - top[..., -2]) / np.maximum(spread, 1e-12))
