"""Recall by fault and alarms per healthy run, over real programs.

    python bench/faults/run.py [--only PATTERN] [--fresh] [--seconds N]

Each program is run unmodified under ``trema run`` in a worker that was forked after the
frameworks were imported, with the JSON document as its result. Results are kept by content hash
in ``bench/results/faults`` so that an interrupted run goes on where it stopped; programs with the
same text run once.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = ROOT / "bench" / "results" / "faults"
REPORT = ROOT / "docs" / "bench" / "faults.md"
LIMIT = 240  # seconds a program may take


@dataclass(frozen=True)
class Program:
    """One script to run, buggy or healthy."""

    name: str
    path: Path
    framework: str
    faults: list[dict[str, Any]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """A hash of the script and of everything in the package: a change runs it again."""
        return hashlib.blake2b(self.path.read_bytes() + _package_hash(), digest_size=10).hexdigest()


_hash: bytes = b""


def _package_hash() -> bytes:
    global _hash
    if given := os.environ.get("TREMA_BENCH_HASH"):  # one state of the package for all workers
        return given.encode()
    if not _hash:
        total = hashlib.blake2b(digest_size=16)
        for path in sorted((ROOT / "src").rglob("*.py")):
            total.update(path.read_bytes())
        _hash = total.hexdigest().encode()
    return _hash


def programs(pattern: str) -> list[Program]:
    """Every program below ``programs/``: the buggy one and its twin."""
    found = []
    for label in sorted(HERE.glob("programs/*/label.json")):
        data = json.loads(label.read_text())
        folder = label.parent
        framework = data["framework"]
        if pattern and pattern not in folder.name:
            continue
        if data["faults"]:
            buggy = folder / "program.py"
            found.append(Program(folder.name, buggy, framework, data["faults"]))
        if (folder / "healthy.py").exists():
            found.append(Program(f"{folder.name}/healthy", folder / "healthy.py", framework))
    return found


# running ------------------------------------------------------------------------------------


def _child(path: str, out: str, log: str, cwd: str) -> None:
    """Runs in the forked worker: the command line of a user, in a folder of its own."""
    os.chdir(cwd)
    os.environ["TREMA_DIR"] = str(Path(cwd) / ".trema")
    with open(log, "w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        from trema.cli import main

        sys.argv = ["trema", "run", "--json", out, path]
        with contextlib.suppress(SystemExit):
            main()
        sys.stdout.flush()
        sys.stderr.flush()


def run_program(program: Program, context: Any) -> dict[str, Any]:
    """The findings document of one program, from the cache when it has not changed."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    target = RESULTS / f"{program.key}.json"
    if target.exists():
        return dict(json.loads(target.read_text()))
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder) / "out.json", RESULTS / f"{program.key}.log"
        arguments = (str(program.path), str(out), str(log), folder)
        worker = context.Process(target=_child, args=arguments)
        started = time.perf_counter()
        worker.start()
        worker.join(LIMIT)
        if worker.is_alive():
            worker.kill()
            worker.join()
        document = json.loads(out.read_text()) if out.exists() else {"findings": [], "lost": True}
        document["wall"] = time.perf_counter() - started
        document["code"] = worker.exitcode
    target.write_text(json.dumps(document))
    return dict(document)


def by_framework(framework: str, names: list[str]) -> None:
    """Run these programs in one process that has imported the framework."""
    if framework == "keras":
        os.environ.setdefault("KERAS_BACKEND", "torch")
    context = multiprocessing.get_context("fork")
    import torch

    # threads that exist before a fork hang the child: one thread is enough for these programs
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    if framework == "keras":
        __import__("keras")
    __import__("sklearn")
    todo = [p for p in programs("") if p.name in names]
    for number, program in enumerate(todo, 1):
        document = run_program(program, context)
        alarms = [f["check"] for f in alarms_of(document)]
        seconds = document["wall"]
        print(f"{number}/{len(todo)} {program.name} {seconds:.0f} s {' '.join(alarms)}", flush=True)


# scoring ------------------------------------------------------------------------------------


