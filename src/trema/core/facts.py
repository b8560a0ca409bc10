"""What can be known about a run: facts by step, and what is known before training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import numpy as np

from trema.core.diagnosis import Location

Phase = Literal["train", "validation"]
TRAIN: Phase = "train"
VALIDATION: Phase = "validation"


class Fact(StrEnum):
    """One kind of measurement. The definition of each number is in :mod:`trema.core.reduce`.

    Facts of a batch carry the name of the tensor (``""`` for the only one, else ``"0"``, ``"1"``
    or a key), facts of a layer its name, facts of a parameter its name, learning rates the
    name of the optimizer group, metrics the name of the metric.
    """

    LOSS = "loss"
    LEARNING_RATE = "learning-rate"
    LOSS_SCALE = "loss-scale"
    BATCH_SIZE = "batch-size"

    INPUT_MIN = "input-min"
    INPUT_MAX = "input-max"
    INPUT_MEAN = "input-mean"
    INPUT_STD = "input-std"
    INPUT_NONFINITE = "input-nonfinite"
    INPUT_INTEGER = "input-integer"
    TARGET_MIN = "target-min"
    TARGET_MAX = "target-max"
    TARGET_MEAN = "target-mean"
    TARGET_STD = "target-std"
    TARGET_NONFINITE = "target-nonfinite"
    TARGET_INTEGER = "target-integer"
    TARGET_ROW_SUM_MIN = "target-row-sum-min"
    TARGET_ROW_SUM_MAX = "target-row-sum-max"
    OUTPUT_MIN = "output-min"
    OUTPUT_MAX = "output-max"
    OUTPUT_MEAN = "output-mean"
    OUTPUT_STD = "output-std"
    OUTPUT_NONFINITE = "output-nonfinite"
    OUTPUT_ROW_SUM_MIN = "output-row-sum-min"
    OUTPUT_ROW_SUM_MAX = "output-row-sum-max"

    ACTIVATION_MEAN = "activation-mean"
    ACTIVATION_STD = "activation-std"
    ACTIVATION_ZEROS = "activation-zeros"
    ACTIVATION_SATURATED = "activation-saturated"
    ACTIVATION_NONFINITE = "activation-nonfinite"
    ACTIVATION_QUANTILES = "activation-quantiles"  # at reduce.QUANTILES; some sampled steps only
    UNIT_MAX = "unit-max"

    GRADIENT_NORM = "gradient-norm"
    GRADIENT_NONFINITE = "gradient-nonfinite"
    GRADIENT_QUANTILES = "gradient-quantiles"
    WEIGHT_NORM = "weight-norm"
    WEIGHT_NONFINITE = "weight-nonfinite"
    WEIGHT_QUANTILES = "weight-quantiles"
    UPDATE_NORM = "update-norm"

    METRIC = "metric"  # by epoch, both phases; the loss of the epoch is the metric "loss"
    LOG = "log"  # by step, both phases: what a program logs itself; checks do not read it

    LOOP = "loop"  # by sampled step, named as in LOOP_NAMES; observation: what needs no step
    WIRING = "wiring"  # observation: trainable parameters and the optimizers that hold them
    TOKENS = "tokens"  # by sampled step, named as in TOKEN_NAMES; observation: of the vocabulary

    CONTROL = "control"  # observation: what steers a training, by kind as in CONTROL_KINDS
    FLOW = "flow"  # observation: how values flow through the first step, see FLOW_NAMES

    RANKS = "ranks"  # observation: this rank beside others, see trema.core.divergence
    SAMPLER = "sampler"  # observation: the orders in which a distributed sampler gave the data

    GRAPH = "graph"  # RunInfo.edges are known
    LOSS_KIND = "loss-kind"  # RunInfo.loss is known
    OPTIMIZER = "optimizer"  # RunInfo.optimizers are known
    LAYERS = "layers"  # RunInfo.layers are known
    NONFINITE_ORIGIN = "nonfinite-origin"  # observation: where the first bad value began
    OVERLAP = "overlap"  # observation: samples that stand in both splits
    DATASET = "dataset"  # observation: a split of the data as a whole, see trema.core.datasets


#: Facts that only some kinds of runs can have: loops written by the user, token batches, several
#: processes. Without them a check does not apply, rather than that it was kept from judging.
SITUATIONAL = frozenset(
    {Fact.LOOP, Fact.WIRING, Fact.CONTROL, Fact.FLOW, Fact.TOKENS, Fact.RANKS, Fact.SAMPLER}
)

#: Facts of a tensor of the batch, in the order of :func:`trema.core.reduce.tensor_statistics`.
TENSOR_STATISTICS = (
    "min",
    "max",
    "mean",
    "std",
    "nonfinite",
    "integer",
    "row-sum-min",
    "row-sum-max",
)

#: Names of :attr:`Fact.LOOP`: what the program's own loop did between one optimizer step and the
#: next. Only adapters that see a loop written by the user observe it; never Keras' ``fit``.
LOOP_NAMES = {
    "backwards": "calls of backward since the step before (a closure's own calls included)",
    "closure": "1 when the step was given a closure",
    "carried": "least share, over these calls, of the parameters looked at whose gradient was "
    "non-zero before the call; from the second step on",
    "received": "share of the optimizer's trainable parameters with a gradient after the calls",
    "cleared": "1 when backward left gradients and none of them was there when the step began",
    "late": "1 when the model ran with gradients after the last of these calls",
    "wasted": "calls whose gradients were gone before the next call, unused; all on one line",
    "leaf": "1 when backward was called on a tensor without a history",
    "undivided": "1 when several calls on one line each had what a loss function just gave",
    "kept": "of the last 64 sampled steps before this and the one before it, how many have a graph "
    "that is still alive",
    "scheduled": "calls of step of the optimizer's schedulers so far",
    "early": "1 when a scheduler was stepped before the optimizer's first step",
    "clipped-scaled": "the loss scale when gradients were clipped before unscale_, else 0",
    "eval": "share of the dropout and batch normalization layers in eval mode at backward",
    "model-eval": "1 when the whole model was in eval mode at backward",
    "train": "validation: share of these layers in train mode while the model was in train mode",
    "graph": "validation: 1 when a pass over other data than the training data built graphs only",
}

#: Kinds of :attr:`Fact.CONTROL`: calls of the program that decide what is trained and how long.
CONTROL_KINDS = {
    "loaded": "weights were loaded without strictness: `filled` of `total` parameters got values; "
    "`how` the names differ (`file`, `model`, `nested` or `other`) by `prefix`",
    "monitor": "`watcher` watches the number called `monitor` (text, perhaps empty) in a `mode`, "
    "`min` or `max`; the `values` it was given in these `epochs`, where they are seen",
    "schedule": "at the end: the rates (of its groups) that a schedule multiplies, `bases`; those "
    "in force, `rates`; the highest of each epoch, `epochs`; the number of `steps`, "
    "and the `calls` of the scheduler's step",
    "eval-dropout": "dropout at a `rate` was at work in `modules` while the model was in eval "
    "mode: its functional form was called without saying whether it trains",
    "trained-in-eval": "`steps` optimizer steps in each of `passes` passes over a second data set, "
    "all in eval mode, while the first one is trained on in train mode",
    "folds": "`fold` of a cross-validation goes on with the weights of the fold before: `seen` of "
    "its `test` rows were trained on",
    "restored": "a module was given its own tensors, taken `steps` training steps before",
}

#: Names of :attr:`Fact.TOKENS`: what a batch of token sequences shows. Labels that count are those
#: other than the label that the loss ignores; padding is what the attention mask takes out, and
#: runs of three or more padding ids at an end of a row.
TOKEN_NAMES = {
    "rows": "sequences in the batch",
    "width": "positions of a row",
    "causal": "1 when the model is a causal language model that can shift labels by itself",
    "inside": "1 when the labels were given to the model, which computes the loss by itself",
    "padding": "share of the positions that are padding",
    "unmasked": "share of the positions that are padding and are attended to",
    "unmasked-rows": "share of the sequences with such positions",
    "labelled": "share of the positions whose label counts",
    "empty-rows": "share of the sequences of which no label counts",
    "labelled-padding": "share of the labels that count which stand on padding",
    "same": "share of the labels that count which equal the token at their position",
    "next": "share of the labels that count which equal the token at the next position",
    "ends": "sequences that close with the end token after a token whose label counts",
    "ends-labelled": "of these, how many whose end token counts as a label",
    "longest": "tokens of the longest sequence so far",
    "full": "share of the sequences so far that are just as long",
    "rows-seen": "sequences of sampled steps so far",
    "untrained-ids": "ids of the batch whose rows of a frozen embedding equal its mean, as rows "
    "that were added do; in the first batches",
    "untrained-rows": "share of the sequences with such an id",
}

#: What an observation of :attr:`Fact.FLOW` may hold; what was not looked at is absent.
FLOW_NAMES = {
    "swapped": "reshapes that put the axis of the samples where another one stood: layer that "
    "reads it, from and to (shapes), place (a role of RunInfo.places)",
    "states": "recurrent layers of which only the last state is read: layer, padding (share of the "
    "positions behind the tokens), width, rows, place",
    "future": "of a model whose targets are its inputs one position later: layer, leak (greatest "
    "influence of later positions on an output, of that of the positions up to it), position, "
    "width, place",
    "samples": "draws that a later layer reads and whose parameters need gradients: layer, kind, "
    "place",
    "unread": "inputs that only layers read which the loss does not depend on: input, layers, "
    "place",
}

INPUT_FACTS = frozenset(fact for fact in Fact if fact.startswith("input-"))
TARGET_FACTS = frozenset(fact for fact in Fact if fact.startswith("target-"))
OUTPUT_FACTS = frozenset(fact for fact in Fact if fact.startswith("output-"))
ACTIVATION_FACTS = frozenset(
    fact for fact in Fact if fact.startswith("activation-") or fact is Fact.UNIT_MAX
)
GRADIENT_FACTS = frozenset({Fact.GRADIENT_NORM, Fact.GRADIENT_NONFINITE, Fact.GRADIENT_QUANTILES})
WEIGHT_FACTS = frozenset(
    {Fact.WEIGHT_NORM, Fact.WEIGHT_NONFINITE, Fact.WEIGHT_QUANTILES, Fact.UPDATE_NORM}
)

#: Layer kinds, one vocabulary for all frameworks. A functional operation seen in the graph
#: (``torch.relu``) is a layer too, without parameters and with ``functional=True``.
LAYER_KINDS = frozenset(
    {
        "input",
        "linear",
        "conv",
        "conv-transpose",
        "embedding",
        "recurrent",
        "attention",
        "normalization",
        "activation",  # config["function"]: relu, gelu, sigmoid, tanh, …
        "softmax",
        "log-softmax",
        "dropout",  # config["rate"]: fraction dropped
        "pooling",  # config["function"]: max or average
        "reshape",  # flatten, permute, squeeze, cast: values are only moved
        "merge",  # add, multiply, concatenate: config["function"]
        "scale",  # a fixed affine map of the values: Rescaling, division by a constant
        "augmentation",
        "container",
        "other",  # something whose behaviour is not known: nothing is concluded across it
    }
)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer or functional operation of the model.

    config keys in use: ``units`` and ``inputs`` (features or channels out and in), ``groups``,
    ``activation`` (an activation built into the layer: ``relu``, ``softmax``, ``linear`` …),
    ``function``, ``rate``, ``channels`` (``first`` or ``last``), ``bias``, ``axis``, ``batch_axis``
    (of sequences, as a recurrent or attention layer reads them), ``masks`` (an embedding tells
    what is padding), ``steps`` and ``backwards`` (a recurrent layer gives every step, or begins at
    the end).

    output_shape : of the first batch, or as the model states it; the batch axis is None
    """

    name: str
    kind: str
    class_name: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    output_shape: tuple[int | None, ...] | None = None
    functional: bool = False
    location: Location | None = None

    @property
    def label(self) -> str:
        """The name for a message; a bare number gets its class: layer `6` (`Linear`)."""
        if self.name.replace(".", "").isdigit() and self.class_name:
            return f"layer `{self.name}` (`{self.class_name}`)"
        return f"`{self.name}`"


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One trainable or frozen array of the model."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool = True
    layer: str | None = None
    groups: tuple[str, ...] = ()  # optimizer groups that own it: ("0.0",) = optimizer 0, group 0


