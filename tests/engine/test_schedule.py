"""Which sampled steps also take distributions; looks are rationed."""

from __future__ import annotations

import time

import pytest

from trema.engine.schedule import FREE_LOOKS, Schedule, mark


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
    schedule.looked(FREE_LOOKS, FREE_LOOKS / 2)  # a busy machine
    assert schedule.may_look
    schedule.looked(FREE_LOOKS, FREE_LOOKS)  # much more than 2 % of the time that went by
    assert not schedule.may_look
    assert schedule.own_seconds == pytest.approx(2 * FREE_LOOKS)


def test_a_few_steps_are_observed_however_slow_the_machine_is() -> None:
    schedule = Schedule(overhead=0.02, free_steps=64, free_seconds=2.0, least_steps=8)
    schedule.add(30.0, 30.0)  # describing the model took longer than the free seconds
    assert [schedule.observed(step) for step in range(8)] == list(range(1, 9))
    assert schedule.observed(8) > 9
    assert not schedule.free(8)


def test_the_least_steps_never_exceed_the_free_ones() -> None:
    schedule = Schedule(overhead=0.02, free_steps=2, free_seconds=0.0, least_steps=8)
    assert schedule.free(1)
    assert not schedule.free(2)


def test_the_free_beginning_is_processor_time() -> None:
    schedule = Schedule(overhead=0.02, free_steps=64, free_seconds=2.0)
    schedule.add(6.0, 1.0)  # most of it went by waiting for the processor
    assert schedule.free(20)
    schedule.add(2.5, 0.1)  # but nobody waits for ever
    assert not schedule.free(20)


def test_a_mark_tells_waiting_from_work() -> None:
    begun = mark()
    time.sleep(0.2)
    clock, busy = begun.passed()
    assert clock >= 0.2 > 0.1 > busy >= 0
    assert begun.passed(10.0) == (0.0, 0.0)
