"""Which sampled steps also take distributions."""

from __future__ import annotations

from trema.engine.schedule import Schedule


def test_distributions_are_taken_ever_more_rarely() -> None:
    schedule = Schedule(overhead=0.02, free_steps=10**9, free_seconds=1e9)
    taken = []
    for step in range(10_000):
        if schedule.distributions:
            taken.append(step)
        schedule.observed(step)
    assert taken[:5] == [0, 4, 8, 12, 16]
    assert len([step for step in taken if step < 100]) == 25
    assert len(taken) < 150
