"""Which rank a process is, and what the processes of one launch share."""

from __future__ import annotations

import itertools
import os

import pytest

from trema.engine import ranks
from trema.engine.ranks import World, this_process


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ranks, "_begun", itertools.count())
    monkeypatch.setattr(ranks, "process_group", lambda: None)


def told(monkeypatch: pytest.MonkeyPatch, **words: object) -> World:
    for name, word in words.items():
        monkeypatch.setenv(name, str(word))
    monkeypatch.setattr(ranks, "_begun", itertools.count())
    return this_process()


def test_alone() -> None:
    assert this_process() == World(0, 1)


def test_ranks_of_a_launch_share_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    launch = {"WORLD_SIZE": 2, "TORCHELASTIC_RUN_ID": "abc", "MASTER_PORT": 4711}
    zero = told(monkeypatch, RANK=0, **launch)
    one = told(monkeypatch, RANK=1, **launch)
    assert (zero.rank, one.rank, zero.size) == (0, 1, 2)
    assert zero.keys == one.keys != ()
    assert told(monkeypatch, MASTER_PORT=4712).keys != zero.keys
    assert told(monkeypatch, MASTER_PORT=4711, TORCHELASTIC_RESTART_COUNT=1).keys != zero.keys


def test_ranks_without_an_id_share_their_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getppid", lambda: os.getpid() + 1)  # the tests' own parent may be 1
    zero = told(monkeypatch, RANK=0, WORLD_SIZE=2)
    assert told(monkeypatch, RANK=1).keys == zero.keys[1:] != ()
    monkeypatch.setattr("os.getppid", os.getpid)  # a child of rank 0
    assert told(monkeypatch, RANK=1).keys == zero.keys[:1]
    monkeypatch.setattr("os.getppid", lambda: 1)
    assert not set(told(monkeypatch, RANK=1).keys) & set(zero.keys)


def test_a_second_run_of_the_process_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    zero = told(monkeypatch, RANK=0, WORLD_SIZE=2)
    assert not set(this_process().keys) & set(zero.keys)


def test_tasks_of_a_scheduler_may_be_runs_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, SLURM_PROCID=3, WORLD_SIZE=8) == World(3, 1)


@pytest.mark.parametrize("word", ["", "x", "-1", "9" * 20])
def test_odd_words_count_as_absent(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    assert told(monkeypatch, RANK=word, WORLD_SIZE=2).rank == 0


def test_the_process_group_knows_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "process_group", lambda: (3, 4))
    world = told(monkeypatch, RANK=0, WORLD_SIZE=1)
    assert (world.rank, world.size) == (3, 4)
