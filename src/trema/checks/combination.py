"""Loss × activation × targets: which combination a run has, and what one table says of it.

The words of a combination come from what is known and from what was seen: the head is traced
back from the loss and must agree with the measured outputs, the loss says how it reads them,
and targets are recognized by their values. A check asks :func:`combine` for the combination and
:func:`verdicts` for the rows of the table that hold.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trema.checks.outputs import Head, Outputs, read_head, read_outputs, several_outputs
from trema.checks.targets import (
    BINARY,
    FRACTIONS,
    INDICES,
    MULTI_HOT,
    ONE_HOT,
    PLUS_MINUS,
    VALUES,
    Targets,
    read_targets,
)
from trema.core.diagnosis import Location
from trema.core.facts import TRAIN, Fact, LossInfo, RunInfo, TensorSeen
from trema.core.history import History

#: Functions with the values that they cannot leave: (least, most).
BOUNDS = {
    "relu": (0.0, float("inf")),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, float("inf")),
    "tanh": (-1.0, 1.0),
    "hard-tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "elu": (-1.0, float("inf")),
    "selu": (-1.7581, float("inf")),
    "gelu": (-0.17, float("inf")),
    "silu": (-0.2785, float("inf")),
    "swish": (-0.2785, float("inf")),
    "sigmoid": (0.0, 1.0),
    "hard-sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "log-softmax": (float("-inf"), 0.0),
}
EDGE = 1e-3
#: Steps whose outputs must look like probabilities before that counts as a softmax.
LEAST_STEPS = 3

CLASSES = frozenset({"cross-entropy", "nll"})
BINARY_LOSS = frozenset({"binary-cross-entropy"})
SQUARED = frozenset({"mse", "mae", "huber"})


@dataclass(frozen=True)
class Combination:
    """Head, loss and targets of a run with one output.

    head : as traced from the loss backwards
    outputs, targets : as measured where the loss read them, or None
    output_shape, target_shape : of the same step, batch axis first, or None
    """

    run: RunInfo
    loss: LossInfo
    head: Head
    outputs: Outputs | None
    targets: Targets | None
    output_shape: tuple[int, ...] | None
    target_shape: tuple[int, ...] | None
    same_as_input: bool

    @cached_property
    def function(self) -> str:
        """The output function, where structure and values agree; else ``unknown``.

        A head that is not known counts as softmax when every row of several steps is a
        distribution over two or more classes.
        """
        known, outputs = self.head.function, self.outputs
        if known is None:
            looks = (
                outputs is not None
                and outputs.steps >= LEAST_STEPS
                and outputs.within_unit
                and outputs.sums_to_one
                and (self.units or 0) > 1
            )
            return "softmax" if looks else "unknown"
        if outputs is not None and known in BOUNDS:
            low, high = BOUNDS[known]
            if outputs.minimum < low - EDGE or outputs.maximum > high + EDGE:
                return "unknown"  # something stands between the function and the loss
        return known

    @cached_property
    def units(self) -> int | None:
        """How many numbers a sample has on the axis of classes; None when not known."""
        shape = self.output_shape
        if shape is None:
            last = self.head.last
            units = last.config.get("units") if last is not None else None
            return units if isinstance(units, int) else None
        classes = self.loss.kind in CLASSES
        if len(shape) < 2:
            return None if classes else 1  # a single sample without a batch axis
        return shape[1] if classes and self.run.framework == "torch" else shape[-1]

    @property
    def encoded(self) -> bool | None:
        """Whether targets have the shape of the outputs; None when not known."""
        if self.output_shape is None or self.target_shape is None:
            return None
        return self.output_shape == self.target_shape

    @cached_property
    def form(self) -> str:
        """Which labels the targets are; ``unknown`` when they were not seen."""
        return self.targets.form(self.output_shape) if self.targets is not None else "unknown"

    @property
    def layer_name(self) -> str | None:
        """The layer at whose outputs the combination is decided."""
        place = self.head.layer or self.head.last
        return place.name if place is not None else None

    @property
    def head_location(self) -> Location | None:
        """The line of the output function, else of the last layer."""
        for place in (self.head.layer, self.head.last):
            if place is not None and place.location is not None:
                return place.location
        return None

    @property
    def loss_location(self) -> Location | None:
        """Where the loss was chosen: where its object was made, else its call or argument."""
        return self.run.place("criterion") or self.loss.location

    @property
    def target_location(self) -> Location | None:
        """Where the labels were made, else the argument that carries them, else the loss."""
        return self.run.place("labels", "targets") or self.loss.location

    @property
    def loss_name(self) -> str:
        """The loss for a message."""
        return f"`{self.loss.name}`" if self.loss.name else self.loss.kind


#: The combination read last: a dozen checks ask for the same one in a row.
_last: tuple[weakref.ref[History], int, RunInfo, Combination | None] | None = None


def combine(history: History) -> Combination | None:
    """The combination of a run; None without a loss, and with several outputs, where one loss
    does not describe them all."""
    global _last
    known = _last
    revision, run = history.revision, history.run
    if known is not None and (known[0](), known[1], id(known[2])) == (history, revision, id(run)):
        return known[3]
    seen = _combine(history)
    _last = (weakref.ref(history), revision, run, seen)
    return seen


def _combine(history: History) -> Combination | None:
    loss = history.run.loss
    if loss is None or several_outputs(history):
        return None
    targets, outputs = read_targets(history), read_outputs(history)
    output, target = _shapes(history)
    return Combination(
        run=history.run,
        loss=loss,
        head=read_head(history.run),
        outputs=outputs,
        targets=targets,
        output_shape=output,
        target_shape=target,
        same_as_input=_same_as_input(history, targets),
    )


def _shapes(history: History) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """Shapes of output and target of one step: those of two steps need not belong together."""
    outputs, targets = _single(history, "output"), _single(history, "target")
    for seen in outputs:
        for other in targets:
            if seen.step == other.step:
                return seen.shape, other.shape
    if outputs and targets and outputs[0].shape[:1] == targets[0].shape[:1]:
        return outputs[0].shape, targets[0].shape
    return (outputs[0].shape if outputs else None), (None if outputs else _first(targets))


def _first(seen: tuple[TensorSeen, ...]) -> tuple[int, ...] | None:
    return seen[0].shape if seen else None


def _single(history: History, role: str) -> tuple[TensorSeen, ...]:
    tensors = history.tensors(role, TRAIN)  # type: ignore[arg-type]  # a literal at both calls
    return tensors if len({seen.name for seen in tensors}) == 1 else ()


def _same_as_input(history: History, targets: Targets | None) -> bool:
    """Whether targets are an input itself, as an autoencoder has it: their numbers agree."""
    if targets is None:
        return False
    for name in history.names(Fact.INPUT_MEAN):
        pairs = (
            (Fact.INPUT_MEAN, Fact.TARGET_MEAN),
            (Fact.INPUT_STD, Fact.TARGET_STD),
            (Fact.INPUT_MAX, Fact.TARGET_MAX),
        )
        if all(
            _agree(history.array(one, name)[1], history.array(other, targets.name)[1])
            for one, other in pairs
        ):
            return True
    return False


def _agree(one: np.ndarray, other: np.ndarray) -> bool:
    return len(one) == len(other) > 0 and bool(np.allclose(one, other, rtol=1e-4, atol=1e-6))


# the table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One combination that is wrong, and the check that tells it; None means any.

    encoded : whether targets have the shape of the outputs, so that a row is one sample's classes
    """

    check: str
    losses: frozenset[str]
    reads: frozenset[str] | None = None
    heads: frozenset[str] | None = None
    targets: frozenset[str] | None = None
    sparse: bool | None = None
    encoded: bool | None = None
    one_unit: bool | None = None

    def holds(self, seen: Combination) -> bool:
        """Whether a run has this combination."""
        loss = seen.loss
        return (
            loss.kind in self.losses
            and (self.reads is None or loss.reads in self.reads)
            and (self.heads is None or seen.function in self.heads)
            and (self.targets is None or seen.form in self.targets)
            and (self.sparse is None or loss.sparse is self.sparse)
            and (self.encoded is None or seen.encoded is self.encoded)
            and (self.one_unit is None or (seen.units == 1) is self.one_unit)
        )


