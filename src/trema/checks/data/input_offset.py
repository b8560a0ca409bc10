"""Inputs that hardly differ from one number, which itself is of the usual size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.data.input_scale import Scale, read_scale
from trema.checks.datasets import as_read, classes, given, is_ids, pictures, subject, table
from trema.checks.graph import first_use
from trema.checks.sketch import chain, conv, dense, op
from trema.core.datasets import Columns
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, Layer, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class InputOffset(Check):
    """Inputs whose values all lie close to one number, far from zero beside their spread.

    Why it matters: the offset is the same for every sample and says nothing, and what tells
    samples apart is a hundredth of it: the first layer hardly passes it on, and its biases cannot
    be moved without moving everything.
    May be wrong when: a small deviation is all there is, and the model takes the mean out itself.
    References: LeCun et al. (1998), Efficient BackProp, section 4.3 (inputs of mean zero and equal
    spread); torchvision, `Normalize` (statistics of the scale of its inputs).
    """

    id = "input-offset"
    title = "inputs hardly differ from one number"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset(
        {Fact.INPUT_MIN, Fact.INPUT_MAX, Fact.INPUT_MEAN, Fact.INPUT_STD, Fact.LAYERS}
    )
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.DATASET, Fact.GRAPH})
    explains: ClassVar[frozenset[str]] = frozenset({"train-validation-shift"})
    fixes = (
        Fix("check that the mean and deviation taken out are of the same scale: 0…1 or 0…255"),
        Fix("compute them from the training inputs, after every other step of the preparation"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="normalize images mean std 0-255 or 0-1 {framework}",
        torch="nn.BatchNorm2d",
        keras="layers/preprocessing_layers/numerical/normalization",
    )
    span: float = 0.1  # range over the largest absolute value; of 8-bit images in 0…1 it is 1
    spread: float = 0.02  # standard deviation over the absolute mean; white pages have 0.1
    largest: float = 30.0  # values; `input-scale` tells of larger ones
    least: float = 0.05  # values; smaller ones are divided too often
    steps: int = 3  # observed
    columns: int = 3  # of a table, that vary

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        tensors = history.names(Fact.INPUT_MIN)
        for name in tensors:
            scale = read_scale(history, name, TRAIN)
            seen, _ = history.array(Fact.INPUT_MIN, name)
            if scale is None or len(seen) < self.steps or is_ids(history, name):
                continue
            use = first_use(history.run, name, tensors)
            if use.embedded or use.rescaled or not self.least <= scale.largest <= self.largest:
                continue
            columns = self._columns(history, name)
            if self._narrow(scale, columns):
                yield self._found(history, name, scale)

    def _columns(self, history: History, name: str) -> Columns | None:
        found = as_read(history)
        one = found.inputs.get(name) if found is not None else None
        return one.columns if one is not None else None

    def _narrow(self, scale: Scale, columns: Columns | None) -> bool:
        """Whether each column that varies is narrow; without columns, whether all values are."""
        if columns is None:
            span = scale.maximum - scale.minimum
            return 0 < span <= self.span * scale.largest and scale.std <= self.spread * abs(
                scale.mean
            )
        varies = (columns.std > 0) & ~columns.binary
        image = len(columns) in (1, 3, 4) and scale.maximum - scale.minimum > 0
        if not varies.any() or (int(varies.sum()) < self.columns and not image):
            return False
        low, high = columns.low[varies], columns.high[varies]
        far = np.maximum(np.abs(low), np.abs(high))
        narrow = (high - low <= self.span * far) & (
            columns.std[varies] <= self.spread * np.abs(columns.mean[varies])
        )
        return bool(narrow.all())

    def _found(self, history: History, name: str, scale: Scale) -> Diagnosis:
        message = (
            f"{subject(name)} {scale}: their standard deviation is {show(scale.std)} beside a mean "
            f"of {show(scale.mean)}, as when statistics of another scale are taken out"
        )
        run = history.run
        return self.diagnosis(
            message,
            Evidence(
                Fact.INPUT_STD,
                scale.std,
                limit=self.spread * abs(scale.mean),
                step=scale.step,
                name=name,
            ),
            where=Where(input=name or None, split=TRAIN),
            location=run.place("data-source", "data", "inputs", "fit", "step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def image(x: np.ndarray, *first: Layer) -> History:
            run = chain(*first, conv("conv", 1, 8), op("reshape"), dense("fc", 64, 2))
            return _seen(x, run)

        pixels = pictures(300) / 255.0
        yield fires("statistics of 0…255 taken out of 0…1", image((pixels - 33.3) / 78.6))
        yield fires("the same of a page", image((pixels - 255) / 128))
        yield quiet("images in 0…1", image(pixels))
        yield quiet("normalized", image((pixels - 0.5) / 0.3))
        white = 1 - 0.3 * (pixels > 0.99)
        yield quiet("white pages", image(white))
        norm = op("normalization", "bn")
        yield quiet("a normalization first", image((pixels - 33.3) / 78.6, norm))
        tables = chain(dense("fc1", 6, 32, "relu"), dense("fc2", 32, 2))
        x = table()
        yield fires("all columns with an offset", _seen(x / 100 + 2, tables))
        mixed = x.copy()
        mixed[:, 0] = mixed[:, 0] / 100 + 2
        yield quiet("one column with an offset", _seen(mixed, tables))
        yield quiet("ratios near one", _seen(1 + 0.03 * x, tables))
        yield quiet("raw temperatures", _seen(293 + x, tables))


def _seen(x: np.ndarray, run: RunInfo) -> History:
    """For cases: the data and the facts of their batches."""
    numbers = {
        Fact.INPUT_MIN: x.min(),
        Fact.INPUT_MAX: x.max(),
        Fact.INPUT_MEAN: x.mean(),
        Fact.INPUT_STD: x.std(),
    }
    return given(
        x, classes(len(x)), run, facts={fact: [float(n)] * 4 for fact, n in numbers.items()}
    )
