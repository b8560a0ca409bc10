"""How findings and summaries look in a terminal; from the findings document alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trema.core.facts import SITUATIONAL
from trema.core.numbers import percent
from trema.sinks.text import harmless, place, prose, source_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

STYLES = {
    "critical": "bold white on red",
    "error": "bold black on dark_orange",
    "warning": "bold black on yellow",
    "info": "bold white on blue",
}
_BARS = {"critical": "red", "error": "dark_orange", "warning": "yellow", "info": "blue"}
SEVERITIES = tuple(STYLES)
#: Seconds; in a shorter run the dense beginning makes up most of Trema's time.
SHORT_RUN = 10.0
NO_TRAINING = (
    "no training seen: Trema attaches to Keras `fit` and `train_on_batch` and to PyTorch "
    "optimizers by itself; in any other loop call `run = trema.start()` and `run.log(loss=…)`"
)


def badge(severity: str) -> Text:
    """The severity as a coloured label."""
    from rich.text import Text

    return Text(f" {harmless(severity).upper()} ", style=STYLES.get(severity, "reverse"))


#: How sure a cause is, by the finding's confidence.
SURE = {"measured": "", "likely": "likely ", "possible": "possible "}


def block(finding: Mapping[str, Any]) -> RenderableType:
    """One finding: badge and title, message, line of code, cause, first fix, where to read on."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    severity = str(finding.get("severity", ""))
    title = badge(severity) + Text(" ") + prose(finding.get("title", ""), "bold")
    parts: list[RenderableType] = [prose(finding.get("message", ""))]
    parts += _code(finding.get("location"), _BARS.get(severity, ""))
    if finding.get("cause"):
        sure = SURE.get(str(finding.get("confidence")), "")
        cause = str(finding["cause"]).replace("-", " ")
        parts.append(Text(f"{sure}cause: ", style="dim") + prose(cause))
    fixes = finding.get("fixes") or []
    if fixes:
        parts.append(fix_line(fixes[0]))
    parts.append(Text(f"more: trema explain {harmless(finding.get('check', ''))}", style="dim"))
    return Group(title, *(Padding(part, (0, 0, 0, 2), expand=False) for part in parts))


def _code(location: Mapping[str, Any] | None, colour: str) -> Iterator[RenderableType]:
    from rich.text import Text

    if not location:
        return
    yield Text.assemble(("at ", "dim"), (place(location), "bold"))
    line = source_line(location)
    if line is None:
        return
    text, start, end = line
    number = str(location.get("line"))
    source = Text.assemble((f"{number} │ ", "dim"), text, no_wrap=True, overflow="ellipsis")
    yield source
    if end > start:
        gap = " " * (Text(text[:start]).cell_len)
        mark = "^" * max(1, Text(text[start:end]).cell_len)
        side = " " * len(number) + " │ "
        yield Text.assemble(
            (side, "dim"), gap, (mark, f"bold {colour}"), no_wrap=True, overflow="crop"
        )


def fix_line(fix: Mapping[str, Any], label: str = "fix: ") -> Text:
    """A fix with its caution."""
    from rich.text import Text

    text = Text(label, style="bold green") + prose(fix.get("text", ""))
    if fix.get("caution"):
        text += Text(" (") + prose(fix["caution"], "dim") + Text(")")
    return text


def gone_line(finding: Mapping[str, Any]) -> Text:
    """One dim line for a finding that stopped occurring."""
    from rich.text import Text

    return Text("no longer seen: ", style="dim") + prose(finding.get("title", ""), "dim")


# summary ----------------------------------------------------------------------------------


def summary(
    document: Mapping[str, Any], *, kept: str | None, name: str | None = None
) -> Iterator[RenderableType]:
    """What to fix first, what is clear, what could not be assessed, where the run is kept."""
    from rich.rule import Rule
    from rich.text import Text

    run = document.get("run", {})
    shown = harmless(name or run.get("name") or "run")
    yield Rule(Text(f"Trema · {shown}"), style="dim", align="left")
    yield _figures(run)
    findings = merged(document.get("findings", []))
    if findings:
        yield findings_table(findings)
    if not run.get("segments") and run.get("state") != "crashed":
        yield prose(NO_TRAINING, "yellow")
    elif run.get("segments"):
        yield from _coverage(document, bool(findings))
    for failed in document.get("failed_checks", []):
        yield prose(f"failed inside Trema: {failed.get('check')}: {failed.get('error')}", "red")
    for note in run.get("notes", []):
        yield prose(f"note: {note}", "yellow")
    if kept:
        yield Text.assemble(("kept in ", "dim"), harmless(kept))
        yield Text.assemble(("next: ", "bold"), (f"trema show {_quoted(shown)}", "bold cyan"))


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)


