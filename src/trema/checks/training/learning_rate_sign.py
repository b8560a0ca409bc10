"""A learning rate that climbs the loss, or never moves the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.learning_rates import Rates, observed_rates
from trema.checks.sketch import Facts, optimizer
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, OptimizerInfo, RunInfo
from trema.core.history import History
from trema.core.numbers import show


def place_of(history: History, found: OptimizerInfo) -> Where:
    """Nothing for the only optimizer; else its name, so that findings stay apart."""
    if len(history.run.optimizers) == 1:
        return Where()
    return Where(config_key=f"optimizer.{found.name}.learning_rate")


@register
@dataclass(frozen=True, kw_only=True)
class LearningRateSign(Check):
    """A learning rate below zero, or zero in every step seen.

    Why it matters: a negative rate follows the gradient upwards, so every step makes the loss
    larger; with zero the weights stay as they began.
    May be wrong when: gradient ascent is meant, or all learning happens outside the optimizer.
    References: Umlaut user study, bug B1 (Schoop et al., 2021).
    """

    id = "learning-rate-sign"
    title = "the learning rate is not positive"
    cause = Cause.LEARNING_RATE
    severity = Severity.CRITICAL
    needs = frozenset({Fact.OPTIMIZER})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LEARNING_RATE})
    explains: ClassVar[frozenset[str]] = frozenset({"learning-rate-range", "nonfinite-loss"})
    fixes = (
        Fix("use a positive learning rate, for example 1e-3 for Adam or 1e-2 for SGD"),
        Fix("to climb on purpose, negate the loss or pass `maximize=True` (PyTorch)"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="negative learning rate {framework} {optimizer}", torch="optim", keras="optimizers"
    )
    least_steps: int = 20  # observed steps without a positive rate; warm-ups begin at zero
    least_span: int = 100  # training steps over which a scheduled rate stays at zero

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        by_optimizer: dict[str, list[Rates]] = {}
        for rates in observed_rates(history):
            by_optimizer.setdefault(rates.optimizer.name, []).append(rates)
        for groups in by_optimizer.values():
            negative = [rates for rates in groups if (rates.values < 0).any()]
            if negative:
                yield self._negative(history, negative[0])
            elif all(self._zero(rates) for rates in groups):
                yield self._never(history, groups[0])

    def _zero(self, rates: Rates) -> bool:
        if (rates.values != 0).any() or len(rates.steps) < self.least_steps:
            return False
        span = int(rates.steps[-1] - rates.steps[0])
        return not rates.optimizer.scheduled or span >= self.least_span

    def _negative(self, history: History, rates: Rates) -> Diagnosis:
        at = int((rates.values < 0).argmax())
        value = float(rates.values[at])
        step = int(rates.steps[at]) if len(rates.steps) else None
        since = "" if at == 0 else f" from step {step} on"
        return self._found(
            history,
            rates,
            f"the learning rate of {rates.optimizer.kind} is {show(value)}{since}: each step "
            "raises the loss",
            Evidence(Fact.LEARNING_RATE, value, limit=0.0, step=step),
        )

    def _never(self, history: History, rates: Rates) -> Diagnosis:
        return self._found(
            history,
            rates,
            f"the learning rate of {rates.optimizer.kind} is 0 in all {len(rates.steps)} "
            f"observed steps up to step {rates.steps[-1]}: no weight changes",
            Evidence(Fact.LEARNING_RATE, 0.0, limit=0.0, step=int(rates.steps[-1])),
        )

    def _found(self, history: History, rates: Rates, message: str, seen: Evidence) -> Diagnosis:
        found = rates.optimizer
        return self.diagnosis(
            message,
            seen,
            where=place_of(history, found),
            location=found.learning_rate_location or found.location,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def run(*rates: float, scheduled: bool = False) -> RunInfo:
            return RunInfo(optimizers=(optimizer("adam", *rates, scheduled=scheduled),))

        def rates(*values: float) -> Facts:
            return {(Fact.LEARNING_RATE, "0.0"): list(values)}

        yield fires("negative", situation(run(-1e3)), severity=Severity.CRITICAL)
        yield fires(
            "set to a negative value after construction",
            situation(run(1e-3), facts=rates(*[-1e3] * 3)),
        )
        yield fires(
            "a schedule that falls below zero",
            situation(run(1e-3, scheduled=True), facts=rates(1e-3, 5e-4, 0.0, -5e-4)),
        )
        yield fires("zero all the time", situation(run(0.0), facts=rates(*[0.0] * 20)))
        yield quiet("usual", situation(run(1e-3), facts=rates(*[1e-3] * 20)))
        warm_up = [i * 1e-5 for i in range(20)]
        yield quiet("a warm-up", situation(run(0.0, scheduled=True), facts=rates(*warm_up)))
        yield quiet(
            "a long warm-up has just begun",
            situation(run(0.0, scheduled=True), facts=rates(*[0.0] * 30)),
        )
        decay = [1e-3 * (1 - i / 20) for i in range(21)]
        yield quiet(
            "a schedule that ends at zero",
            situation(run(1e-3, scheduled=True), facts=rates(*decay)),
        )
        two = rates(*[0.0] * 30) | {(Fact.LEARNING_RATE, "0.1"): [1e-3] * 30}
        yield quiet("one of two groups is frozen", situation(run(0.0, 1e-3), facts=two))