def _w(*words: str) -> frozenset[str]:
    return frozenset(words)


_ANY_SOFTMAX = _w("softmax", "log-softmax")
_OUTSIDE = _w(PLUS_MINUS, INDICES, VALUES)
_NO_NUMBERS = _w(PLUS_MINUS, VALUES, FRACTIONS)  # of classes

TABLE: tuple[Row, ...] = (
    # head against what the loss reads
    Row("softmax-one-unit", CLASSES, one_unit=True),
    Row("softmax-one-unit", BINARY_LOSS | SQUARED, heads=_ANY_SOFTMAX, one_unit=True),
    Row("missing-softmax", CLASSES | BINARY_LOSS, reads=_w("probabilities"), heads=_w("linear")),
    Row("missing-softmax", CLASSES, reads=_w("log-probabilities"), heads=_w("linear", "softmax")),
    Row("double-softmax", CLASSES, reads=_w("logits"), heads=_w("softmax", "sigmoid")),
    Row("double-softmax", BINARY_LOSS, reads=_w("logits"), heads=_w("softmax", "sigmoid")),
    # head and loss against targets
    Row("multilabel-softmax", CLASSES, targets=_w(MULTI_HOT)),
    Row("multilabel-softmax", BINARY_LOSS, heads=_w("softmax"), targets=_w(MULTI_HOT)),
    Row("binary-loss-softmax", BINARY_LOSS, heads=_w("softmax"), targets=_w(ONE_HOT)),
    Row("mse-classification", SQUARED, targets=_w(ONE_HOT)),
    Row("mse-classification", SQUARED, heads=_w("sigmoid"), targets=_w(BINARY), one_unit=True),
    # loss against targets
    Row("sparse-vs-onehot", CLASSES, sparse=True, targets=_w(ONE_HOT)),
    Row("sparse-vs-onehot", CLASSES, sparse=False, encoded=False, targets=_w(INDICES, BINARY)),
    Row("label-out-of-range", BINARY_LOSS, targets=_OUTSIDE),
    Row("label-out-of-range", CLASSES, sparse=False, encoded=True, targets=_OUTSIDE - {VALUES}),
    Row("label-out-of-range", CLASSES, sparse=True, targets=_NO_NUMBERS),
)


def verdicts(seen: Combination, check: str) -> tuple[Row, ...]:
    """The rows of the table of this check that hold."""
    return tuple(row for row in TABLE if row.check == check and row.holds(seen))
