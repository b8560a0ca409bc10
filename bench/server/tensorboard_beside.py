"""TensorBoard on some of these runs as event files: time until its curves are shown."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from fill import METRICS, PHASES
from pages import CHROMIUM
from playwright.sync_api import sync_playwright


def write_events(folder: Path, *, count: int, points: int) -> None:
    """Event files of so many runs with the 20 metrics; the files of all runs hold the same."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    first = folder / "run-000"
    writer = EventFileWriter(str(first), max_queue_size=10_000)
    draw = np.random.default_rng(0)
    values = np.exp(-np.linspace(0, 6, points)) + 0.02 * draw.standard_normal(points)
    for step in range(points):
        summary = Summary(
            value=[
                Summary.Value(tag=f"{name}/{phase}", simple_value=float(values[step]))
                for name in METRICS
                for phase in PHASES
            ]
        )
        writer.add_event(Event(wall_time=1.7e9 + step, step=step, summary=summary))
    writer.close()
    for number in range(1, count):
        shutil.copytree(first, folder / f"run-{number:03d}")


def until_shown(folder: Path, times: int = 3) -> dict[str, float]:
    """Seconds from the start of the server until it answers, and from a visit until curves."""
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(folder),
        "--port",
        str(port),
    ]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _await(port)
            answers = time.perf_counter() - begun
            first = _curves(port)
            later = sorted(_curves(port) for _ in range(times))[times // 2]
        finally:
            server.terminate()
    return {"answers_s": answers, "first_visit_s": first, "later_visit_s": later}


def _curves(port: int) -> float:
    """Seconds until the first charts of the time series dashboard hold curves."""
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page: Any = browser.new_page(viewport={"width": 1280, "height": 900})
        begun = time.perf_counter()
        page.goto(f"http://127.0.0.1:{port}/#timeseries", wait_until="commit")
        # the table below a chart has a row a run once its curve is drawn
        page.wait_for_function(
            "() => /run-/.test(document.querySelector('scalar-card')?.textContent ?? '')",
            timeout=60_000,
        )
        took = time.perf_counter() - begun
        browser.close()
    return took


def _await(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("TensorBoard did not start within 120 s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
