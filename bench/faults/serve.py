"""Workers forked from a process that has imported the frameworks once, one job a core.

    python serve.py KIND JOBS CORES        KIND: torch, keras-torch or keras-jax

Every job is one program laid out in a folder of its own and run in a forked child under ``trema
run`` as a user would; if the job asks for it also plainly, with the rules of the Umlaut paper
beside it. Results are
written under their key; a job whose result exists is left out, so that an interrupted run goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 180  # seconds a child may take
HERE = Path(__file__).resolve().parent


@dataclass
class Child:
    """A child at work."""

    job: dict[str, Any]
    started: float


def preload(kind: str) -> None:
    """Import what the programs import; no thread may exist when children are forked."""
    os.environ["OMP_NUM_THREADS"] = "1"
    framework, _, backend = kind.partition("-")
    if framework == "keras":
        os.environ["KERAS_BACKEND"] = backend
        __import__("keras")
    if backend != "jax":
        import torch

        torch.set_num_threads(1)
        # the first backward starts threads that a fork would lose, so none is done here
    for name in ("datasets", "impute", "model_selection", "pipeline", "preprocessing"):
        __import__(f"sklearn.{name}")


def work(job: dict[str, Any]) -> None:
    """In a child: both runs of a program, each in a child of its own; then the result."""
    os.setpgid(0, 0)  # so that a timeout ends grandchildren too
    started = time.perf_counter()
    result: dict[str, Any] = {"name": job["name"], "seed": job["seed"]}
    with tempfile.TemporaryDirectory() as folder:
        watched = _apart(Path(folder) / "watched", job, _under_trema)
        result["trema"] = watched.get("document") or {"findings": [], "lost": True}
        result |= {"code": watched["code"], "wall": watched["wall"], "log": watched["log"]}
        result["spoken"] = spoken(Path(folder) / "watched" / ".trema")
        result["umlaut"] = None
        if job["ruled"]:
            ruled = _apart(Path(folder) / "ruled", job, _under_umlaut)
            result["umlaut"] = ruled.get("document") or {"findings": [], "lost": True}
            result["plain_wall"] = ruled["wall"]
    result["total"] = time.perf_counter() - started
    target = Path(job["target"])
    part = target.with_suffix(".part")
    part.write_text(json.dumps(result))
    part.replace(target)


def spoken(root: Path) -> dict[str, float]:
    """Finding -> seconds from the start of its run until it was first written."""
    found: dict[str, float] = {}
    for journal in sorted(root.glob("runs/*/rank-0.jsonl")):
        start: float | None = None
        for line in journal.read_text(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # torn
                continue
            start = record["t"] if start is None else start
            if record["kind"] == "finding":
                found.setdefault(record["finding"]["id"], record["t"] - start)
    return found


def _apart(folder: Path, job: dict[str, Any], run: Callable[[Path], None]) -> dict[str, Any]:
    folder.mkdir()
    out, log = folder.parent / f"{folder.name}.json", folder.parent / f"{folder.name}.log"
    started = time.perf_counter()
    child = os.fork()
    if not child:
        _leave(lambda: _inside(folder, job, out, log, run))
    _, status = os.waitpid(child, 0)
    found: dict[str, Any] = {
        "code": os.waitstatus_to_exitcode(status),
        "wall": time.perf_counter() - started,
        "log": log.read_text(errors="replace")[-2000:] if log.exists() else "",
    }
    if out.exists():
        found["document"] = json.loads(out.read_text())
    return found


def _inside(
    folder: Path, job: dict[str, Any], out: Path, log: Path, run: Callable[[Path], None]
) -> None:
    import pairs

    stream = os.open(log, os.O_CREAT | os.O_WRONLY)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    named = [p for p in pairs.load(job["pair"]) if p.name == job["name"]]
    named[0].stage(folder, job["seed"])
    os.chdir(folder)
    os.environ["TREMA_DIR"] = str(folder / ".trema")
    os.environ["TREMA_PREVIEW"] = "1" if job["preview"] else "0"
    run(out)


def _under_trema(out: Path) -> None:
    from trema.cli import main

    sys.argv = ["trema", "run", "--json", str(out), "program.py"]
    main()


def _under_umlaut(out: Path) -> None:
    import runpy

    import umlaut_rules

    os.environ["TREMA_DISABLED"] = "1"
    rules = umlaut_rules.attach()
    sys.path.insert(0, os.getcwd())
    sys.argv = ["program.py"]
    try:
        runpy.run_path("program.py", run_name="__main__")
    finally:
        out.write_text(json.dumps({"findings": rules.findings()}))


def _leave(action: Callable[[], None]) -> None:
    """Run the action in a forked child and end it, whatever happens."""
    code = 1
    try:
        action()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def serve(jobs: list[dict[str, Any]], cores: int) -> None:
    """Do all jobs, as many at a time as there are cores."""
    waiting, running = list(reversed(jobs)), dict[int, Child]()
    while waiting or running:
        while waiting and len(running) < cores:
            job = waiting.pop()
            child = os.fork()
            if not child:
                _leave(lambda job=job: work(job))  # type: ignore[misc]
            running[child] = Child(job, time.monotonic())
        _collect(running)
        time.sleep(0.02)


def _collect(running: dict[int, Child]) -> None:
    for pid, child in list(running.items()):
        done, _ = os.waitpid(pid, os.WNOHANG)
        if not done and time.monotonic() - child.started > 2 * LIMIT:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            done = pid
        if done:
            del running[pid]
            state = "done" if Path(child.job["target"]).exists() else "LOST"
            seconds = time.monotonic() - child.started
            print(
                f"{state} {child.job['name']} seed {child.job['seed']} {seconds:.1f} s", flush=True
            )


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    preload(sys.argv[1])
    serve(json.loads(Path(sys.argv[2]).read_text()), int(sys.argv[3]))
