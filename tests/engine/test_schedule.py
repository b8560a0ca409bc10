"""Which sampled steps also take distributions; looks are rationed."""

from __future__ import annotations

import pytest

from trema.engine.schedule import FREE_LOOKS, Schedule


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


def test_looks_at_the_ends_of_epochs_are_rationed() -> None:
    schedule = Schedule(overhead=0.02, free_steps=64, free_seconds=2.0)
    assert schedule.may_look
    schedule.looked(FREE_LOOKS / 2)
    assert schedule.may_look
    schedule.looked(FREE_LOOKS)  # much more than 2 % of the time that went by
    assert not schedule.may_look
    assert schedule.own_seconds == pytest.approx(1.5 * FREE_LOOKS)
