"""The thread of a local server that keeps the index up to date with journals being written."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from trema.core.text import harmless

PAUSE = 1.0  # seconds between two looks at the journals
_PATIENCE = 5.0  # seconds to wait for the thread when the server ends
_log = logging.getLogger(__name__)


class Follow:
    """Steps taken again and again; one that fails is told, and taken again.

    steps : what is done each time, by what a person would call it
    """

    def __init__(self, steps: dict[str, Callable[[], object]], pause: float = PAUSE) -> None:
        self._steps, self._pause = steps, pause
        self._problems: dict[str, str] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trema-follow", daemon=True)

    @property
    def problems(self) -> list[str]:
        """What fails at present, a sentence each."""
        return list(self._problems.values())

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present step."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while not self._end.is_set():
            for name, step in self._steps.items():
                self._take(name, step)
            self._end.wait(self._pause)

    def _take(self, name: str, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:  # whatever it is, the next time may be better
            told = harmless(f"{name} failed ({type(error).__name__}: {error})", 500)
            if self._problems.get(name) != told:
                _log.warning("%s", told)
            self._problems[name] = told
        else:
            self._problems.pop(name, None)
