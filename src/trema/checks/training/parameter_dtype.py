"""Weights kept in float16, or in float64."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.sketch import optimizer
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact, Parameter, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ParameterDtype(Check):
    """Trainable weights in float16 (warning) or float64 (information).

    Why it matters: float16 has eleven bits: steps below a two-thousandth of a weight are lost, and
    Adam's epsilon of 1e-8 becomes zero, so it divides by zero. float64 takes twice the memory and
    on most accelerators many times the time.
    May be wrong when: the optimizer keeps float32 copies itself; float64 is needed for precision.
    References: Micikevicius et al. (2018), Mixed precision training, arXiv:1710.03740.
    """

    id = "parameter-dtype"
    title = "the weights have an unusual dtype"
    cause = Cause.NUMERICS
    severity = Severity.WARNING
    needs = frozenset({Fact.OPTIMIZER})
    explains: ClassVar[frozenset[str]] = frozenset({"param-unchanged", "nonfinite-loss"})
    fixes = (
        Fix("keep the weights in float32 and compute in lower precision (autocast, mixed policy)"),
        Fix("convert float64 data to float32 instead of the model to float64"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="model.half training float16 weights {framework}",
        torch="nn.Module",
        keras="mixed_precision",
    )
    min_share: float = 0.5  # of the trainable values

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        sizes: Counter[str] = Counter()
        for p in history.run.parameters:
            if p.trainable:
                sizes[p.dtype] += max(1, prod(p.shape))
        total = sum(sizes.values())
        for dtype, severity in (("float16", Severity.WARNING), ("float64", Severity.INFO)):
            if not total or sizes[dtype] < self.min_share * total:
                continue
            optimizers = history.run.optimizers
            lost = "small steps are lost" if dtype == "float16" else "twice the memory is used"
            yield self.diagnosis(
                f"{sizes[dtype] / total:.0%} of the trainable weights are {dtype}: {lost}",
                Evidence(
                    Fact.OPTIMIZER, sizes[dtype] / total, limit=self.min_share, unit="of weights"
                ),
                location=history.run.place("cast") or optimizers[0].location,
                severity=severity,
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def run(*dtypes: str, trainable: bool = True) -> History:
            parameters = tuple(
                Parameter(name=str(i), shape=(8, 8), dtype=dtype, trainable=trainable)
                for i, dtype in enumerate(dtypes)
            )
            return situation(RunInfo(parameters=parameters, optimizers=(optimizer("adam", 1e-3),)))

        yield fires("half", run("float16", "float16"), severity=Severity.WARNING)
        yield fires("double", run("float64", "float64"), severity=Severity.INFO)
        yield quiet("single", run("float32", "float32"))
        yield quiet("bfloat16", run("bfloat16", "bfloat16"))
        yield quiet("a frozen backbone in half", run("float16", "float16", trainable=False))
        yield quiet("a small part", run("float32", "float32", "float16"))
