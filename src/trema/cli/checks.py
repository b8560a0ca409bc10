"""``trema checks`` and ``trema explain``."""

from __future__ import annotations

from typing import Any

from trema.checks.base import Check, all_checks, get_check, thresholds
from trema.core.numbers import dumps
from trema.diagnosis.crash import CRASHES, TITLES

FRAMEWORKS = {"torch": "PyTorch", "keras": "Keras"}


def describe(check: type[Check]) -> dict[str, Any]:
    """A check as JSON data."""
    page = check.snippets
    return {
        "id": check.id,
        "title": check.title,
        "cause": str(check.cause),
        "severity": str(check.severity),
        "kind": str(check.kind),
        "preview": check.preview,
        "needs": sorted(map(str, check.needs)),
        "fixes": [{"text": fix.text, "caution": fix.caution} for fix in check.fixes],
        "thresholds": thresholds(check()),
        "theory": page.theory,
        "may_be_wrong": page.may_be_wrong,
        "bad": dict(page.bad),
        "good": dict(page.good),
    }


def list_checks(*, as_json: bool) -> None:
    """Print all checks."""
    checks = all_checks()
    if as_json:
        print(dumps([describe(check) for check in checks.values()], indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from trema.sinks.render import badge
    from trema.sinks.text import prose

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("cause", no_wrap=True)
    table.add_column("what it finds")
    for check in checks.values():
        title = prose(check.title + (" (preview)" if check.preview else ""))
        table.add_row(prose(check.id), badge(str(check.severity)), prose(check.cause), title)
    Console(highlight=False).print(table)
    print(f"{len(checks)} checks · trema explain CHECK tells more")


def explain_check(check_id: str) -> None:
    """Print the page of a check."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.syntax import Syntax
    from rich.text import Text

    from trema.sinks.render import badge
    from trema.sinks.text import prose

    console = Console(highlight=False)
    console.width = min(console.width, 100)
    if check_id in CRASHES:
        console.print(badge("critical") + Text(" ") + prose(TITLES[check_id], "bold"))
        console.print(Markdown(CRASHES[check_id]))
        return
    check = get_check(check_id)
    page = check.snippets

    def heading(text: str) -> None:
        console.print()
        console.print(Text(text, style="bold underline"))

    console.print(badge(str(check.severity)) + Text(" ") + prose(check.title, "bold"))
    console.print(Text(f"{check.id} · cause: {check.cause}", style="dim"))
    for title, text in (("Theory", page.theory), ("May be wrong when", page.may_be_wrong)):
        if text:
            heading(title)
            console.print(Markdown(text))
    for title, snippets in (("Bad", page.bad), ("Good", page.good)):
        for framework, code in snippets.items():
            heading(f"{title} · {FRAMEWORKS.get(framework, framework)}")
            console.print(Syntax(code, "python", theme="ansi_dark", background_color="default"))
    if check.fixes:
        heading("Fixes, the cheapest first")
        for number, fix in enumerate(check.fixes, start=1):
            console.print(Text(f"{number}. ") + prose(fix.text + _caution(fix.caution)))
    limits = thresholds(check())
    if limits:
        heading("Thresholds")
        for name, value in limits.items():
            console.print(Text(f"{name} = {value}"))


def _caution(caution: str | None) -> str:
    return f" ({caution})" if caution else ""
