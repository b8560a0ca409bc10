"""Batch normalization over so few values that its statistics are noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.sketch import dense, relu
from trema.checks.sketch_runs import training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer, Parameter, RunInfo
from trema.core.history import History


def is_batch_norm(layer: Layer) -> bool:
    """Whether the layer normalizes over the batch, unlike layer, group and instance norm."""
    name = layer.class_name.lower()
    return layer.kind == "normalization" and "batchnorm" in name


@register
@dataclass(frozen=True, kw_only=True)
class BnSmallBatch(Check):
    """Batch normalization that sees fewer than four values of a channel in a training batch.

    Why it matters: mean and variance of two or three values say little; training is driven by
    their noise, and the running averages used in evaluation do not match it.
    May be wrong when: the layer keeps its statistics fixed, or gathers them over several devices.
    References: Wu & He (2018), Group Normalization, arXiv:1803.08494, figure 1; Ioffe (2017),
    Batch Renormalization, arXiv:1702.03275.
    """

    id = "bn-small-batch"
    title = "batch normalization over tiny batches"
    cause = Cause.BUDGET
    severity = Severity.WARNING
    preview = True
    needs = frozenset({Fact.BATCH_SIZE, Fact.LAYERS})
    explains: ClassVar[frozenset[str]] = frozenset(
        {"loss-flat", "loss-oscillating", "train-eval-gap", "underfitting"}
    )
    fixes = (
        Fix("use batches of 16 samples or more"),
        Fix("use layer or group normalization, which does without the batch",
            caution="changes the model; saved weights no longer fit"),
    )  # fmt: skip
    snippets = snippets_beside(__file__)
    links = Links(
        search="batch normalization small batch size {framework}",
        torch="nn.GroupNorm",
        keras="layers/normalization_layers/group_normalization",
    )
    values: float = 4.0  # values of a channel in a batch
    observed: int = 4  # training steps

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        own = [
            layer
            for layer in history.run.layers
            if is_batch_norm(layer)
            and "sync" not in layer.class_name.lower()
            and _trained(history.run, layer)
        ]
        _, sizes = history.array(Fact.BATCH_SIZE, last=64)
        if not own or len(sizes) < self.observed:
            return
        batch = float(np.median(sizes))
        few = [
            (values, layer)
            for layer in own
            if (values := _values(layer, batch)) is not None and values < self.values
        ]
        if not few:
            return
        values, first = min(few, key=lambda one: one[0])
        yield self.diagnosis(
            f"{first.label} normalizes each channel over {values:.0f} values: batches hold "
            f"{batch:.0f} samples; {len(few)} of {len(own)} batch normalizations are concerned",
            Evidence("values-per-channel", values, limit=self.values, name=first.name),
            where=Where(layer=first.name),
            location=history.run.place("inputs") if first.location is None else first.location,
            severity=Severity.ERROR if values < 2 else None,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def run(shape: tuple[int | None, ...], name: str = "BatchNorm1d") -> RunInfo:
            normal = Layer(name="bn", kind="normalization", class_name=name, output_shape=shape)
            layers = (dense("fc1", 20, 32), normal, relu("r"), dense("fc2", 32, 10))
            return RunInfo(layers=layers, framework="torch")

        yield fires("two samples", training(run((None, 32)), batch=2))
        yield fires("one sample", training(run((None, 32)), batch=1), severity=Severity.ERROR)
        yield quiet("32 samples", training(run((None, 32)), batch=32))
        images = run((None, 32, 8, 8), "BatchNorm2d")
        yield quiet("two images of 64 positions each", training(images, batch=2))
        yield quiet("layer normalization", training(run((None, 32), "LayerNorm"), batch=2))
        frozen = Parameter(
            name="bn.weight", shape=(32,), dtype="float32", trainable=False, layer="bn"
        )
        fixed = RunInfo(layers=run((None, 32)).layers, parameters=(frozen,), framework="torch")
        yield quiet("a frozen normalization", training(fixed, batch=2))
        last = {Fact.BATCH_SIZE: np.where(np.arange(320) % 10 == 9, 2.0, 32.0)}
        yield quiet("only the last batch of an epoch", training(run((None, 32)), facts=last))


def _trained(run: RunInfo, layer: Layer) -> bool:
    own = [p for p in run.parameters if p.layer == layer.name]
    return not own or any(p.trainable for p in own)


def _values(layer: Layer, batch: float) -> float | None:
    """How many values of a channel a batch gives; None when the shape is not known."""
    shape = layer.output_shape
    if shape is None or len(shape) < 2:
        return None
    positions = [size for size in shape[1:] if size is not None]
    if len(positions) != len(shape) - 1:
        return None
    if len(positions) == 1:
        return batch
    # the channel axis is the first one in torch and the last one in Keras, unless it is stated
    first = layer.class_name.lower() != "batchnormalization" or layer.config.get("axis") == 1
    return batch * math.prod(positions[1:] if first else positions[:-1])
