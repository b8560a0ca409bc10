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


def test_a_few_steps_are_observed_however_slow_the_machine_is() -> None:
    schedule = Schedule(overhead=0.02, free_steps=64, free_seconds=2.0, least_steps=8)
    schedule.add(30.0)  # describing the model took longer than the free seconds
    assert [schedule.observed(step) for step in range(8)] == list(range(1, 9))
    assert schedule.observed(8) > 9
    assert not schedule.free(8)


def test_the_least_steps_never_exceed_the_free_ones() -> None:
    schedule = Schedule(overhead=0.02, free_steps=2, free_seconds=0.0, least_steps=8)
    assert schedule.free(1)
    assert not schedule.free(2)
