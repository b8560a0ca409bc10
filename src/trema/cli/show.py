"""``trema runs`` and ``trema show``: from journals alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from trema.cli.folders import document_of, people_of, root_folder
from trema.core.numbers import dumps
from trema.journal.folder import find_run, list_runs
from trema.journal.sent import size, unsent
from trema.sinks.render import block, counts, fix_line, merged, summary
from trema.sinks.text import harmless


def list_all(dir: Path | None) -> None:
    """Print a table of all runs."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    root = root_folder(dir)
    runs = [run for run in list_runs(root) if run.metadata]
    if not runs:
        print(f"no runs in {harmless(root)}: start one with trema run script.py")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    left = {run.id: count for run in runs if (count := unsent(run)) is not None}
    columns = ["name", "id", "state", "framework", "steps", "epochs", "findings"]
    for column in [*columns, "unsent"] if left else columns:
        right = column in ("steps", "epochs", "unsent")
        table.add_column(
            column, justify="right" if right else "left", no_wrap=column not in ("name", "findings")
        )
    people = people_of(root)
    for run in runs:
        document = document_of(run, people)
        facts = document["run"]
        cells = [
            run.name,
            run.id,
            facts["state"],
            facts["framework"],
            f"{facts['steps'] or 0:,}",
            f"{facts['epochs'] or 0:,}",
            counts(merged(document["findings"])) or "–",
        ]
        if left:
            cells.append(size(left[run.id]) if left.get(run.id) else "–")
        table.add_row(*(Text(harmless(cell), overflow="fold") for cell in cells))
    console = Console(highlight=False)
    if not sys.stdout.isatty():
        console.width = 140
    console.print(table)
    if any(left.values()):
        print("what is unsent waits here: run trema sync to send it")


def show_run(wanted: str, dir: Path | None, *, as_json: bool) -> None:
    """Print the findings of a run, the most urgent first, or the document."""
    run = find_run(root_folder(dir), wanted)
    document = document_of(run)
    if as_json:
        print(dumps(document, indent=2))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    console.width = min(console.width, 100)
    for finding in merged(document["findings"]):
        console.print(block(finding))
        _details(console, finding)
        console.print()
    for part in summary(document, kept=None):
        console.print(part)
    for item in document["muted"]:
        console.print(Text(_mute_line(item), style="dim"))


def _mute_line(item: dict[str, Any]) -> str:
    where = f" at {harmless(item['where'])}" if item.get("where") else ""
    reason = f": {harmless(item['reason'])}" if item.get("reason") else ""
    by = f" by {harmless(item['by'])}" if item.get("by") in ("comment", "config") else ""
    return f"muted{by}: {harmless(item.get('check', ''))}{where}{reason}"


def _details(console: Any, finding: dict[str, Any]) -> None:
    from rich.padding import Padding

    for fix in (finding.get("fixes") or [])[1:]:
        console.print(Padding(fix_line(fix, "or:  "), (0, 0, 0, 2), expand=False))
