"""64 clients that send at once: what is taken, that nothing is lost or doubled, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from serving import Server
from writers import NAMES

from trema.store import open_store
from trema.store.base import SeriesKey

WRITERS = 64


def measure(
    database: str, *, seconds: float, rate: float | None, workers: int = 1
) -> dict[str, Any]:
    """Send for so long to a server over this empty database; then count what it holds.

    rate : batches a second of all writers together; None: as fast as the server takes them
    """
    options = ["--database", database, "--workers", str(workers)]
    with Server("server", *options) as server:
        memory = [server.megabytes()]
        command = [sys.executable, str(Path(__file__).with_name("writers.py")), server.url]
        command += [server.token, "--writers", str(WRITERS), "--seconds", str(seconds)]
        command += ["--rate", str(rate)] if rate else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
            while clients.poll() is None:
                time.sleep(1)
                memory.append(server.megabytes())
            assert clients.stdout
            said = json.loads(clients.stdout.read())
    lost, doubled = _count(database, said.pop("sent"))
    third = max(1, len(memory) // 3)
    return {
        **said,
        "rate": said["batches"] / said["seconds"],
        "lost": lost,
        "doubled": doubled,
        "memory_mb": [round(float(np.median(part)), 1) for part in _thirds(memory, third)],
    }


def _thirds(values: list[float], third: int) -> list[list[float]]:
    return [values[:third], values[third : 2 * third] or values, values[2 * third :] or values]


def _count(database: str, sent: dict[str, int]) -> tuple[int, int]:
    """Records that are missing, and records that are there twice, over all runs and series."""
    store = open_store(database)
    lost = doubled = 0
    for run, count in sent.items():
        for name in NAMES:
            steps = store.series(run, SeriesKey(fact=name)).steps
            found = np.bincount(steps, minlength=count) if len(steps) else np.zeros(count, int)
            lost += int((found[:count] == 0).sum())
            doubled += int((found > 1).sum()) + int(found[count:].sum())
    store.close()
    return lost, doubled
