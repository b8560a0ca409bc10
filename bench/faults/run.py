"""Recall by fault and alarms per healthy run, over real programs.

    python bench/faults/run.py [--only PATTERN] [--half HALF] [--seed N ...] [--preview]

Each program runs unmodified under ``trema run`` in a child of a process that has imported the
frameworks, with the JSON document as its result. Results are kept by content hash in
``bench/results/faults``, so that an interrupted run goes on where it stopped. The rules of the
Umlaut paper and "flag everything" are judged on the same programs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pairs
import report
from pairs import Program
from scoring import Result, by_check

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = ROOT / "bench" / "results" / "faults"
REPORT = ROOT / "docs" / "bench" / "faults.md"
PRECISION = ROOT / "src" / "trema" / "checks" / "precision.json"


def package_hash() -> str:
    """A hash of all that is in the package, so that a change runs every program again."""
    if given := os.environ.get("TREMA_BENCH_HASH"):
        return given
    total = hashlib.blake2b(digest_size=16)
    for path in (
        *sorted((ROOT / "src").rglob("*.py")),
        HERE / "umlaut_rules.py",
        HERE / "serve.py",
    ):
        total.update(path.read_bytes())
    return total.hexdigest()


def kind_of(program: Program) -> str:
    """Which process runs it."""
    return "torch" if program.framework == "torch" else f"keras-{program.backend}"


def jobs_for(programs: Sequence[Program], seeds: Sequence[int], preview: bool) -> list[Any]:
    """One job a program and seed; equal programs share a target and run once.

    The rules of the Umlaut paper are judged with the first seed: they read mostly what a seed does
    not change, and would double the time.
    """
    state = package_hash()
    return [
        {
            "name": program.name,
            "pair": program.pair,
            "kind": kind_of(program),
            "seed": seed,
            "preview": preview,
            "ruled": seed == seeds[0] and not preview,
            "target": str(RESULTS / f"{program.key(state, seed, preview)}.json"),
        }
        for seed in seeds
        for program in programs
    ]


def run_missing(jobs: Sequence[dict[str, Any]], cores: int) -> None:
    """Run every job that has no result, one kind of process after the other."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    todo = {job["target"]: job for job in jobs if not _has(job)}
    for kind in sorted({job["kind"] for job in todo.values()}):
        mine = [job for job in todo.values() if job["kind"] == kind]
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "jobs.json"
            listed.write_text(json.dumps(mine))
            print(f"{kind}: {len(mine)} programs to run", flush=True)
            command = [sys.executable, str(HERE / "serve.py"), kind, str(listed), str(cores)]
            subprocess.run(command, check=True)


def _has(job: Mapping[str, Any]) -> bool:
    path = Path(job["target"])
    if not path.exists():
        return False
    return not job["ruled"] or json.loads(path.read_text())["umlaut"] is not None


def read(
    jobs: Sequence[dict[str, Any]], programs: Sequence[Program]
) -> tuple[list[Result], list[Result], dict[int, float]]:
    """Results of Trema and of Umlaut's rules, and the seconds that a seed took."""
    by_name = {program.name: program for program in programs}
    trema, umlaut, seconds = [], [], dict[int, float]()
    for job in jobs:
        path, program = Path(job["target"]), by_name[job["name"]]
        found = json.loads(path.read_text()) if path.exists() else _LOST
        ok = not found["trema"].get("lost") and found["code"] == 0
        trema.append(Result(program, job["seed"], found["trema"], ok, found.get("spoken", {})))
        if found["umlaut"] is not None:
            umlaut.append(Result(program, job["seed"], found["umlaut"], ok))
        seconds[job["seed"]] = seconds.get(job["seed"], 0.0) + found["total"]
    return trema, umlaut, seconds


_LOST: dict[str, Any] = {
    "trema": {"findings": [], "lost": True},
    "umlaut": {"findings": []},
    "code": None,
    "total": 0.0,
}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a pair's name")
    parser.add_argument("--half", default="", choices=["", "tuning", "held-out", "fresh"])
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="0 is the seed as written")
    parser.add_argument("--preview", action="store_true", help="also with the checks on trial")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--list", action="store_true", help="list the programs and run nothing")
    return parser.parse_args()


def main() -> None:
    """Run what is missing, then write the tables."""
    options = parse()
    if not (ROOT.parent / "shared" / "data").exists() and "TREMA_BENCH_DATA" not in os.environ:
        sys.exit("the data sets are missing: set TREMA_BENCH_DATA to their folder")
    programs = pairs.load(options.only, options.half)
    if options.list:
        for program in programs:
            shown = "visible" if program.visible else "invisible"
            print(program.name, program.half, program.task, shown if program.faults else "healthy")
        return
    if options.fresh:
        for path in RESULTS.glob("*"):
            path.unlink()
    os.environ["TREMA_BENCH_HASH"] = package_hash()
    jobs = jobs_for(programs, options.seed, preview=False)
    trial = jobs_for(programs, options.seed, preview=True) if options.preview else []
    run_missing([*jobs, *trial], options.cores)
    trema, umlaut, seconds = read(jobs, programs)
    preview = read(trial, programs)[0]
    per_seed = {seed: value / options.cores for seed, value in seconds.items()}
    text = report.report(trema, umlaut, preview, per_seed)
    if not (options.only or options.half):
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(text)
        write_precision(trema, preview)
    print(text)


def write_precision(trema: Sequence[Result], preview: Sequence[Result]) -> None:
    """How often each check was right, for its page and for how sure its findings are told.

    Checks on trial are counted in the runs that had them; all others in the usual ones.
    """
    counted = {
        check: {"right": s.part, "firings": s.whole, "programs": programs, "healthy": healthy}
        for check, (s, programs, healthy) in {**by_check(preview), **by_check(trema)}.items()
    }
    data = {"seeds": sorted({r.seed for r in trema}), "checks": dict(sorted(counted.items()))}
    PRECISION.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
