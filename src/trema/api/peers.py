"""Who is at the other end of a connection on this machine, where the system tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ROOT = 0


def is_stranger(client: int, server: int) -> bool:
    """Whether another user of this machine holds the connection between these two ports.

    False where that cannot be told: on other systems than Linux, and from another machine.
    """
    users = set(_users(client, server))
    return bool(users) and not users & {_ROOT, os.getuid()}


def _users(client: int, server: int) -> Iterator[int]:
    for table in _TABLES:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except (OSError, UnicodeError):
            continue
        for line in lines:
            words = line.split()
            if _port(words[1]) == client and _port(words[2]) == server:
                yield int(words[7])


def _port(place: str) -> int:
    return int(place.rpartition(":")[2], 16)