def alarms_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Findings of warning or worse that no other explains."""
    return [f for f in document["findings"] if f["severity"] != "info" and not f["explained_by"]]


def score(fault: dict[str, Any], document: dict[str, Any]) -> dict[str, bool]:
    """Whether a fault was found, with the right cause, on the right line, and as an alarm."""
    findings = [f for f in document["findings"] if f["check"] in fault["checks"]]
    cause = [f for f in findings if f["cause"] in fault["causes"]]
    ranges = fault["lines"]

    def hits(finding: dict[str, Any]) -> bool:
        place = finding["location"]
        return place is not None and any(low <= place["line"] <= high for low, high in ranges)

    return {
        "found": bool(findings),
        "alarm": any(f["severity"] != "info" for f in findings),
        "cause": bool(cause),
        "line": any(hits(f) for f in cause),
    }


def report(results: dict[str, tuple[Program, dict[str, Any]]]) -> str:
    """The table of the benchmark as Markdown."""
    lines = [
        "# Faults: recall and false alarms",
        "",
        f"Measured on {time.strftime('%Y-%m-%d')}, two CPU cores; `make bench-faults` repeats it.",
        "A fault counts as found when a check meant for it speaks; cause and line are judged",
        "against `label.json` beside each program. *Other alarms* are findings of warning or",
        "worse, explained by no other, that belong to none of the program's faults.",
        "",
        "Read these figures as a regression test, not as a forecast: the checks were developed",
        "with these programs in sight. The noise limit of `overfitting` was chosen with the two",
        "overfitting programs, and `split-overlap` was mended after it raised a false alarm on",
        "one of the healthy programs. No half was held out.",
        "",
        "| program | fault | found | cause | line | other alarms |",
        "|---|---|---|---|---|---|",
    ]
    total = {"found": 0, "cause": 0, "line": 0}
    faults = other_count = 0
    for name, (program, document) in results.items():
        if not program.faults:
            continue
        meant = {c for fault in program.faults for c in fault["checks"]}
        other = sorted({f["check"] for f in alarms_of(document)} - meant)
        other_count += len(other)
        for fault in program.faults:
            got = score(fault, document)
            faults += 1
            for key in total:
                total[key] += got[key]
            marks = " | ".join("yes" if got[key] else "**no**" for key in total)
            lines.append(f"| {name} | {fault['id']} | {marks} | {', '.join(other)} |")
    healthy = {n: d for n, (p, d) in results.items() if not p.faults}
    unique = {json.dumps([d["run"]["name"], d["wall"]]): d for d in healthy.values() if "run" in d}
    alarms = {n: [f["check"] for f in alarms_of(d)] for n, d in healthy.items()}
    noisy = {n: found for n, found in alarms.items() if found}
    lost = [n for n, (_, d) in results.items() if d.get("lost") or d.get("code")]
    lines += [
        "",
        f"- faults: {faults}; found {total['found']}, right cause {total['cause']}, "
        f"right line {total['line']}",
        f"- alarms on faulty programs that belong to no fault of theirs: {other_count}",
        f"- healthy programs: {len(healthy)} ({len(unique)} runs, equal twins run once); with an "
        f"alarm: {len(noisy)}; alarms per healthy run: "
        f"{sum(map(len, alarms.values())) / max(1, len(healthy)):.3f}",
    ]
    lines += [f"  - {name}: {', '.join(found)}" for name, found in noisy.items()]
    lines += [f"- did not end well: {', '.join(lost)}"] if lost else []
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a program's name")
    parser.add_argument("--framework", default="", help=argparse.SUPPRESS)
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    options = parser.parse_args()
    if not (ROOT.parent / "shared" / "data").exists() and "TREMA_BENCH_DATA" not in os.environ:
        sys.exit("the data sets are missing: set TREMA_BENCH_DATA to their folder")
    if options.fresh:
        for path in RESULTS.glob("*"):
            path.unlink()
    selected = programs(options.only)
    if options.framework:
        by_framework(
            options.framework, [p.name for p in selected if p.framework == options.framework]
        )
        return
    os.environ["TREMA_BENCH_HASH"] = _package_hash().decode()
    for framework in ("torch", "keras"):
        command = [sys.executable, __file__, "--framework", framework, "--only", options.only]
        subprocess.run(command, check=True)
    context = multiprocessing.get_context("fork")
    results = {p.name: (p, run_program(p, context)) for p in selected}
    text = report(results)
    if not options.only:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
