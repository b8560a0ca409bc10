"""Judging one program's findings against its label, and counting over many.

An *alarm* is a finding of warning or worse that no other explains. A program is

- *detected* when it raises an alarm, whatever its cause;
- *cause first* / *among three* when the first / one of the first three alarms in Trema's own order
  names an accepted cause;
- *place right* when an alarm with an accepted cause points at an accepted place of the label;
- *precision* is the share of all causes reported (one a program) that are accepted.

No check id appears here: a label knows causes and places only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pairs import Fault, Program

#: Share of the rows, samples or classes told that must be the faulty ones.
ENOUGH = 0.5

Finding = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """One run of one program."""

    program: Program
    seed: int
    document: Mapping[str, Any]
    ok: bool
    spoken: Mapping[str, float] = field(default_factory=dict)  # finding -> seconds from the start

    @property
    def alarms(self) -> list[Finding]:
        """Alarms in the order of their rank."""
        loud = [
            f
            for f in self.document["findings"]
            if f["severity"] != "info" and not f["explained_by"]
        ]
        return sorted(loud, key=lambda f: f.get("rank") or math.inf)


@dataclass(frozen=True)
class Verdict:
    """What a run of a faulty program showed."""

    detected: bool
    first: bool
    three: bool
    place: bool
    reported: int  # different causes reported …
    right: int  # … and accepted ones among them
    faults_found: int
    step: int | None  # of the first alarm with an accepted cause; -1 before training
    seconds: float | None  # from the start of the run until it was told


def judge(result: Result) -> Verdict:
    """Compare a run with the label of its program."""
    accepted = {cause for fault in result.program.faults for cause in fault.causes}
    alarms = result.alarms
    right = [f for f in alarms if f["cause"] in accepted]
    causes = {f["cause"] for f in alarms}
    steps = [f["first"]["step"] for f in right]
    return Verdict(
        detected=bool(alarms),
        first=bool(alarms) and alarms[0]["cause"] in accepted,
        three=any(f["cause"] in accepted for f in alarms[:3]),
        place=any(_placed(f, fault) for fault in result.program.faults for f in right),
        reported=len(causes),
        right=len(causes & accepted),
        faults_found=sum(
            any(f["cause"] in fault.causes for f in alarms) for fault in result.program.faults
        ),
        step=min((-1 if s is None else s for s in steps), default=None),
        seconds=min(
            (t for f in right if (t := result.spoken.get(f.get("id", ""))) is not None),
            default=None,
        ),
    )


def _placed(finding: Finding, fault: Fault) -> bool:
    fits = finding["cause"] in fault.causes
    return fits and any(at_place(finding, place) for place in fault.places)


def at_place(finding: Finding, place: Mapping[str, Any]) -> bool:
    """Whether a finding points at this place."""
    if "lines" in place:
        spot = finding.get("location")
        return (
            spot is not None
            and str(spot["file"]).rsplit("/", 1)[-1] == place["file"]
            and any(low <= spot["line"] <= high for low, high in place["lines"])
        )
    where = finding.get("where") or {}
    data = where.get("data") or {}
    for kind in ("columns", "rows", "samples", "classes"):
        if kind in place:
            return _mostly(data.get(kind) or (), place[kind])
    if "split" in place:
        return data.get("split") == place["split"]
    if "key" in place:
        told = str((where.get("config") or {}).get("key") or "")
        return told == place["key"] or told.endswith("." + place["key"])
    for kind in ("parameter", "layer"):
        if kind in place:
            true = str(place[kind])
            told = [str(where[name]) for name in ("parameter", "layer") if where.get(name)]
            inside = (true + ".", true + "/")
            # the layer that a parameter belongs to is exact enough
            owner = true.rpartition(".")[0] if kind == "parameter" else true
            return any(t in (true, owner) or t.startswith(inside) for t in told)
    return False


def _mostly(told: Iterable[Any], true: Iterable[Any]) -> bool:
    names = [str(one) for one in told]
    wanted = {str(one) for one in true}
    return bool(names) and sum(name in wanted for name in names) >= ENOUGH * len(names)


# counting ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """A count of a count, told with its Wilson interval of 95 %."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.part / self.whole if self.whole else math.nan

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        """Wilson's score interval; 0 to 1 of nothing."""
        n = self.whole
        if not n:
            return 0.0, 1.0
        p, square = self.part / n, z * z
        middle = (p + square / (2 * n)) / (1 + square / n)
        half = z * math.sqrt(p * (1 - p) / n + square / (4 * n * n)) / (1 + square / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        if not self.whole:
            return "–"
        low, high = self.interval()
        return f"{self.value:.2f} ({low:.2f}–{high:.2f})"


@dataclass(frozen=True)
class Figures:
    """The figures of one group of programs."""

    detected: Share
    first: Share
    three: Share
    place: Share
    precision: Share
    quiet: Share  # healthy twins without an alarm
    steps: float | None  # median step of the first right alarm
    seconds: float | None  # median seconds from the start of the run until it was told
    programs: int


def figures(faulty: Sequence[Result], healthy: Sequence[Result]) -> Figures:
    """Count over runs; a run that was lost counts as one without findings."""
    verdicts = [judge(result) for result in faulty]
    steps = sorted(v.step for v in verdicts if v.step is not None)
    times = sorted(v.seconds for v in verdicts if v.seconds is not None)
    n = len(verdicts)
    return Figures(
        detected=Share(sum(v.detected for v in verdicts), n),
        first=Share(sum(v.first for v in verdicts), n),
        three=Share(sum(v.three for v in verdicts), n),
        place=Share(sum(v.place for v in verdicts), n),
        precision=Share(sum(v.right for v in verdicts), sum(v.reported for v in verdicts)),
        quiet=Share(sum(r.ok and not r.alarms for r in healthy), len(healthy)),
        steps=steps[len(steps) // 2] if steps else None,
        seconds=times[len(times) // 2] if times else None,
        programs=len({r.program.pair for r in faulty}),
    )


def by_check(results: Sequence[Result]) -> dict[str, tuple[Share, int, int]]:
    """check -> precision, programs that it fired on, alarms on healthy twins.

    A firing is right on a faulty program whose label accepts the finding's cause.
    """
    fired: Counter[str] = Counter()
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    programs: dict[str, set[str]] = {}
    for result in results:
        accepted = {cause for fault in result.program.faults for cause in fault.causes}
        causes = {f["check"]: f["cause"] for f in result.alarms}
        for check, cause in causes.items():
            fired[check] += 1
            right[check] += cause in accepted
            wrong[check] += not result.program.faults
            programs.setdefault(check, set()).add(result.program.name)
    return {
        check: (Share(right[check], count), len(programs[check]), wrong[check])
        for check, count in sorted(fired.items())
    }


def flag_everything(results: Sequence[Result]) -> list[Result]:
    """A baseline that reports every cause everywhere, the most usual of the tuning half first."""
    usual = Counter(
        fault.causes[0]
        for program in {r.program.name: r.program for r in results}.values()
        if program.half == "tuning"
        for fault in program.faults
    )
    findings = [
        {"check": cause, "cause": cause, "severity": "error", "rank": rank, "explained_by": []}
        | {"location": None, "where": {}, "first": {"step": None}}
        for rank, cause in enumerate(sorted(CAUSES, key=lambda c: (-usual[c], c)), 1)
    ]
    return [Result(r.program, r.seed, {"findings": findings}, True) for r in results]


CAUSES = (
    "data",
    "labels",
    "split",
    "loss",
    "activation",
    "architecture",
    "initialization",
    "learning-rate",
    "optimizer",
    "training-loop",
    "regularization",
    "budget",
    "numerics",
    "reproducibility",
)