def _figures(run: Mapping[str, Any]) -> Text:
    from rich.text import Text

    steps, epochs = int(run.get("steps") or 0), int(run.get("epochs") or 0)
    parts = [
        harmless(run.get("state", "")),
        f"{steps:,} step{'s' * (steps != 1)}",
        f"{epochs:,} epoch{'s' * (epochs != 1)}",
    ]
    if run.get("seconds") is not None:
        parts.append(f"{float(run['seconds']):.1f} s")
    if run.get("overhead") is not None:
        short = " (a short run)" if float(run.get("seconds") or 0) < SHORT_RUN else ""
        share = percent(float(run["overhead"]))
        own = run.get("own_seconds")
        told = f"{float(own):.2f} s, {share}" if own is not None else share
        parts.append(f"Trema took {told} of the time{short}")
    if run.get("inputs") or run.get("outputs"):
        parts.append(harmless(" → ".join(filter(None, (run.get("inputs"), run.get("outputs"))))))
    return Text(" · ".join(parts), style="dim")


def merged(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Findings by rank; those of one id in several segments become one with ``parts``."""
    by_id: dict[str, dict[str, Any]] = {}
    for finding in sorted(findings, key=lambda item: item.get("rank", 0)):
        known = by_id.setdefault(str(finding.get("id")), {**finding, "parts": 0})
        known["parts"] += 1
        if finding.get("state") == "active":
            known["state"] = "active"
    return list(by_id.values())


def findings_table(findings: Sequence[Mapping[str, Any]]) -> RenderableType:
    """What to fix first, with place and state."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, title="What to fix first", title_justify="left", pad_edge=False
    )
    table.add_column("", justify="right", style="bold")
    table.add_column("severity", no_wrap=True)
    table.add_column("finding", ratio=1)
    table.add_column("where", overflow="fold")
    titles = {finding.get("id"): finding.get("title", "") for finding in findings}
    for number, finding in enumerate(findings, start=1):
        causes = [titles[i] for i in finding.get("explained_by", []) if i in titles]
        dim = "dim" if causes or finding.get("state") == "gone" else ""
        title = prose(finding.get("title", ""), dim)
        if finding.get("parts", 1) > 1:
            title.append(f" (in {finding['parts']} parts)", "dim")
        if finding.get("state") == "gone":
            title.append(" (no longer seen)", "dim")
        if causes:
            title += Text("\nexplained by: ", style="dim") + prose(causes[0], "dim")
        location = finding.get("location")
        where = place(location) if location else _where(finding.get("where") or {})
        table.add_row(str(number), badge(str(finding.get("severity"))), title, Text(where))
    return table


def _where(where: Mapping[str, Any]) -> str:
    for key in ("layer", "parameter", "input", "output"):
        if where.get(key):
            return harmless(where[key])
    return "–"


def counts(findings: Sequence[Mapping[str, Any]]) -> str:
    """``2 critical, 1 warning``; empty when there is none."""
    found = [str(finding.get("severity")) for finding in findings]
    plural = {"error": "errors", "warning": "warnings"}
    return ", ".join(
        f"{n} {plural.get(s, s) if n != 1 else s}" for s in SEVERITIES if (n := found.count(s))
    )


def _muted(items: Sequence[Mapping[str, Any]]) -> str:
    """`` · 2 muted (1 by comment, 1 by config)``; empty when nothing is."""
    by = [str(item.get("by")) for item in items]
    parts = [f"{by.count(who)} by {harmless(who)}" for who in dict.fromkeys(by)]
    return f" · {len(by)} muted ({', '.join(parts)})" if by else ""


def _coverage(document: Mapping[str, Any], found: bool) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    clear, skipped = document.get("clear", []), document.get("not_assessed", [])
    apart = [item for item in skipped if SITUATIONAL.issuperset(item.get("missing") or [""])]
    skipped = [item for item in skipped if item not in apart]
    findings = merged(document.get("findings", []))
    muted = _muted(document.get("muted", []))
    checks = f"{len(clear)} check{'s are' if len(clear) != 1 else ' is'} clear"
    without = f" · {len(apart)} do not apply here" if apart else ""
    rest = f"{len(skipped)} could not be assessed{without}{muted}"
    if found:
        yield Text(f"found: {counts(findings)} · {checks} · {rest}")
    else:
        head = Text("nothing found", style="bold green")
        yield head + Text(f": {checks}, {rest}{':' if skipped else ''}", style="default")
    groups: dict[str, list[str]] = defaultdict(list)
    for item in skipped:
        groups[", ".join(map(str, item.get("missing", []))) or "unknown"].append(str(item["check"]))
    for missing, names in groups.items():
        line = prose(f"not assessed without {missing}: {', '.join(names)}", "dim")
        yield Padding(line, (0, 0, 0, 2), expand=False)
