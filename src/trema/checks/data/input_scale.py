"""Inputs whose scale does not suit the weights that read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from trema.checks.base import (
    Case,
    Check,
    Links,
    fires,
    quiet,
    register,
    situation,
    snippets_beside,
)
from trema.checks.data.train_validation_shift import shifted_share
from trema.checks.graph import FirstUse, first_use, normalized_next
from trema.checks.sketch import Facts, chain, conv, dense, op, relu
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact, Layer, Phase, RunInfo, TensorSeen
from trema.core.history import History
from trema.core.numbers import show


@dataclass(frozen=True)
class Scale:
    """How large the values of an input are, over the observed steps of one phase.

    minimum, maximum : over all steps; mean, std : medians over steps
    """

    minimum: float
    maximum: float
    mean: float
    std: float
    step: int

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return max(abs(self.minimum), abs(self.maximum))

    @property
    def rms(self) -> float:
        """The root of the mean square."""
        return float(np.hypot(self.mean, self.std))

    def __str__(self) -> str:
        return f"range from {show(self.minimum)} to {show(self.maximum)}"


def read_scale(history: History, name: str, phase: Phase) -> Scale | None:
    """The scale of an input, or None when it was not observed or never finite."""
    steps, low = history.array(Fact.INPUT_MIN, name, phase)
    rows = [low] + [
        history.array(fact, name, phase)[1]
        for fact in (Fact.INPUT_MAX, Fact.INPUT_MEAN, Fact.INPUT_STD)
    ]
    size = min(len(row) for row in rows)
    if size == 0:
        return None
    low, high, mean, std = (row[-size:] for row in rows)
    good = np.isfinite(low) & np.isfinite(high) & np.isfinite(mean) & np.isfinite(std)
    if not good.any():
        return None
    return Scale(
        float(low[good].min()),
        float(high[good].max()),
        float(np.median(mean[good])),
        float(np.median(std[good])),
        int(steps[-size:][good][0]),
    )


@register
@dataclass(frozen=True, kw_only=True)
class InputScale(Check):
    """Inputs far from the scale of about one that initial weights and learning rates expect.

    Why it matters: large inputs make the first layer saturate and its gradients large, so
    training is slow, unstable or stuck; tiny inputs are hardly seen beside the biases.
    May be wrong when: pretrained weights expect this scale, or the model rescales its inputs
    in an operation that the graph does not show.
    References: LeCun et al. (1998), Efficient BackProp, section 4.3; Schoop et al. (2021),
    Umlaut, section 4.
    """

    id = "input-scale"
    title = "inputs are not scaled"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset(
        {Fact.INPUT_MIN, Fact.INPUT_MAX, Fact.INPUT_MEAN, Fact.INPUT_STD, Fact.LAYERS}
    )
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.INPUT_INTEGER, Fact.ACTIVATION_STD, Fact.GRAPH}
    )
    explains: ClassVar[frozenset[str]] = frozenset(
        {"input-dtype", "nonfinite-loss", "feature-scales-apart", "train-validation-shift"}
    )
    fixes = (
        Fix("divide 8-bit images by 255, or standardize each feature with its training statistics"),
        Fix(
            "let the model do it: a `Rescaling` or `Normalization` layer, or a `BatchNorm` first",
            caution="changes the model; saved weights no longer fit",
        ),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="normalize inputs neural network {inputs}",
        torch="nn.BatchNorm1d",
        keras="layers/preprocessing_layers/numerical/normalization",
    )
    image_max: float = 30.0  # values; no float image convention (0…1, -1…1, z-scores) reaches it
    image_rms: float = 8.0  # values; dark 8-bit images such as MNIST have 85
    table_max: float = 50.0  # values; z-scores of heavy tails reach 30
    table_rms: float = 10.0  # values; z-scores have 1
    tiny: float = 1e-3  # values; far below the initial weights
    tiny_image: float = 8e-3  # values; 0…255 divided by 255 twice ends at 0.0039
    split_ratio: float = 10.0  # standard deviation and range of one split over the other
    passed_on: float = 0.02  # std of the first layer's outputs over the rms of its inputs;
    # initial weights give 0.05 to 1.4 (Glorot, He, PyTorch), a hidden division by 255 below 0.006
    unit_gain: float = 3.0  # that std, were the inputs of unit scale after a hidden operation

    def missing(self, history: History) -> list[str]:
        """Without a graph, what the first layer gives must be seen to tell anything."""
        missing = super().missing(history)
        if history.run.edges is None and not history.observed(Fact.ACTIVATION_STD):
            missing.append(str(Fact.GRAPH))
        return missing

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        tensors = history.names(Fact.INPUT_MIN)
        for name in tensors:
            train = read_scale(history, name, TRAIN)
            use = first_use(history.run, name, tensors)
            if train is None or use.embedded or self._ids(history, name):
                continue
            validation = read_scale(history, name, VALIDATION)
            found = list(self._judge(history, name, train, validation, use))
            yield from found or self._compare(history, name, train, validation)

    def _ids(self, history: History, name: str) -> bool:
        """Whether the tensor looks like token ids while the model has an embedding."""
        if not any(layer.kind == "embedding" for layer in history.run.layers):
            return False
        forms = [t.dtype for t in history.tensors("input") if t.name == name]
        return any("int" in dtype for dtype in forms) or (
            history.latest(Fact.INPUT_INTEGER, name) == 1.0
        )

    # the training inputs ------------------------------------------------------------------

    def _judge(
        self, history: History, name: str, train: Scale, validation: Scale | None, use: FirstUse
    ) -> Iterator[Diagnosis]:
        image = _is_image(history, name)
        if use.scales and image and not use.unknown:
            yield from self._twice(history, name, train, use.scales[0])
            return
        if not use.raw or not self._reaches(history, train, use):
            return
        most, rms = (self.image_max, self.image_rms) if image else (self.table_max, self.table_rms)
        tiny = self.tiny_image if image else self.tiny
        if train.largest > most and train.rms > rms:
            yield self._large(history, name, train, validation, use, image)
        elif 0 < train.largest < tiny:
            message = f"{_subject(name)} {train}: nearly nothing reaches {_reader(use)}"
            fixes = (Fix("check whether the inputs are divided twice"), *self.fixes)
            seen = Evidence(Fact.INPUT_MAX, train.largest, limit=tiny, step=train.step, name=name)
            yield self._found(history, name, message, seen, severity=Severity.WARNING, fixes=fixes)

    def _large(
        self,
        history: History,
        name: str,
        train: Scale,
        validation: Scale | None,
        use: FirstUse,
        image: bool,
    ) -> Diagnosis:
        message = (
            f"{_subject(name)} {train} (mean {show(train.mean)}, standard deviation "
            f"{show(train.std)}) and reach {_reader(use)} unscaled"
        )
        if validation and self._differ(train, validation):
            message += f"; validation inputs {validation}"
        seen = Evidence(
            Fact.INPUT_STD,
            train.std,
            limit=self.image_rms if image else self.table_rms,
            step=train.step,
            name=name,
        )
        return self._found(history, name, message, seen, severity=_severity(history, train, use))

    def _reaches(self, history: History, train: Scale, use: FirstUse) -> bool:
        """Whether the first layer's outputs are as large as such inputs make them; else something
        that the graph does not show rescales them. Without a graph this is the only proof."""
        known = history.run.edges is not None
        for layer in use.maps:
            _, std = history.array(Fact.ACTIVATION_STD, layer.name)
            if len(std) and std.ndim == 1 and np.isfinite(std[0]) and train.rms > 1:
                limit = self.passed_on * train.rms
                return bool(std[0] >= (limit if known else max(limit, self.unit_gain)))
        return known

    def _twice(
        self, history: History, name: str, train: Scale, scale: Layer
    ) -> Iterator[Diagnosis]:
        """A division by 255 in the model after one before it."""
        factor = scale.config.get("scale")
        if not isinstance(factor, int | float) or not 0 < abs(factor) < 0.02:
            return
        if 0 < train.largest <= 2.0:
            message = (
                f"{_subject(name)} {train} already, and `{scale.name}` multiplies them by "
                f"{show(float(factor))} once more"
            )
            seen = Evidence(Fact.INPUT_MAX, train.largest, limit=2.0, step=train.step, name=name)
            fixes = (Fix("scale in one place only: before the model, or in it"),)
            again = self._found(
                history, name, message, seen, severity=Severity.WARNING, fixes=fixes
            )
            yield replace(again, location=scale.location or again.location)

    # training beside validation -----------------------------------------------------------

    def _differ(self, a: Scale, b: Scale) -> bool:
        return _apart(a.std, b.std, self.split_ratio) and _apart(
            a.largest, b.largest, self.split_ratio
        )

    def _compare(
        self, history: History, name: str, train: Scale, validation: Scale | None
    ) -> Iterator[Diagnosis]:
        if validation is None or not self._differ(train, validation):
            return
        if 0 < shifted_share(history, name) < 0.5:
            return  # some columns only: `train-validation-shift` names them
        message = (
            f"{_subject(name, 'validation inputs')} {validation} (standard deviation "
            f"{show(validation.std)}) but training inputs {train} ({show(train.std)}): the two "
            "are prepared differently"
        )
        seen = Evidence(
            Fact.INPUT_STD,
            validation.std,
            limit=train.std * self.split_ratio,
            step=validation.step,
            name=name,
        )
        yield self.diagnosis(
            message,
            seen,
            where=Where(input=name or None, split="validation"),
            location=history.run.place("validation", "fit"),
            confidence="measured",
            title="training and validation inputs differ in scale",
            fixes=(Fix("apply the same preprocessing, fitted on training data, to both splits"),),
        )

    def _found(
        self,
        history: History,
        name: str,
        message: str,
        seen: Evidence,
        *,
        severity: Severity,
        fixes: tuple[Fix, ...] | None = None,
    ) -> Diagnosis:
        return self.diagnosis(
            message,
            seen,
            where=Where(input=name or None, split="train"),
            location=history.run.place("inputs", "fit", "step"),
            severity=severity,
            confidence="measured",
            fixes=fixes,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield from _firing_cases()
        yield from _quiet_cases()


def _severity(history: History, train: Scale, use: FirstUse) -> Severity:
    if _centred_bytes(train):
        return Severity.INFO  # the convention of VGG and ResNet weights ported from Caffe
    if all(normalized_next(history.run, layer) for layer in use.maps):
        return Severity.WARNING  # the normalization after the first weights takes most of it out
    return Severity.ERROR


def _centred_bytes(scale: Scale) -> bool:
    """8-bit values minus their mean."""
    return (
        scale.minimum < -20
        and scale.largest <= 256
        and scale.maximum - scale.minimum <= 300
        and abs(scale.mean) < 0.75 * scale.std
    )


def _is_image(history: History, name: str) -> bool:
    kind = history.run.inputs
    if kind is not None and len(history.names(Fact.INPUT_MIN)) == 1:
        return kind == "image"
    return any(len(t.shape) == 4 for t in history.tensors("input") if t.name == name)


def _apart(a: float, b: float, ratio: float) -> bool:
    low, high = sorted((a, b))
    return low > 0 and high > ratio * low


def _subject(name: str, noun: str = "inputs") -> str:
    return f"{noun} `{name}`" if name else noun


def _reader(use: FirstUse) -> str:
    return use.maps[0].label


def _seen(low: float, high: float, mean: float, std: float, name: str = "") -> Facts:
    return {
        (Fact.INPUT_MIN, name): low,
        (Fact.INPUT_MAX, name): high,
        (Fact.INPUT_MEAN, name): mean,
        (Fact.INPUT_STD, name): std,
    }


def _image_run(*first: Layer) -> RunInfo:
    layers = (*first, conv("conv", 3, 16, "relu"), op("reshape"), dense("fc", 1024, 10))
    return chain(*layers, inputs="image")


def _table_run(*first: Layer) -> RunInfo:
    return chain(*first, dense("fc1", 8, 32, "relu"), dense("fc2", 32, 1), inputs="tabular")


def _firing_cases() -> Iterator[Case]:
    pixels = _seen(0, 255, 121, 64)
    yield fires(
        "8-bit images",
        situation(_image_run(), facts=pixels),
        cause=Cause.DATA,
        severity=Severity.ERROR,
    )
    stem = (conv("conv1", 3, 64), op("normalization", "bn"), relu("relu"))
    resnet = chain(*stem, dense("fc", 64, 10), inputs="image")
    yield fires(
        "8-bit images, normalized after the first convolution",
        situation(resnet, facts=pixels),
        severity=Severity.WARNING,
    )
    yield fires(
        "raw house prices table",
        situation(_table_run(), facts=_seen(-124, 39320, 1900, 3100)),
        severity=Severity.ERROR,
    )
    yield fires(
        "validation is not scaled",
        situation(_image_run(), facts=_seen(0, 1, 0.47, 0.25), validation=pixels),
        severity=Severity.ERROR,
    )
    yield fires(
        "raw training images beside scaled validation images",
        situation(_image_run(), facts=pixels, validation=_seen(0, 1, 0.47, 0.25)),
        severity=Severity.ERROR,
    )
    yield fires(
        "divided by 255 twice",
        situation(_image_run(), facts=_seen(0, 1 / 255, 0.0018, 0.001)),
        severity=Severity.WARNING,
    )
    rescaling = op("scale", "rescaling", scale=1 / 255)
    yield fires(
        "divided before the model and in it",
        situation(_image_run(rescaling), facts=_seen(0, 1, 0.47, 0.25)),
        severity=Severity.WARNING,
    )
    centred = _seen(-124, 151, 0, 65)
    yield fires(
        "centred but not scaled",
        situation(_image_run(), facts=centred),
        severity=Severity.INFO,
    )


def _quiet_cases() -> Iterator[Case]:
    pixels = _seen(0, 255, 121, 64)
    unit = _seen(0, 1, 0.47, 0.25)
    yield quiet("images in 0…1", situation(_image_run(), facts=unit, validation=unit))
    yield quiet("z-scores with outliers", situation(_table_run(), facts=_seen(-6, 28, 0.05, 1.1)))
    yield quiet("raw but small features", situation(_table_run(), facts=_seen(-13.8, 18, 0.9, 5)))
    yield quiet(
        "a rescaling layer first",
        situation(_image_run(op("scale", "rescaling", scale=1 / 255)), facts=pixels),
    )
    yield quiet(
        "augmentation, then a rescaling layer",
        situation(_image_run(op("augmentation", "flip"), op("scale", "rescaling")), facts=pixels),
    )
    yield quiet(
        "a batch normalization first",
        situation(_table_run(op("normalization", "bn")), facts=_seen(0, 39320, 1900, 3100)),
    )
    tokens = chain(op("embedding"), op("recurrent", "lstm"), dense("fc", 32, 1), inputs="text")
    yield quiet("token ids", situation(tokens, facts=_seen(0, 4999, 600, 1100)))
    yield quiet(
        "an operation whose effect is not known",
        situation(_image_run(op("other", "prepare")), facts=pixels),
    )
    hidden = RunInfo(framework="torch", layers=(conv("conv", 3, 16), relu("relu")), inputs="image")
    yield quiet(
        "no graph, and the first outputs show a division inside the model",
        situation(hidden, facts=pixels | {(Fact.ACTIVATION_STD, "conv"): 0.3}),
    )
    seen = pixels | {(Fact.ACTIVATION_STD, "conv"): 40.0}
    yield fires("no graph, but the first outputs are as large", situation(hidden, facts=seen))
    yield quiet("no graph and nothing else to tell", situation(hidden, facts=pixels))
    two = RunInfo(
        layers=(op("input", "ids"), op("embedding"), op("input", "rows"), dense("fc", 18, 1)),
        edges=(("ids", "embedding"), ("embedding", "fc"), ("rows", "fc")),
        inputs="tabular",
    )
    both = _seen(0, 900, 400, 250, "ids") | _seen(-2, 2, 0, 1, "rows")
    yield quiet(
        "two inputs, one of ids",
        situation(
            two,
            facts=both,
            tensors=[
                TensorSeen(
                    role="input", name="ids", phase="train", shape=(8, 4), dtype="int64", step=0
                )
            ],
        ),
    )
    yield quiet(
        "validation rows are drawn from a wider range",
        situation(_table_run(), facts=_seen(-3, 3, 0, 1), validation=_seen(-8, 9, 0.3, 2.5)),
    )
