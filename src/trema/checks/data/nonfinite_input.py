"""NaN or infinite values in the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.datasets import sketches
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact, Observation, Phase
from trema.core.history import History


def handled(history: History, phase: Phase, step: int) -> bool:
    """Whether the loss of this step is finite, so that the model masks the values."""
    steps, losses = history.array(Fact.LOSS, "", phase)
    at = losses[steps == step]
    return bool(len(at) and np.isfinite(at).all())


@register
@dataclass(frozen=True, kw_only=True)
class NonfiniteInput(Check):
    """NaN or infinity in the inputs or targets of a batch.

    Why it matters: one such value makes the loss and every gradient of the batch NaN, and after
    one update all weights.
    May be wrong when: missing values are marked with NaN and masked; a finite loss shows it.
    References: IEEE 754; Umlaut's `nan_input`.
    """

    id = "nonfinite-input"
    title = "NaN or infinity in the data"
    cause = Cause.DATA
    severity = Severity.CRITICAL
    needs = frozenset({Fact.INPUT_NONFINITE})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.TARGET_NONFINITE, Fact.LOSS, Fact.NONFINITE_ORIGIN, Fact.DATASET}
    )
    explains: ClassVar[frozenset[str]] = frozenset({"nonfinite-loss"})
    fixes = (
        Fix("find the rows: `np.argwhere(~np.isfinite(x))`; then drop or fill them"),
        Fix("look at the step that made them: a division by zero, a logarithm of zero, a join"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="nan in input data {framework}", torch="isfinite", keras="ops/numpy")

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        for fact, noun in ((Fact.INPUT_NONFINITE, "input"), (Fact.TARGET_NONFINITE, "target")):
            for phase in (TRAIN, VALIDATION):
                for name in history.names(fact, phase):
                    yield from self._judge(history, fact, noun, phase, name)

    def _judge(
        self, history: History, fact: Fact, noun: str, phase: Phase, name: str
    ) -> Iterator[Diagnosis]:
        steps, counts = history.array(fact, name, phase)
        bad = [i for i in np.flatnonzero(counts > 0) if not handled(history, phase, int(steps[i]))]
        if not bad:
            return
        first, count = int(steps[bad[0]]), int(counts[bad[0]])
        subject = f"{noun} `{name}`" if name else f"the {noun}s"
        word = _word(history, noun, first)
        value = "value is" if count == 1 else "values are"
        message = f"{count} {value} {word} in {subject} of the {phase} batch at step {first}"
        if len(bad) > 1:
            message += f", and in {len(bad) - 1} of {len(steps) - 1} other observed batches"
        columns, rows, told = _rows(history, phase, name) if noun == "input" else ((), (), "")
        message += told
        role = "validation" if phase == VALIDATION else "inputs"
        yield self.diagnosis(
            message,
            Evidence(fact, float(count), limit=0.0, unit="values", step=first, name=name),
            where=Where(
                input=(name or "inputs") if noun == "input" else None,
                output=(name or "targets") if noun == "target" else None,
                split=phase,
                columns=columns,
                rows=rows,
                samples=rows,
            ),
            location=history.run.place(*(["load"] if rows and phase == TRAIN else []), role, "fit"),
            cause=Cause.LABELS if noun == "target" else None,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        nan = float("nan")
        yield fires(
            "NaN in training rows",
            situation(facts={Fact.INPUT_NONFINITE: [0, 0, 3], Fact.LOSS: [0.7, 0.6, nan]}),
            severity=Severity.CRITICAL,
            cause=Cause.DATA,
        )
        yield fires(
            "infinity in the targets",
            situation(
                facts={
                    Fact.INPUT_NONFINITE: [0, 0],
                    Fact.TARGET_NONFINITE: [0, 1],
                    Fact.LOSS: [0.7, float("inf")],
                }
            ),
            cause=Cause.LABELS,
        )
        yield fires(
            "NaN only in validation rows",
            situation(
                facts={Fact.INPUT_NONFINITE: 0, Fact.LOSS: 0.5},
                validation={Fact.INPUT_NONFINITE: [0, 2]},
            ),
        )
        yield quiet(
            "all values are finite",
            situation(facts={Fact.INPUT_NONFINITE: [0, 0], Fact.LOSS: [0.7, 0.6]}),
        )
        yield quiet(
            "missing targets are masked",
            situation(
                facts={
                    Fact.INPUT_NONFINITE: [0, 0],
                    Fact.TARGET_NONFINITE: [5, 4],
                    Fact.LOSS: [0.7, 0.6],
                }
            ),
        )
        yield quiet(
            "an attention mask of -inf",
            situation(facts={Fact.INPUT_NONFINITE: [40, 38], Fact.LOSS: [2.3, 2.1]}),
        )
        yield quiet(
            "the loss is NaN while the data are finite",
            situation(facts={Fact.INPUT_NONFINITE: [0, 0], Fact.LOSS: [0.7, nan]}),
        )


def _rows(
    history: History, phase: Phase, name: str
) -> tuple[tuple[str | int, ...], tuple[int, ...], str]:
    """Columns and rows of the values where the data were seen whole, and what to say of them."""
    for found in sketches(history, phase):
        one = found.inputs.get(name)
        if one is None or not one.bad or found.source == "batches":
            continue
        columns: tuple[str | int, ...] = ()
        text = f"; of {found.samples} samples {one.bad} hold such values, first {one.bad_rows[0]}"
        if one.form == "table" and one.columns is not None:
            at = np.flatnonzero(one.columns.nonfinite > 0)
            columns = tuple(one.columns.name(int(c)) for c in at[:100])
            text += f", in {one.columns.label(int(at[0]))}" if len(at) == 1 else ""
        return columns, one.bad_rows, text
    return (), (), ""


def _word(history: History, noun: str, step: int) -> str:
    """``nan`` or ``inf`` where the instrumentation has seen which, else both."""
    for origin in history.observations(Fact.NONFINITE_ORIGIN):
        if origin.data.get("kind") == noun and origin.data.get("step", origin.step) == step:
            return str(origin.data.get("value", "NaN or infinite"))
    return "NaN or infinite"


def blamed(origin: Observation) -> bool:
    """Whether an observed origin lies in the data."""
    return origin.data.get("kind") in ("input", "target")
