"""``trema prune`` and ``trema index``: housekeeping of the folder of runs."""

from __future__ import annotations

import time
from pathlib import Path

from trema.cli.folders import root_folder
from trema.core.errors import MissingExtra, UsageError
from trema.journal.folder import RunFolder, alive, list_runs, remove_run
from trema.sinks.text import harmless

DAY = 86_400.0  # seconds


def prune_runs(dir: Path | None, *, keep: int | None, days: float | None, yes: bool) -> None:
    """Delete runs beyond the newest ``keep`` and runs older than ``days``, after asking.

    A run whose process lives is never deleted.

    Raises
    ------
    UsageError
        When neither is given.
    """
    if keep is None and days is None:
        raise UsageError("expected --keep N or --older-than DAYS but got neither")
    chosen = old_runs(root_folder(dir), keep=keep, days=days)
    if not chosen:
        print("nothing to delete")
        return
    for run in chosen:
        print(f"  {harmless(run.name)}  {run.id}")
    if not yes:
        try:
            answer = input(f"delete {_runs(len(chosen))}? [y/N] ")
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing was deleted")
            return
    for run in chosen:
        try:
            remove_run(run)
        except OSError as error:
            raise UsageError(f"{run.path} cannot be deleted ({error.strerror})") from None
    print(f"deleted {_runs(len(chosen))}")


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"


def old_runs(root: Path, *, keep: int | None, days: float | None) -> list[RunFolder]:
    """The runs that are to go, the newest first: with both limits, those past either."""
    runs = sorted(list_runs(root), key=_started, reverse=True)
    limit = time.time() - days * DAY if days is not None else None
    return [
        run
        for place, run in enumerate(runs)
        if (keep is not None and place >= keep) or (limit is not None and _started(run) < limit)
        if not _running(run)
    ]


def _started(run: RunFolder) -> float:
    started = run.metadata.get("started")
    return float(started) if isinstance(started, int | float) else 0.0


def _running(run: RunFolder) -> bool:
    from trema.journal.document import read_document

    return alive(run.metadata) and read_document(run)["run"]["state"] == "running"


def index_folder(dir: Path | None, url: str | None, *, rebuild: bool) -> None:
    """Bring the index up to date, or make it anew.

    Raises
    ------
    MissingExtra
        When the packages of the extra ``server`` are not installed.
    """
    try:
        from trema.store.index import index_runs

        taken = index_runs(root_folder(dir), url, rebuild=rebuild)
    except ModuleNotFoundError as error:
        raise MissingExtra("trema index", "server") from error
    print(f"took in {taken:,} record{'s' * (taken != 1)}")
