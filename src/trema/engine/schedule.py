"""Which steps are observed: dense at first, then as many as the budget allows."""

from __future__ import annotations

import time
from typing import NamedTuple

#: An observed step waits at least this many steps, so that thin schedules never stall wholly.
LONGEST_GAP = 100_000
#: Share of the budget that planned observations may use; the rest is for checks and surprises.
SAFETY = 0.6
#: Distributions are taken at every so many sampled steps, and at this share of those before at
#: the soonest: 25 times in the first 100 sampled steps, about 80 in 1,000 and 200 in 100,000.
DISTRIBUTIONS_EVERY = 4
DISTRIBUTIONS_SHARE = 0.04
#: Steps at the beginning that are observed whatever they cost: describing the model at the first
#: one can use up the free seconds by itself on a slow or busy machine, and a run of some hundred
#: steps has no trend with two of them observed. Five of 87 faulty programs of the benchmark were
#: silent for that beside five other processes on two cores; two of four tried are found with 8.
LEAST_STEPS = 8
#: The free seconds are processor time, so that a busy machine is watched as a quiet one; no more
#: than so many times as long may pass on the clock. With six processes a core, a run of 64 short
#: steps lost its free beginning, and its finding, to waiting.
LONGEST_WAIT = 4.0
#: Seconds that the checks may look at what is known before their looks are rationed.
FREE_LOOKS = 0.2


class Mark(NamedTuple):
    """A moment: seconds of the clock, and of this thread's processor time."""

    clock: float
    busy: float

    def passed(self, less: float = 0.0) -> tuple[float, float]:
        """Seconds of both since then in this thread, but for ``less`` seconds."""
        clock, busy = time.perf_counter() - self.clock, time.thread_time() - self.busy
        return max(0.0, clock - less), max(0.0, busy - less)


def mark() -> Mark:
    """The present moment."""
    return Mark(time.perf_counter(), time.thread_time())


class Schedule:
    """Decides after each step which step is observed next.

    Parameters
    ----------
    overhead : share of training time that Trema may take after the free steps
    free_steps, free_seconds : the beginning is observed densely until either is used up, the
        seconds as processor time of our own
    least_steps : steps that are observed even then, at most ``free_steps``
    """

    def __init__(
        self, *, overhead: float, free_steps: int, free_seconds: float, least_steps: int = 0
    ) -> None:
        self.own_seconds = 0.0  # Trema's own time in all, on the clock
        self.busy_seconds = 0.0  # … and as processor time
        self.left_out = 0.0  # seconds that count as neither training nor watching
        self._overhead = overhead
        self._free_steps = free_steps
        self._free_seconds = free_seconds
        self._least_steps = min(least_steps, free_steps)
        self._next = 0
        self._budget_started: float | None = None
        self._own_at_start = 0.0
        self._cost = 0.0  # own time of an observed step, moving average
        self._started = time.perf_counter()
        self._last_own = 0.0
        self.thin = 1  # a crowded journal multiplies gaps
        self._sampled = 0  # observed steps
        self._next_distributions = 0  # counted in observed steps
        self._looked = 0.0  # seconds in which checks looked at what is known

    @property
    def next_step(self) -> int:
        """The next step to be observed."""
        return self._next

    @property
    def distributions(self) -> bool:
        """Whether the step that is observed also takes the quantiles of its tensors: the first
        one and every fourth, later ever more rarely. It holds until :meth:`observed`."""
        return self._sampled >= self._next_distributions

    def free(self, step: int) -> bool:
        """Whether the step belongs to the free beginning."""
        if step < self._least_steps:
            return True
        if step >= self._free_steps or self.busy_seconds >= self._free_seconds:
            return False
        return self.own_seconds < LONGEST_WAIT * self._free_seconds

    def add(self, seconds: float, busy: float) -> None:
        """Count Trema's own time: on the clock, and of the processor."""
        self.own_seconds += seconds
        self.busy_seconds += busy

    def leave_out(self, seconds: float) -> None:
        """Leave time out of the account that is neither training nor watching: the forward passes
        of time travel, which are asked for and reported apart."""
        self.left_out += seconds
        self._started += seconds
        if self._budget_started is not None:
            self._budget_started += seconds

    @property
    def may_look(self) -> bool:
        """Whether the checks may look: epochs of a few short steps would else cost more than
        their training. The last look, at the end of the run, is always taken."""
        elapsed = time.perf_counter() - self._started
        return self._looked < FREE_LOOKS + self._overhead * (1 - SAFETY) * elapsed

    def looked(self, seconds: float, busy: float) -> None:
        """Count the time of a look of all checks."""
        self._looked += busy
        self.add(seconds, busy)

    def observed(self, step: int) -> int:
        """Plan the next observed step after ``step`` was observed; returns it."""
        if self.distributions:
            wait = max(DISTRIBUTIONS_EVERY, int(self._sampled * DISTRIBUTIONS_SHARE))
            self._next_distributions = self._sampled + wait
        self._sampled += 1
        now = time.perf_counter()
        cost = self.own_seconds - self._last_own
        self._last_own = self.own_seconds
        self._cost = cost if self._cost == 0.0 else 0.7 * self._cost + 0.3 * cost
        if self.free(step):
            self._next = step + 1
            return self._next
        if self._budget_started is None:
            self._budget_started, self._own_at_start = now, self.own_seconds
            self._first_step = step
            self._next = step + 8  # a few steps to learn how long a step takes
            return self._next
        elapsed = now - self._budget_started
        spent = self.own_seconds - self._own_at_start
        steps = max(1, step - self._first_step)
        allowed = self._overhead * SAFETY
        plain = max((elapsed - spent) / steps, 1e-7)  # seconds of a step without Trema
        # the time that must pass until what is spent, and the next observation, fit the budget
        due = (spent + self._cost) / allowed - (elapsed - spent)
        gap = max(self._cost / (allowed * plain), due / plain, 1.0)
        self._next = step + min(int(gap * self.thin) + 1, LONGEST_GAP)
        return self._next

    def share(self) -> float:
        """Trema's own time as a share of the training time since the free beginning."""
        if self._budget_started is None:
            total = time.perf_counter() - self._started
            return self.own_seconds / total if total > 0 else 0.0
        elapsed = time.perf_counter() - self._budget_started
        spent = self.own_seconds - self._own_at_start
        return spent / (elapsed - spent) if elapsed > spent else 0.0
