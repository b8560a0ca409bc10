"""How far a build is: nowhere, to a function, or as a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str, float], None]


@contextmanager
def reporter(progress: bool | Report) -> Iterator[Report]:
    """A function (what, share) for the time of a build: a bar, the function given, or nothing."""
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda what, share: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("building the movie", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
