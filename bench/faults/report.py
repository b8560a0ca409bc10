"""The benchmark's report as Markdown."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from scoring import Figures, Result, by_check, figures, flag_everything, judge

HALVES = ("fresh", "held-out", "tuning")


def report(
    trema: Sequence[Result],
    umlaut: Sequence[Result],
    preview: Sequence[Result] = (),
    seconds: Mapping[int, float] | None = None,
) -> str:
    """Tables of figures, checks and programs."""
    seeds = sorted({r.seed for r in trema})
    lines = [
        "# Faults: recall and false alarms",
        "",
        f"Measured on {time.strftime('%Y-%m-%d')}, two CPU cores, seeds "
        f"{', '.join(map(str, seeds))}; `make bench-faults` repeats it.",
        *_size(trema),
        "",
        *INTRODUCTION,
    ]
    one = ", first seed" if len(seeds) > 1 else ""
    kinds: dict[str, Sequence[Result]] = {"Trema": trema, f"Umlaut's rules{one}": umlaut}
    kinds["flag everything"] = flag_everything(trema)
    for half in HALVES:
        if any(r.program.half == half for r in trema):
            lines += ["", f"## {TITLES[half]}", "", *_table(kinds, half)]
        if preview:
            lines += ["", "With the checks on trial (`--preview`):", ""]
            lines += _table({"Trema, preview on": preview}, half)
    lines += ["", "## Tasks, both halves", "", *_tasks(trema)]
    lines += ["", "## Checks", "", *_checks(trema)]
    if preview:
        lines += ["", "With the checks on trial:", "", *_checks(preview)]
    lines += ["", "## Programs", "", *_programs(trema)]
    lines += ["", "## Healthy twins with an alarm", "", *_noisy(trema)]
    lines += _lost(trema)
    if seconds:
        told = ", ".join(f"seed {seed}: {value / 60:.1f} min" for seed, value in seconds.items())
        lines += ["", f"Time of the runs, added up and divided by the cores: {told}."]
    return "\n".join(lines) + "\n"


TITLES = {
    "fresh": "Fresh pairs, tuned on after their first measurement",
    "held-out": "Held-out half, tuned on after its first measurement",
    "tuning": "Tuning half",
}

INTRODUCTION = [
    "A program is *detected* when it raises an alarm (a finding of warning or worse that no",
    "other explains). *Cause first* and *among three* ask whether the first, or one of the",
    "first three, names an accepted cause; *place* whether an alarm with such a cause points",
    "at a place of `label.json` (a line of any file; or column, class, split, parameter,",
    "key). *Precision* is the share of reported causes that are accepted. *Silent twins* are",
    "healthy programs without any alarm. A fault is *invisible* when the training script is",
    "clean: it is in a data file, the configuration, another module, or shows only in the",
    "course of training. Brackets hold Wilson's interval of 95 %; runs of one program with",
    "several seeds are not independent of each other, so that the intervals over seeds are",
    "too narrow. *Median step* and *median seconds* are those at which the first alarm with an",
    "accepted cause was told, counted from the run's start, without the framework's import.",
    "",
    "None of these figures is a forecast; read them as regression tests. Checks were developed",
    "with the tuning half in sight, all of the older programs among it. The held-out half, which a",
    "hash of the pair's name decides, was measured once before anything was tuned on it",
    "([figures](faults-held-out-first.md)), and so were the fresh pairs, written without knowledge",
    "of the checks ([figures](faults-fresh-first.md)); then their misses were mended. Those two",
    "pages are what to expect of programs that nobody here has seen. All programs were written",
    "within this project, though not by the hands that wrote the checks; they are small and take",
    "seconds. What the figures say about somebody's own program is less than the table makes",
    "believe.",
]


def _size(results: Sequence[Result]) -> list[str]:
    faulty = {r.program.name: r.program for r in results if r.program.faults}.values()
    healthy = {r.program.name for r in results if not r.program.faults}
    hidden = [p for p in faulty if not p.visible]
    fresh = [p for p in faulty if p.half == "fresh"]
    return [
        f"{len(faulty)} faulty programs ({len(hidden)} with a fault that cannot be seen in the "
        f"training script, {len(fresh)} fresh) and {len(healthy)} healthy ones."
    ]


def _table(kinds: Mapping[str, Sequence[Result]], half: str) -> list[str]:
    lines = [
        "| | faults | programs | detected | cause first | among three | place | precision "
        "| silent twins | median step | median seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, results in kinds.items():
        inside = [r for r in results if r.program.half == half]
        healthy = [r for r in inside if not r.program.faults]
        for told, wanted in (("visible", True), ("invisible", False)):
            faulty = [r for r in inside if r.program.faults and r.program.visible is wanted]
            pairs = {r.program.pair for r in faulty}
            twins = [r for r in healthy if r.program.pair in pairs]
            lines.append(_row(name, told, figures(faulty, twins)))
        faulty = [r for r in inside if r.program.faults]
        lines.append(_row(name, "all", figures(faulty, healthy)))
    return lines


def _row(name: str, told: str, of: Figures) -> str:
    step = "–" if of.steps is None else "before" if of.steps < 0 else str(of.steps)
    cells = [name, told, of.programs, of.detected, of.first, of.three, of.place]
    seconds = "–" if of.seconds is None else f"{of.seconds:.2f}"
    return "| " + " | ".join(map(str, [*cells, of.precision, of.quiet, step, seconds])) + " |"


def _tasks(results: Sequence[Result]) -> list[str]:
    lines = [
        "| task | programs | detected | cause first | place | silent twins |",
        "|---|---|---|---|---|---|",
    ]
    for task in sorted({r.program.task for r in results}):
        inside = [r for r in results if r.program.task == task]
        faulty = [r for r in inside if r.program.faults]
        of = figures(faulty, [r for r in inside if not r.program.faults])
        cells = [task, of.programs, of.detected, of.first, of.place, of.quiet]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _checks(results: Sequence[Result]) -> list[str]:
    lines = [
        "A firing is right on a faulty program whose label accepts its cause. Under twenty firings",
        "a share says little, whatever it is.",
        "",
        "| check | firings | programs | precision, fresh | held out | tuning | on healthy |",
        "|---|---|---|---|---|---|---|",
    ]
    halves = {h: by_check([r for r in results if r.program.half == h]) for h in HALVES}
    for check, (share, programs, wrong) in by_check(results).items():
        told = [str(halves[half][check][0]) if check in halves[half] else "–" for half in HALVES]
        lines.append(f"| {check} | {share.whole} | {programs} | {' | '.join(told)} | {wrong} |")
    return lines


def _programs(results: Sequence[Result]) -> list[str]:
    lines = [
        "Over all seeds: how often the first cause, and how often the place, was right.",
        "",
        "| program | half | fault | hidden in | cause | place | first alarms |",
        "|---|---|---|---|---|---|---|",
    ]
    named: dict[str, list[Result]] = {}
    for result in results:
        if result.program.faults:
            named.setdefault(result.program.name, []).append(result)
    for name, runs in sorted(named.items()):
        program = runs[0].program
        verdicts = [judge(run) for run in runs]
        first = sum(v.first for v in verdicts)
        place = sum(v.place for v in verdicts)
        alarms = sorted({run.alarms[0]["check"] for run in runs if run.alarms})
        hidden = sorted({fault.hidden_in or "–" for fault in program.faults})
        families = ", ".join(fault.family for fault in program.faults)
        lines.append(
            f"| {name} | {program.half} | {families} | {', '.join(hidden)} | {first}/{len(runs)} "
            f"| {place}/{len(runs)} | {', '.join(alarms)} |"
        )
    return lines


def _noisy(results: Sequence[Result]) -> list[str]:
    noisy = [r for r in results if not r.program.faults and r.alarms]
    lines = [
        f"- {r.program.name} (seed {r.seed}, {r.program.half}): "
        f"{', '.join(sorted({f['check'] for f in r.alarms}))}"
        for r in noisy
    ]
    return lines or ["None."]


def _lost(results: Sequence[Result]) -> list[str]:
    lost = [f"{r.program.name} (seed {r.seed})" for r in results if not r.ok]
    return ["", f"Did not end well, or were lost: {', '.join(lost)}."] if lost else []