@dataclass(frozen=True, kw_only=True)
class OptimizerInfo:
    """One optimizer. ``kind`` is lower case: adam, adamw, sgd, rmsprop, …"""

    name: str
    kind: str
    learning_rates: tuple[float, ...]  # by group, at the start
    config: Mapping[str, Any] = field(default_factory=dict)  # momentum, weight_decay, …
    scheduled: bool = False
    location: Location | None = None
    learning_rate_location: Location | None = None


@dataclass(frozen=True, kw_only=True)
class LossInfo:
    """The loss and how it reads the outputs.

    kind
        ``cross-entropy`` (multi-class), ``binary-cross-entropy``, ``nll``, ``mse``, ``mae``,
        ``huber``, ``relative`` (percentage error), ``log-squared``, ``kl-divergence``,
        ``hinge``, ``poisson``, ``ctc``, ``other``.
    reads
        ``logits``, ``probabilities``, ``log-probabilities``, ``values`` (regression) or
        ``unknown``.
    """

    kind: str
    reads: str = "unknown"
    name: str = ""
    sparse: bool | None = None  # targets are class indices
    from_logits: bool | None = None  # the option as written, where the framework has it
    weighted: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)  # ignore (a label), smoothing,
    # class_weights: pairs of a class and its weight
    location: Location | None = None


