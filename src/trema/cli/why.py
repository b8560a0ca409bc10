"""``trema why``: the chain from a symptom to what is to be fixed, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trema.checks.base import all_checks
from trema.cli.folders import document_of, root_folder
from trema.core.numbers import dumps, show
from trema.diagnosis.relations import relations_of
from trema.diagnosis.symptoms import symptom_named
from trema.diagnosis.why import Answer, answer
from trema.journal.folder import find_run
from trema.sinks.render import badge, fix_line
from trema.sinks.text import harmless, place, prose

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_NUMBERS = 3  # of a finding


def explain_run(wanted: str, symptom: str | None, dir: Path | None, *, as_json: bool) -> None:
    """Print why a run shows a symptom, or what is wrong with it.

    Raises
    ------
    UsageError
        For a symptom that does not exist.
    """
    asked = symptom_named(symptom) if symptom is not None else None
    document = document_of(find_run(root_folder(dir), wanted))
    checks = all_checks()
    causes = {name: str(check.cause) for name, check in checks.items()}
    found = answer(document, relations_of(checks), causes, asked)
    if as_json:
        run = {key: document["run"].get(key) for key in ("id", "name", "state", "steps", "epochs")}
        print(dumps({"run": run, **found.as_dict()}, indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False)
    console.width = min(console.width, 100)
    _print(console, found)


def _print(console: Console, found: Answer) -> None:
    console.print(prose(found.summary(), "bold"))
    for steps in found.chains:
        console.print()
        for number, finding in enumerate(steps):
            for part in _step(finding, number):
                console.print(part)
    if found.roots:
        console.print()
        for finding in found.roots[:3]:
            for part in _first_fix(finding):
                console.print(part)
    if not (found.explained and found.seen):
        console.print()
        for part in _checked(found):
            console.print(part)


def _step(finding: Mapping[str, Any], number: int) -> Iterator[RenderableType]:
    """One link: what was seen, its numbers and its place."""
    from rich.padding import Padding
    from rich.text import Text

    because = Text("because " if number else "", style="bold")
    head = because + badge(str(finding.get("severity"))) + Text(" ")
    head += prose(finding.get("title", ""), "bold")
    yield Padding(head, (0, 0, 0, 2 if number else 0), expand=False)
    for line in (
        prose(finding.get("message", "")),
        *_numbers(finding),
        *_where(finding),
    ):
        yield Padding(line, (0, 0, 0, 4 if number else 2), expand=False)


def _numbers(finding: Mapping[str, Any]) -> Iterator[Text]:
    from rich.text import Text

    parts = []
    for item in (finding.get("evidence") or [])[:_NUMBERS]:
        name = f" of {item['name']}" if item.get("name") else ""
        text = f"{item.get('fact')}{name} {_number(item.get('value'))}"
        if item.get("unit"):
            text += f" {item['unit']}"
        if item.get("limit") is not None:
            text += f" (limit {_number(item['limit'])})"
        if item.get("step") is not None:
            text += f" at step {item['step']}"
        parts.append(harmless(text))
    if parts:
        yield Text("measured: " + "; ".join(parts), style="dim")


def _number(value: object) -> str:
    return show(float(value)) if isinstance(value, int | float) else str(value)


def _where(finding: Mapping[str, Any]) -> Iterator[Text]:
    from rich.text import Text

    first = (finding.get("first") or {}).get("step")
    where = finding.get("where") or {}
    names = [
        f"{key} {where[key]}"
        for key in ("layer", "parameter", "input", "output", "config")
        if isinstance(where.get(key), str)
    ]
    parts = [*names, f"first seen at step {first}" if first is not None else "before training"]
    if finding.get("location"):
        parts.insert(0, f"at {place(finding['location'])}")
    if finding.get("state") == "gone":
        parts.append("no longer seen")
    yield Text(harmless(" · ".join(parts)), style="dim")


def _first_fix(finding: Mapping[str, Any]) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    where = f" ({place(finding['location'])})" if finding.get("location") else ""
    yield Text("fix: ", style="bold green") + prose(finding.get("title", "")) + Text(where, "dim")
    for number, fix in enumerate((finding.get("fixes") or [])[:2]):
        yield Padding(fix_line(fix, "" if number == 0 else "or: "), (0, 0, 0, 2), expand=False)


def _checked(found: Answer) -> Iterator[Text]:
    """What was looked at without a result."""
    if found.clear:
        yield prose(f"checked and clear: {', '.join(found.clear)}", "dim")
    for item in found.not_assessed:
        missing = ", ".join(map(str, item.get("missing", []))) or "unknown"
        yield prose(f"could not be assessed: {item.get('check')} (without {missing})", "dim")
    if not found.clear and not found.not_assessed:
        yield prose("no check that concerns it came to a result", "dim")
