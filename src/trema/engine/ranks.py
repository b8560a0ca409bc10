"""Which process of a distributed run this is, and what all its processes share.

Nothing here talks to another process: ranks are read from ``torch.distributed`` where the program
has set it up, else from the environment that the launcher made.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import sys
from dataclasses import dataclass
from typing import Any

_begun = itertools.count()
_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")


@dataclass(frozen=True)
class World:
    """One process among those that train together.

    rank : of this process, from 0
    size : how many processes there are; 1 where that is not known
    keys : words of which any two processes of one launch share one, and those of two launches none;
        empty outside a distributed run
    """

    rank: int = 0
    size: int = 1
    keys: tuple[str, ...] = ()


def this_process() -> World:
    """Where this process stands; each call begins a run, and the ranks begin equally many."""
    started = process_group()
    rank, size = started if started is not None else _environment()
    if size < 2:
        return World(rank)
    number = str(next(_begun))
    return World(rank, size, tuple(_hash(*parts, number) for parts in _launches(rank)))


def children_key() -> str:
    """The key that processes look for which this one starts as the other ranks of its run."""
    return _hash(*_parent(os.getpid()), "0")


def this_rank() -> int:
    """The rank of this process; 0 outside a distributed run."""
    group = process_group()
    return group[0] if group is not None else _environment()[0]


def process_group() -> tuple[int, int] | None:
    """Rank and size of the default process group of torch; None before there is one."""
    group: Any = sys.modules.get("torch.distributed")
    try:
        if group is None or not group.is_available() or not group.is_initialized():
            return None
        return int(group.get_rank()), int(group.get_world_size())
    except Exception:  # a module of this name that is something else
        return None


def attempt() -> int:
    """How often the launcher has started these processes again."""
    return _whole(os.environ.get("TORCHELASTIC_RESTART_COUNT", "")) or 0


def _environment() -> tuple[int, int]:
    """Rank and size by the launcher. The size counts only beside ``RANK``: the tasks of a cluster's
    scheduler may well be runs of their own."""
    size = _whole(os.environ.get("WORLD_SIZE", ""))
    for name in _RANKS:
        rank = _whole(os.environ.get(name, ""))
        if rank is not None:
            return rank, (size or 1) if name == "RANK" and rank < (size or 1) else 1
    return 0, 1


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def _launches(rank: int) -> list[tuple[str, ...]]:
    """What tells this launch from others.

    ``torchrun`` gives each launch an id, and a port where it chose the id itself. Without one, the
    processes of a launch have one parent, or rank 0 is the parent of the others.
    """
    given = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    if given != "none":
        address = (os.environ.get("MASTER_ADDR", ""), os.environ.get("MASTER_PORT", ""))
        return [("launch", given, *address, str(attempt()))]
    parents = [os.getpid(), os.getppid()] if rank == 0 else [os.getppid()]
    return [_parent(parent) for parent in parents]


def _parent(process: int) -> tuple[str, ...]:
    return "parent", socket.gethostname(), str(process), _began(process), str(attempt())


def _began(process: int) -> str:
    """When a process began, in ticks of the system's clock; empty where the system does not say."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _whole(word: str) -> int | None:
    return int(word) if word.isdigit() and len(word) < 10 else None