@dataclass(frozen=True, kw_only=True)
class TensorSeen:
    """What a tensor of a batch looked like when a new form of it was first seen."""

    role: Literal["input", "target", "output"]
    name: str
    phase: Phase
    shape: tuple[int, ...]  # with the batch axis first
    dtype: str
    step: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in the user's code by its role: ``fit``, ``step``, ``backward``, ``model``,
    ``inputs`` (the argument that carries the training inputs), ``targets`` (the argument that
    carries the targets), ``labels`` (where they were made), ``criterion`` (where the loss object
    was made), ``validation`` (the argument that carries the validation data), ``loop``."""

    role: str
    location: Location


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What is known about the model and its training before, or at, the first step."""

    framework: str = "other"
    backend: str = ""
    layers: tuple[Layer, ...] = ()
    edges: tuple[tuple[str, str], ...] | None = None  # None: the graph is not known
    parameters: tuple[Parameter, ...] = ()
    optimizers: tuple[OptimizerInfo, ...] = ()
    loss: LossInfo | None = None
    head: tuple[str, ...] = ()  # names of the last layers before the loss, the last one first
    inputs: str | None = None  # image, text, tabular, sequence
    outputs: str | None = None  # classification, multilabel, regression
    stated: tuple[str, ...] = ()  # which of inputs and outputs the user stated
    places: tuple[Place, ...] = ()
    metrics: tuple[str, ...] = ()
    batch_size: int | None = None
    train_samples: int | None = None
    epochs_planned: int | None = None
    device: str = "cpu"
    versions: Mapping[str, str] = field(default_factory=dict)
    reproducibility: Mapping[str, str] = field(default_factory=dict)  # seeds, states, flags
    seed: int | None = None
    unobserved: Mapping[str, str] = field(default_factory=dict)  # fact -> why it cannot be seen

    def layer(self, name: str) -> Layer | None:
        """The layer of this name, or None."""
        return next((layer for layer in self.layers if layer.name == name), None)

    def place(self, *roles: str) -> Location | None:
        """The location of the first of these roles that is known, or None."""
        for role in roles:
            for place in self.places:
                if place.role == role:
                    return place.location
        return None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What was seen at one step. An absent fact was not observed; it is never zero.

    values: ``(fact, name) -> float or ndarray``.
    """

    step: int
    epoch: int
    phase: Phase
    values: Mapping[tuple[Fact, str], float | np.ndarray]
    segment: int = 0
    dtype: str = ""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A finding of the instrumentation itself, such as an overlap of two splits."""

    fact: Fact
    step: int | None
    epoch: int | None
    data: Mapping[str, Any]
    segment: int = 0
