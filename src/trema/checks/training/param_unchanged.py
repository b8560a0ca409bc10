"""Parameters with a gradient that no step moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.learning_rates import observed_rates
from trema.checks.sketch import Facts, optimizer
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Location, Severity, Where
from trema.core.facts import Fact, Layer, Parameter, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ParamUnchanged(Check):
    """A parameter in the optimizer whose gradient is not zero and whose value never changes.

    Why it matters: steps are lost: they round to nothing in a short dtype or beside large
    weights, or something writes the old value back.
    May be wrong when: a mask or constraint holds the parameter on purpose. Steps at a rate of
    zero, and embeddings whose rows are seen in part, are left out.
    References: TrainCheck (Jiang et al., OSDI 2025); SageMaker Debugger, UnchangedTensor.
    """

    id = "param-unchanged"
    title = "parameters do not move although they have gradients"
    cause = Cause.OPTIMIZER
    severity = Severity.ERROR
    needs = frozenset({Fact.UPDATE_NORM, Fact.GRADIENT_NORM})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LEARNING_RATE, Fact.WEIGHT_NORM})
    fixes = (
        Fix("keep the weights in float32 and compute in lower precision by autocast"),
        Fix("look for code that writes the weights back after each step"),
        Fix("raise the learning rate where steps round to nothing"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="weights do not change gradient not zero {framework}",
        torch="optim.Optimizer.step",
        keras="optimizers",
    )
    least_steps: int = 10  # observed steps, all of them
    least_gradient: float = 1e-3  # share of the largest gradient norm of any parameter; below
    # it a step may well round to nothing, as for a bias before batch normalization

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        stuck: list[str] = []
        moving = 0
        largest = self._largest(history)
        for name in history.names(Fact.UPDATE_NORM):
            if self._stuck(history, name, largest):
                stuck.append(name)
            else:
                moving += 1
        if not stuck or not self._pushed(history, every=moving == 0):
            return
        steps, gradients = history.array(Fact.GRADIENT_NORM, stuck[0])
        shown = ", ".join(f"`{name}`" for name in stuck[:3]) + (" …" if len(stuck) > 3 else "")
        yield self.diagnosis(
            f"{len(stuck)} of {len(stuck) + moving} parameters ({shown}) did not change in "
            f"{len(steps)} observed steps though their gradients are not zero",
            Evidence(Fact.UPDATE_NORM, 0.0, name=stuck[0], step=int(steps[-1])),
            Evidence(Fact.GRADIENT_NORM, float(np.median(gradients)), name=stuck[0]),
            where=Where(parameter=stuck[0]),
            location=self._line(history, stuck[0]),
            confidence="measured",
        )

    def _largest(self, history: History) -> float:
        norms = [history.array(Fact.GRADIENT_NORM, n)[1] for n in history.names(Fact.GRADIENT_NORM)]
        return max((float(np.median(n)) for n in norms if len(n)), default=0.0)

    def _stuck(self, history: History, name: str, largest: float) -> bool:
        steps, updates = history.array(Fact.UPDATE_NORM, name)
        at, gradients = history.array(Fact.GRADIENT_NORM, name)
        if len(steps) < self.least_steps or len(at) != len(steps) or (updates != 0).any():
            return False
        if not (np.isfinite(gradients) & (gradients > self.least_gradient * largest)).all():
            return False
        layer = self._layer(history, name)
        return layer is None or layer.kind != "embedding"

    def _pushed(self, history: History, *, every: bool) -> bool:
        """Whether every group has a rate above zero; those of frozen groups are zero on purpose."""
        rates = list(observed_rates(history))
        groups = [bool((r.values[-self.least_steps :] > 0).all()) for r in rates]
        return all(groups) and (bool(groups) or not every)

    def _layer(self, history: History, name: str) -> Layer | None:
        found = next((p for p in history.run.parameters if p.name == name), None)
        return history.run.layer(found.layer) if found is not None and found.layer else None

    def _line(self, history: History, name: str) -> Location | None:
        layer = self._layer(history, name)
        if layer is not None and layer.location is not None:
            return layer.location
        return history.run.place("step", "fit")

    @staticmethod
    def cases() -> Iterator[Case]:
        run = RunInfo(
            optimizers=(optimizer("sgd", 0.1),),
            layers=(Layer(name="words", kind="embedding"),),
            parameters=(Parameter(name="e", shape=(9, 2), dtype="float32", layer="words"),),
        )

        def seen(update: float, gradient: float, name: str = "w", rate: float = 0.1) -> History:
            facts: Facts = {
                (Fact.UPDATE_NORM, name): [update] * 12,
                (Fact.GRADIENT_NORM, name): [gradient] * 12,
                (Fact.UPDATE_NORM, "other"): [0.1] * 12,
                (Fact.GRADIENT_NORM, "other"): [1.0] * 12,
                (Fact.LEARNING_RATE, "0.0"): [rate] * 12,
            }
            return situation(run, facts=facts)

        yield fires("written back after each step", seen(0.0, 0.5))
        yield fires("steps round to nothing in float16", seen(0.0, 1e-2))
        yield quiet("it moves", seen(1e-4, 0.5))
        yield quiet("no gradient", seen(0.0, 0.0))
        yield quiet("a bias before batch normalization", seen(0.0, 1e-9))
        yield quiet("a rate of zero", seen(0.0, 0.5, rate=0.0))
        yield quiet("an embedding that is sampled in part", seen(0.0, 0.5, name="e"))
        accumulating: Facts = {
            (Fact.UPDATE_NORM, "w"): [0.0, 0.0, 0.0, 0.1] * 4,
            (Fact.GRADIENT_NORM, "w"): [1.0] * 16,
        }
        yield quiet("accumulation inside the optimizer", situation(run, facts=accumulating))
