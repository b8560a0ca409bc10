"""A learning rate that is next to nothing for most of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.control import controlled, observed_calls
from trema.checks.learning_rates import Rates, observed_rates
from trema.checks.looping import loop_values
from trema.checks.sketch import optimizer
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class ScheduleVanishes(Check):
    """A schedule under which the rate never comes near the one that was set, or falls ever faster
    and is practically zero long before the end.

    Why it matters: training stands still while everything looks as planned: a warm-up longer than
    the run, a factor that is a rate itself (the rate is squared), a decay applied to a rate that
    is already decayed (it compounds).
    May be wrong when: the rate given to the optimizer is only a unit, and the schedule's numbers
    are the rates; or a run was stopped in the midst of its warm-up.
    References: PyTorch, LambdaLR (a factor of the initial rate); Keras, LearningRateScheduler.
    """

    id = "schedule-vanishes"
    title = "the learning rate is next to nothing"
    cause = Cause.LEARNING_RATE
    severity = Severity.WARNING
    needs = frozenset({Fact.LEARNING_RATE, Fact.OPTIMIZER, Fact.CONTROL})
    uses: ClassVar[frozenset[str]] = frozenset({Fact.LOOP})
    fixes = (
        Fix("print the rate of a few steps: `optimizer.param_groups[0]['lr']`"),
        Fix("a warm-up takes 2 to 10 % of the steps of the run"),
        Fix("`LambdaLR` multiplies the initial rate: return a factor, not a rate"),
        Fix("compute a decay from the initial rate, not from the present one"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="learning rate too small LambdaLR factor warmup decay compounding {framework}",
        torch="optim.lr_scheduler.LambdaLR",
        keras="callbacks/learning_rate_scheduler",
    )
    reached: float = 0.05  # share of the rate set that was never passed
    rising: float = 0.3  # the same where the rate still rises at the end
    unit: float = 0.5  # rates set from here on are a unit, as Noam's schedule has it
    seen: float = 0.25  # share of the run after which a step must have been sampled
    gone: float = 2e-3  # share of the highest rate that moves hardly anything …
    low: float = 0.05  # … where the decay is known to compound
    tail: float = 0.25  # share of the epochs at such a rate
    least_steps: int = 50  # of the run, in two epochs or more
    steeper: float = 1.5  # second half of the fall over the first one, in the logarithm

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        calls = observed_calls(history, "schedule")
        if not history.finished or not calls or history.epochs_finished < 2:
            return
        rates = [r for r in observed_rates(history) if len(r.steps) >= 8]
        if int(calls[-1]["steps"]) < self.least_steps or not rates:
            return
        found = self._never_there(history, rates, calls[-1])
        if found is None and not self._per_step(history):  # a check of its own tells of it
            found = self._fallen(history, rates, calls[-1])
        if found is not None:
            yield found

    def _never_there(
        self, history: History, rates: list[Rates], call: dict[str, Any]
    ) -> Diagnosis | None:
        """The rate was never near the one that the schedule multiplies.

        Steps are sampled seldom later in a run; a quarter of it must have been seen, so that a
        warm-up that had not begun to count there outlasts the run by far.
        """
        bases, steps = [float(base) for base in call["bases"]], int(call["steps"])
        if len(history.run.optimizers) != 1 or not len(bases) == len(rates) == len(call["rates"]):
            return None
        if rates[0].steps[-1] < self.seen * steps or not all(0 < b < self.unit for b in bases):
            return None
        last = [float(rate) for rate in call["rates"]]
        shares = [max(r.highest, end) / b for r, b, end in zip(rates, bases, last, strict=True)]
        best = int(np.argmax(shares))
        values = np.append(rates[best].values, last[best])
        up = bool((np.diff(values) >= 0).all()) and len(np.unique(values)) >= 8
        if shares[best] > (self.rising if up else self.reached):
            return None
        end = "still rising at the end: the warm-up outlasts the run" if up else "and never more"
        return self.diagnosis(
            f"the schedule multiplies a rate of {show(bases[best])}, but in {steps} steps the rate "
            f"came to {show(float(values.max()))}, {shares[best]:.2%} of it, {end}",
            Evidence(Fact.LEARNING_RATE, float(values.max()), limit=self.reached * bases[best]),
            where=Where(config_key="schedule.factor"),
            location=history.run.place("schedule", "scheduler"),
            confidence="measured",
            title="the learning rate never came near the one set",
        )

    def _fallen(
        self, history: History, rates: list[Rates], call: dict[str, Any]
    ) -> Diagnosis | None:
        """The rate of each epoch fell ever faster and was gone for a good part of the run."""
        series = np.abs(np.asarray([*call["epochs"], max(call["rates"])], dtype=np.float64))
        peak = int(series.argmax())
        after = series[peak:]
        doubled = compounds(after)
        limit = (self.low if doubled else self.gone) * series[peak]
        tail = int((after[::-1] > limit).argmax())  # epochs at the end that lie below
        if len(series) < 6 or tail < self.tail * len(series):
            return None
        if not doubled and not self._bends(after, limit):
            return None
        place = history.run.place("schedule", "scheduler")
        how = "as each decay is applied to what is left of it" if doubled else "ever faster"
        return self.diagnosis(
            f"the rate fell from {show(float(series[peak]))} to {show(float(series[-1]))}, {how}: "
            f"the last {tail} of {len(series)} epochs had less than "
            f"{limit / series[peak]:.1%} of it",
            Evidence(Fact.LEARNING_RATE, float(series[-1]), limit=float(limit)),
            where=Where(config_key="schedule.end"),
            location=place or rates[0].optimizer.learning_rate_location,
            confidence="measured" if doubled else "likely",
            title="the learning rate vanished long before the end",
        )

    def _bends(self, values: NDArray[np.float64], limit: float) -> bool:
        """Whether the rate fell ever faster: not by a constant factor, as plateaus, stairs and an
        exponential decay do."""
        keep = np.concatenate([[True], np.diff(values) != 0]) & (values > limit * 1e-3)
        at, logs = np.flatnonzero(keep), np.log(values[keep])
        if len(logs) < 5 or (np.diff(logs) >= 0).any():
            return False
        falls, slopes = -np.diff(logs), -np.diff(logs) / np.diff(at)
        half = len(falls) // 2
        return all(
            float(np.median(part[half:])) >= self.steeper * float(np.median(part[:half]))
            for part in (falls, slopes)
        )

    @staticmethod
    def _per_step(history: History) -> bool:
        steps, scheduled = loop_values(history, "scheduled")
        return bool(len(steps)) and float(scheduled[-1]) >= 0.9 * int(steps[-1]) > 0

    @staticmethod
    def cases() -> Iterator[Case]:
        run = RunInfo(optimizers=(optimizer("adam", 0.01, scheduled=True),))
        each = np.arange(200)

        def case(rates: Any, base: float | None = 0.01, finished: bool = True) -> History:
            call = {"bases": [] if base is None else [base], "steps": len(rates)}
            return controlled(
                "schedule",
                {**call, "rates": [float(rates[-1])], "epochs": list(rates[10::10])},
                run=run,
                facts={(Fact.LEARNING_RATE, "0.0"): rates},
                metrics={"loss": [2.0, 1.5, 1.0]},
                finished=finished,
            )

        epoch = each // 10
        yield fires("a warm-up of 40,000 steps", case(0.01 * (each + 1) / 40_000))
        yield fires("rates for factors", case(0.01 * 0.005 * (1 + np.cos(np.pi * each / 200))))
        yield fires("a decay that compounds", case(0.01 * 0.8 ** (epoch * (epoch - 1) / 2), None))
        yield fires("over at half of the run", case(0.01 * np.clip(1 - each / 100, 1e-5, 1), None))
        yield quiet("a cosine to zero", case(0.005 * (1 + np.cos(np.pi * each / 199))))
        yield quiet("exponential", case(0.01 * 0.6**epoch))
        yield quiet("stairs", case(0.01 * 0.1 ** (epoch // 4)))
        yield quiet("a unit rate", case(1e-3 * np.minimum(1, (each + 1) / 40), 1.0))
        yield quiet("a warm-up of half the run", case(0.01 * np.minimum(1, (each + 1) / 100)))
        yield quiet("in the midst of it", case(0.01 * (each + 1) / 40_000, finished=False))
        yield quiet("no schedule", case(np.full(200, 0.01), None))


def compounds(values: NDArray[np.float64]) -> bool:
    """Whether each fall of the rate is the one before times the same factor: the present rate was
    multiplied by a power that grows."""
    keep = np.concatenate([[True], np.diff(values) != 0]) & (values > 0)
    second = np.diff(np.log(values[keep]), 2)
    if len(second) < 4:
        return False
    middle = float(np.median(second))
    return middle < -1e-3 and bool(np.abs(second - middle).max() <= 0.02 * abs(middle))
