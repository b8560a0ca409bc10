"""Which run an assistant means, and lines of the source of that run."""

from __future__ import annotations

from trema.api.models import SourceFile
from trema.api.queries import Queries
from trema.core.errors import RunNotFound, TremaError

_ALL = 2**31 - 1


def find_run(queries: Queries, wanted: str) -> str:
    """The id of the run of this id, name, or unique beginning of an id; ``last`` is the newest.

    Raises
    ------
    RunNotFound
        When none fits, or several do.
    """
    if wanted == "last":
        newest = queries.runs(limit=1).runs
        if not newest:
            raise RunNotFound("there is no run yet: record one with trema run script.py")
        return newest[0].id
    try:
        return queries.store.run(wanted).id
    except RunNotFound:
        runs = queries.store.runs(limit=_ALL) if wanted.strip() else []
    named = [run for run in runs if run.name == wanted]
    begun = named or [run for run in runs if run.id.startswith(wanted)]
    if not begun:
        raise RunNotFound(f"there is no run {wanted[:100]!r}: take an id from list_runs")
    if len(begun) > 1:
        ids = ", ".join(run.id for run in begun[:5])
        raise RunNotFound(f"{len(begun)} runs are called {wanted[:100]!r}: give an id ({ids}, …)")
    return begun[0].id


class Asked:
    """The source files of one run, read once while one question is answered."""

    def __init__(self, queries: Queries, run: str) -> None:
        self._queries, self._run = queries, run
        self._files: dict[str, list[str]] = {}

    def line(self, path: str, number: int) -> str | None:
        """The text of a line from 1 on; None when it is not kept."""
        if path not in self._files:
            self._files[path] = self._read(path)
        lines = self._files[path]
        return lines[number - 1] if 0 < number <= len(lines) else None

    def _read(self, path: str) -> list[str]:
        try:
            file: SourceFile = self._queries.source(self._run, path)
        except TremaError:
            return []
        return lines_of(file.text)


def lines_of(text: str) -> list[str]:
    """Lines as editors and Python count them: only at newlines."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
