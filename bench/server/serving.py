"""A real ``trema ui`` or ``trema server`` as a process of its own, and what it holds in memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from types import TracebackType
from urllib.parse import urlsplit


class Server:
    """A server for the time of a ``with``.

    Parameters
    ----------
    arguments : of ``trema``, such as ``["ui", URL, "--no-browser"]``
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.said = ""

    def __enter__(self) -> Server:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trema", *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if found := re.search(r"(http://\S+)token=([\w-]+)", line):
                parts = urlsplit(found[1])
                self.url = f"{parts.scheme}://{parts.netloc}"
                self.token = found[2]
                threading.Thread(target=self._drain, daemon=True).start()
                return self
        raise RuntimeError(f"the server ended: {self.said}")

    def _drain(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line

    def page(self, route: str) -> str:
        """The address of a page with its token."""
        return f"{self.url}/#{route}{'&' if '?' in route else '?'}token={self.token}"

    def megabytes(self) -> float:
        """Resident memory of the server and its workers, MB."""
        return sum(_resident(pid) for pid in [self.process.pid, *_children(self.process.pid)])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def _resident(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            own = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return own + [child for one in own for child in _children(one)]
