"""``trema export``: a run as one file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trema.cli.folders import root_folder
from trema.core.errors import MissingExtra, UsageError
from trema.core.text import harmless
from trema.journal.folder import clean_name, find_run

if TYPE_CHECKING:
    from trema.api.queries import Queries

#: Packages of the extra ``server`` that queries need.
_EXTRA = frozenset({"pydantic", "sqlalchemy", "alembic", "psycopg"})


@contextmanager
def indexed(root: Path, feature: str) -> Iterator[Queries]:
    """Queries over the runs of a folder, whose index was brought up to date.

    Raises
    ------
    MissingExtra
        When the packages of the extra ``server`` are not installed.
    StoreError
        When the index cannot be used.
    """
    try:
        from trema.api.queries import Queries
        from trema.store.following import Follower

        follower = Follower(root)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _EXTRA:
            raise MissingExtra(feature, "server") from error
        raise
    try:
        follower.step()
        yield Queries(follower.store, root=root, writable=False)
    finally:
        follower.close()


def export_run(
    wanted: str, dir: Path | None, *, format: str, output: Path | None, facts: bool
) -> None:
    """Write a run to a file, or to the standard output.

    Raises
    ------
    RunNotFound
        When there is no such run.
    UsageError
        When the file cannot be written.
    """
    if facts and format != "json":
        raise UsageError(f"expected --facts with the format json but got {format}: leave it out")
    root = root_folder(dir)
    run = find_run(root, wanted)
    with indexed(root, "trema export") as queries:
        from trema.api import export

        if format == "json":
            parts = export.export_json(queries, run.id, facts=facts)
        else:
            parts = (export.export_csv if format == "csv" else export.export_html)(queries, run.id)
        if output is None and format == "html":
            output = Path(f"trema-{clean_name(run.name)}.html")
        if output is None or str(output) == "-":
            sys.stdout.flush()
            sys.stdout.buffer.writelines(parts)
            return
        write_whole(output, parts)
    print(f"written to {harmless(output)}")


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file whole or not at all; a device or pipe is written to directly.

    Raises
    ------
    UsageError
        When it cannot be written.
    """
    direct = path.exists() and not path.is_file()
    target = path if direct else path.with_name(f".{path.name[:200]}.{os.getpid()}")
    try:
        try:
            if not direct:
                target.unlink(missing_ok=True)  # in /tmp others may have put a link there
            with target.open("wb" if direct else "xb") as file:
                file.writelines(parts)
            if not direct:
                os.replace(target, path)
        finally:
            if not direct:
                target.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror})") from None
