"""A learning rate schedule that is stepped too early, too often or never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.control import observed_calls
from trema.checks.learning_rates import Rates, observed_rates
from trema.checks.looping import first_value, loop_values, looped
from trema.checks.progress import steps_taken
from trema.checks.sketch import optimizer
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Observation, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class SchedulerOrder(Check):
    """A scheduler stepped before the optimizer's first step, once a batch though it counts
    epochs, or never.

    Why it matters: a schedule written for epochs and stepped for batches is over within the first
    epochs; the rate is then practically zero and training stands still without an error.
    May be wrong when: a long end at a tiny rate is planned.
    References: PyTorch, torch.optim, How to adjust learning rate.
    """

    id = "scheduler-order"
    title = "the scheduler is stepped at the wrong time"
    cause = Cause.LEARNING_RATE
    severity = Severity.WARNING
    needs = frozenset({Fact.LOOP, Fact.OPTIMIZER})
    uses: ClassVar[frozenset[str]] = frozenset({Fact.LEARNING_RATE})
    fixes = (
        Fix("call `scheduler.step()` after `optimizer.step()`"),
        Fix("step epoch schedules at the end of each epoch, outside the loop over batches"),
        Fix("or give the schedule its length in batches: `T_max=epochs * len(loader)`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="lr_scheduler.step before optimizer.step learning rate 0 {framework}",
        torch="optim.lr_scheduler.LRScheduler",
        keras="callbacks/learning_rate_scheduler",
    )
    collapse: float = 1e-3  # share of the peak rate below which hardly anything moves
    factor: float = 3.0  # training goes on for so many times the life of the schedule
    least_after: int = 50  # and so many steps
    least_seen: float = 0.3  # of that life, and 20 steps, without a rate above it: no restart
    per_step: float = 0.9  # scheduler steps per optimizer step: it counts batches
    least_unused: int = 100  # training steps of two epochs or more without a scheduler step

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, scheduled = loop_values(history, "scheduled")
        if not len(steps):
            return
        place = history.run.place("scheduler", "step")
        if first_value(history, "early"):
            yield self.diagnosis(
                "`scheduler.step()` ran before the first `optimizer.step()`: the first rate of the "
                "schedule is never used",
                Evidence(Fact.LOOP, 1.0, limit=0.0, name="early", step=0),
                where=Where(config_key="scheduler.first"),
                location=place,
                confidence="measured",
            )
        rate = float(scheduled[-1]) / max(1, int(steps[-1]))
        for rates in observed_rates(history):
            end = self._end(rates, steps_taken(history) - 1)
            if end is not None and rate >= self.per_step:
                yield self._over(history, rates, end)
                return
        taken, epochs = steps_taken(history), history.epochs_finished
        # the last observed step may lie in the first epoch, when a schedule for epochs still waits
        calls = [int(c.get("calls", 1)) for c in observed_calls(history, "schedule")]
        unused = scheduled[-1] == 0 and calls[-1:] == [0]
        if history.finished and taken >= self.least_unused and epochs >= 2 and unused:
            yield self.diagnosis(
                f"a scheduler was made but never stepped in {taken} steps and {epochs} epochs: "
                "the learning rate stayed as it was",
                Evidence(Fact.LOOP, 0.0, limit=1.0, name="scheduled"),
                where=Where(config_key="scheduler.unused"),
                location=place,
                confidence="measured",
                title="the scheduler is never stepped",
            )

    def _end(self, rates: Rates, now: int) -> int | None:
        """The step at which the rate fell for good, where most of the training came after it.

        Rates are sampled seldom later in a run, so its length is counted up to the step `now`.
        """
        values, steps = np.abs(rates.values), rates.steps
        if len(steps) < 10 or values.max() == 0:
            return None
        alive = np.flatnonzero(values > self.collapse * values.max())
        last = int(steps[alive[-1]])
        seen, after = int(steps[-1]) - last, max(now, int(steps[-1])) - last
        if last == 0 or seen < max(20, self.least_seen * last):
            return None
        return last if after >= max(self.least_after, (self.factor - 1) * last) else None

    def _over(self, history: History, rates: Rates, end: int) -> Diagnosis:
        now, peak = float(rates.values[-1]), float(np.abs(rates.values).max())
        steps = max(steps_taken(history), int(rates.steps[-1]) + 1)
        return self.diagnosis(
            f"the learning rate fell from {show(peak)} to {show(now)} within {end + 1} of "
            f"{steps} steps and stays there: the scheduler is stepped in every batch",
            Evidence(
                Fact.LEARNING_RATE, now, limit=self.collapse * peak, step=int(rates.steps[-1])
            ),
            where=Where(config_key="scheduler.length"),
            location=history.run.place("scheduler") or rates.optimizer.location,
            severity=Severity.ERROR,
            confidence="likely",
            title="the schedule is over long before the training",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = RunInfo(optimizers=(optimizer("sgd", 0.1, scheduled=True),))

        def rates(*values: float) -> dict[object, object]:
            return {(Fact.LEARNING_RATE, "0.0"): list(values)}

        halved = [0.1 * 0.5**i for i in range(200)]
        each = [float(i) for i in range(200)]
        yield fires(
            "halved in each batch",
            looped(run, steps=200, scheduled=each, facts=rates(*halved)),
            severity=Severity.ERROR,
        )
        yield fires("before the first step", looped(run, early=[1.0], scheduled=1.0))
        cosine = [0.05 * (1 + np.cos(np.pi * i / 199)) for i in range(200)]
        yield quiet(
            "a cosine that ends with the training",
            looped(run, steps=200, scheduled=each, early=[0.0], facts=rates(*cosine)),
        )
        few = [float(i // 50) for i in range(200)]
        yield quiet(
            "one tenth at the end of each epoch",
            looped(
                run,
                steps=200,
                scheduled=few,
                facts=rates(*[0.1 ** (1 + i // 50) for i in range(200)]),
            ),
        )
        warm = [1e-3 * (i % 20) / 20 for i in range(200)]
        yield quiet("warm restarts", looped(run, steps=200, scheduled=each, facts=rates(*warm)))
        yield quiet("no scheduler", looped(run))
        yield quiet("not stepped yet", looped(run, scheduled=0.0))

        def ended(calls: int) -> History:
            end = Observation(
                fact=Fact.CONTROL, step=200, epoch=3, data={"kind": "schedule", "calls": calls}
            )
            history = looped(run, steps=200, scheduled=0.0, finished=True)
            history.add_observation(end)
            history.epochs_finished = 4
            return history

        yield fires("made and forgotten", ended(0))
        yield quiet("stepped later than the last observed step", ended(4))
