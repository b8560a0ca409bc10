"""Validation data that were not made as the training data were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import (
    as_read,
    classes,
    classifies,
    given,
    is_ids,
    like_pixels,
    listed,
    pictures,
    place,
    samples,
    subject,
    table,
)
from trema.core.datasets import Columns, Form
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class TrainValidationShift(Check):
    """Columns or channels whose numbers, or classes that, differ between the two splits.

    Why it matters: the model is measured on inputs of another kind than it learns from, so the
    validation figures say nothing, and the model that is chosen by them is a matter of chance.
    May be wrong when: validation comes from another place or time on purpose.
    References: Quiñonero-Candela et al. (2009), Dataset Shift in Machine Learning; Sculley et
    al. (2015), Hidden Technical Debt, on training-serving skew.
    """

    id = "train-validation-shift"
    title = "training and validation data differ"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.DATASET})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LOSS_KIND})
    explains: ClassVar[frozenset[str]] = frozenset({"suspicious-validation", "overfitting"})
    fixes = (
        Fix("prepare both splits by one function, with statistics of the training rows"),
        Fix("check that files of both splits have the same columns, in the same order and units"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="different preprocessing train validation {framework}",
        torch="utils.data.random_split",
        keras="layers/preprocessing_layers/numerical/normalization",
    )
    apart: float = 3.0  # means, in training standard deviations; a trend cut in time gives 1.8
    image_apart: float = 1.0  # the same of a channel; a mean over many images hardly moves
    ratio: float = 10.0  # standard deviations, one over the other
    image_ratio: float = 2.0  # the same of a channel; random crops and erasing stay below 1.5
    tails: float = 20.0  # range over standard deviation; of 10,000 normal numbers it is 8
    rows: int = 50  # in training; validation needs 20
    share: float = 0.05  # of the training samples: a class that validation should have …
    expected: float = 20.0  # … so many times

    def missing(self, history: History) -> list[str]:
        """Both splits must have been seen."""
        missing = super().missing(history)
        both = all(as_read(history, p) or samples(history, p) for p in (TRAIN, VALIDATION))
        return missing if missing or both else [str(Fact.DATASET)]

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        yield from self._numbers(history)
        if classifies(history.run):
            yield from self._classes(history)

    # numbers ------------------------------------------------------------------------------

    def _numbers(self, history: History) -> Iterator[Diagnosis]:
        train, validation = as_read(history), as_read(history, VALIDATION)
        if train is None or validation is None or train.read < self.rows or validation.read < 20:
            return
        for name, one in train.inputs.items():
            other = validation.inputs.get(name)
            if other is None or one.shape != other.shape or is_ids(history, name):
                continue
            a, b = one.columns, other.columns
            if a is None or b is None or len(a) != len(b):
                continue
            form = one.form
            if form == "table" and like_pixels(a):
                a, b, form = _pooled(a), _pooled(b), "image"
            shifted = self._shifted(a, b, form)
            if len(shifted):
                yield self._found(history, name, a, b, shifted, form)

    def _shifted(self, a: Columns, b: Columns, form: Form) -> NDArray[np.int64]:
        """Columns that are apart in mean or spread; those with few numbers are left out."""
        image = form == "image"
        apart = self.image_apart if image else self.apart
        ratio = self.image_ratio if image else self.ratio
        with np.errstate(all="ignore"):
            distance = np.abs(b.mean - a.mean) / a.std
            spread = b.std / a.std
            # the spread of heavy tails is that of their few largest numbers, a matter of chance
            even = (a.high - a.low < self.tails * a.std) & (b.high - b.low <= self.tails * b.std)
        moved = distance > apart
        moved |= ((spread > ratio) | (spread < 1 / ratio)) & (even | image)
        usable = (a.distinct >= 10) & (b.distinct >= 10) & (a.std > 0)
        # yes-or-no columns are rare in one split by chance; a column that became constant is not
        usable |= even & (b.std == 0) & (a.distinct >= 0.5 * a.distinct.max()) & (a.distinct >= 50)
        return np.flatnonzero(moved & usable & np.isfinite(distance))

    def _found(
        self,
        history: History,
        name: str,
        a: Columns,
        b: Columns,
        shifted: NDArray[np.int64],
        form: Form,
    ) -> Diagnosis:
        distance = np.abs(b.mean - a.mean)[shifted] / a.std[shifted]
        first = int(shifted[int(distance.argmax())])
        part = f"channel {first}" if form == "image" else a.label(first)
        what = f"{part} of {subject(name)} has" if len(a) > 1 else f"{subject(name)} have"
        message = (
            f"{what} mean {show(a.mean[first])} and standard deviation {show(a.std[first])} in "
            f"training, {show(b.mean[first])} and {show(b.std[first])} in validation"
        )
        if len(shifted) > 1:
            message += f"; so it is with {len(shifted)} of {len(a)}"
        message += self._likely(a, b, shifted)
        return self.diagnosis(
            message,
            Evidence(
                Fact.DATASET,
                float(np.abs(b.mean[first] - a.mean[first]) / a.std[first]),
                limit=self.image_apart if form == "image" else self.apart,
                unit="standard deviations",
                name=name,
            ),
            where=Where(
                input=name or None,
                split=VALIDATION,
                columns=tuple(a.name(int(c)) for c in shifted[:100]) if len(a) > 1 else (),
            ),
            location=place(history.run, VALIDATION),
            confidence="measured",
        )

    def _likely(self, a: Columns, b: Columns, shifted: NDArray[np.int64]) -> str:
        """Columns in another order, or another unit, where the numbers say so."""
        twins: list[tuple[int, int]] = []
        for column in shifted:
            near = np.abs(a.mean - b.mean[column]) < 0.25 * a.std
            near &= np.abs(np.log(np.maximum(a.std, 1e-12) / max(b.std[column], 1e-12))) < 0.25
            same = [int(c) for c in np.flatnonzero(near) if c != column]
            if len(same) != 1:
                twins = []
                break
            twins.append((int(column), same[0]))
        if len(twins) >= 2 and {c for c, _ in twins} == {c for _, c in twins}:
            return f"; columns {twins[0][0]} and {twins[0][1]} seem to be exchanged"
        with np.errstate(all="ignore"):
            factors = b.std[shifted] / a.std[shifted]
            means = b.mean[shifted] / a.mean[shifted]
        factor = float(np.median(factors))
        alike = np.abs(np.log(factors / factor)) < 0.2
        alike &= np.abs(np.log(np.abs(means) / factor)) < 0.2
        if np.isfinite(factor) and factor > 0 and bool(alike.all()):
            times = factor if factor >= 1 else 1 / factor
            return f"; they are about {show(times)} times {'larger' if factor > 1 else 'smaller'}"
        return ""

    # classes ------------------------------------------------------------------------------

    def _classes(self, history: History) -> Iterator[Diagnosis]:
        train, validation = samples(history), samples(history, VALIDATION)
        if train is None or validation is None or not train.labels or not validation.labels:
            return
        a, b = train.labels, validation.labels
        if a.total < self.rows or b.total < 20 or max(len(a.counts), len(b.counts)) > 200:
            return
        lost = [
            c
            for c, n in a.counts.items()
            if c not in b.counts and n >= max(self.share, self.expected / b.total) * a.total
        ]
        new = [c for c, n in b.counts.items() if c not in a.counts and n >= 5]
        if not lost and not new:
            return
        parts = []
        if new:
            parts.append(f"{_named(new)} of the validation data never occur in training")
        if lost:
            parts.append(f"{_named(lost)} of the training data never occur in validation")
        yield self.diagnosis(
            "; ".join(parts),
            Evidence(Fact.DATASET, float(len(lost) + len(new)), limit=0.0, unit="classes"),
            where=Where(split=VALIDATION, output="targets", classes=tuple([*new, *lost][:100])),
            location=place(history.run, VALIDATION),
            cause=Cause.SPLIT,
            title="training and validation hold other classes",
            confidence="measured",
            fixes=(
                Fix("shuffle before the split, or split by class (`stratify`)"),
                Fix("check that both files number their classes alike"),
            ),
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, y = table(), classes()
        v, w = table(120, seed=5), classes(120, seed=6)
        yield fires("validation is not scaled", given(x, y, validation=(v * 12 + 40, w)))
        size = np.array([1, 2, 3, 4, 5, 6.0])
        base = np.array([0, 20, 40, 60, 80, 100.0])
        exchanged = (v * size + base)[:, [0, 1, 3, 2, 4, 5]]
        yield fires(
            "two columns in another order", given(x * size + base, y, validation=(exchanged, w))
        )
        images = pictures(300) / 255.0
        image = RunInfo(inputs="image", outputs="classification")
        normal = (images - images.mean()) / images.std()
        other = pictures(100, seed=8) / 255.0
        yield fires(
            "images normalized in training only",
            given(normal, classes(300), image, validation=(other, classes(100))),
        )
        many = np.sort(classes(400, 5))
        yield fires(
            "the last part of a sorted file",
            given(x[:320], many[:320], validation=(x[320:], many[320:])),
            cause=Cause.SPLIT,
        )
        yield quiet("a random split", given(x, y, validation=(v, w)))
        trend = x + np.linspace(0, 6, len(x))[:, None]
        yield quiet("a trend cut in time", given(trend[:300], y[:300], validation=(trend[300:], w)))
        rare = x.copy()
        rare[:, 1] = np.arange(len(x)) < 2
        often = v.copy()
        often[:, 1] = np.arange(len(v)) % 2
        yield quiet("a yes-or-no column is more frequent", given(rare, y, validation=(often, w)))
        erased = images.copy()
        erased[::2, :5, :5] = 0
        yield quiet(
            "erased parts in training",
            given(erased, classes(300), image, validation=(other, classes(100))),
        )
        tailed = np.exp(3 * x)
        yield quiet("heavy tails", given(tailed, y, validation=(np.exp(3 * v), w)))
        flat = erased.reshape(len(erased), -1)
        flat[2:, 0], flat[:12, 0] = 0, np.arange(12)
        yield quiet(
            "a pixel at the rim that validation never has",
            given(flat, classes(300), validation=(flat[100:], classes(200))),
        )
        yield quiet("a small validation set", given(x, y, validation=(v[:10] * 9, w[:10])))


def _pooled(columns: Columns) -> Columns:
    """All columns as one: pixels of a flattened image share their scale."""
    mean = columns.mean.mean()
    square = (columns.std**2 + columns.mean**2).mean()
    return Columns(
        low=columns.low.min(keepdims=True),
        high=columns.high.max(keepdims=True),
        mean=np.array([mean]),
        std=np.array([np.sqrt(max(0.0, square - mean**2))]),
        nonfinite=columns.nonfinite.sum(keepdims=True),
        distinct=np.array([100.0]),  # no column of few numbers
    )


def shifted_share(history: History, name: str) -> float:
    """Share of the columns of an input that are apart in the two splits; 0 when not known."""
    train, validation = as_read(history), as_read(history, VALIDATION)
    one = train.inputs.get(name) if train is not None else None
    other = validation.inputs.get(name) if validation is not None else None
    if one is None or other is None or one.columns is None or other.columns is None:
        return 0.0
    if len(one.columns) != len(other.columns):
        return 0.0
    if like_pixels(one.columns):
        return 0.0
    shifted = TrainValidationShift()._shifted(one.columns, other.columns, one.form)
    begun = one.columns.constant & ~other.columns.constant  # `constant-feature` tells of these
    return (len(shifted) + int(begun.sum())) / len(one.columns)


def _named(numbers: list[int]) -> str:
    return ("class " if len(numbers) == 1 else "classes ") + listed([str(n) for n in numbers])
