"""How time and memory of a movie grow with samples, width and epochs; what one more epoch costs.

    python bench/travel/scaling.py [--subject mnist] [--recordings DIR] [--only samples]

The rows come from a recorded run: more samples than it has are its samples again, each moved by a
tenth of its spread; other widths are random projections, other epochs are taken between its own.
Each movie is built in a process of its own; a cell that was measured is not measured again. The
builds are of the method `trema` without heads, whose cost they hardly change.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from page import put  # noqa: E402
from subjects import NAMES, RESULTS, subject  # noqa: E402

GUIDE = HERE.parents[1] / "docs" / "guide" / "travel-scale.md"
#: What is varied, and the cells: (samples, width, epochs).
CELLS = {
    "samples": [(n, 512, 3) for n in (5_000, 10_000, 20_000, 50_000, 100_000, 200_000)],
    "width": [(20_000, d, 3) for d in (64, 128, 256, 512, 1024)],
    "epochs": [(20_000, 512, e) for e in (2, 4, 8, 16)],
}
COLUMN = {"samples": 0, "width": 1, "epochs": 2}


def rows_of(run: Any, samples: int, width: int, epochs: int, folder: Path) -> list[Any]:
    """Frames of the asked size as memory maps (sample, width), float16."""
    generator = np.random.default_rng(0)
    mix = generator.standard_normal((512, width), dtype=np.float32) / math.sqrt(width)
    frames = []
    for at in np.linspace(0, len(run.train) - 1, epochs):
        low, share = int(at), float(at) % 1
        high = min(low + 1, len(run.train) - 1)
        rows = np.asarray(run.train[low], dtype=np.float32)
        rows = (1 - share) * rows + share * np.asarray(run.train[high], dtype=np.float32)
        spread = rows.std()
        file = folder / f"frame-{len(frames)}.npy"
        frame = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(samples, width))
        for begin in range(0, samples, len(rows)):
            part = rows[: samples - begin]
            if begin:  # the same jitter in each epoch: a sample stays itself
                seeded = np.random.default_rng(begin)
                part = part + 0.1 * spread * seeded.standard_normal(part.shape, dtype=np.float32)
            frame[begin : begin + len(part)] = part if width == 512 else part @ mix
        frame.flush()
        frames.append(np.load(file, mmap_mode="r", allow_pickle=False))
    return frames


def measure(folder: Path, name: str, cell: tuple[int, int, int], recordings: Path) -> None:
    """Build one movie and one more epoch of it; write what both cost."""
    from trema import travel

    torch.set_num_threads(int(os.environ.get("TREMA_BENCH_THREADS", "2")))
    samples, width, epochs = cell
    run = subject(name, 50_000, 20, folder=recordings)
    frames = rows_of(run, samples, width, epochs + 1, folder)
    begun, used = time.perf_counter(), time.process_time()
    movie = travel.build(frames[:-1], run.labels[np.arange(samples) % len(run.labels)])
    middle, spent = time.perf_counter(), time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    movie.extended(frames[-1])
    result = {
        "seconds": middle - begun,
        "processor": spent - used,
        "more_seconds": time.perf_counter() - middle,
        "more_processor": time.process_time() - spent,
        "memory": peak,
        "threads": torch.get_num_threads(),
    }
    (folder / "cost.json").write_text(json.dumps(result), encoding="utf-8")
    for file in folder.glob("frame-*.npy"):
        file.unlink()


def place(recordings: Path, name: str, cell: tuple[int, int, int]) -> Path:
    return recordings / "scaling" / "x".join([name, *map(str, cell)])


def page(recordings: Path, name: str) -> None:
    """Write the section of the page from all that is known."""
    lines = [
        "## Growth of time and memory",
        "",
        "`python bench/travel/scaling.py`. Seconds on the clock and of the processors for the "
        "whole build with the method `trema`, and for one epoch added to it; the power is that of "
        "the varied size by which processor seconds grow from the row before (1 is linear).",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores; {name}. Where others used the machine too, "
        "processor seconds count and seconds do not.",
        "",
    ]
    for kind, cells in CELLS.items():
        rows, before = [], None
        for cell in cells:
            file = place(recordings, name, cell) / "cost.json"
            if not file.exists():
                continue
            cost = json.loads(file.read_text(encoding="utf-8"))
            size, power = cell[COLUMN[kind]], "–"
            if before is not None:
                growth = math.log(cost["processor"] / before[1])
                power = f"{growth / math.log(size / before[0]):.2f}"
            before = (size, cost["processor"])
            rows.append(
                f"| {cell[0]:,} x {cell[1]} x {cell[2]} | {cost['seconds']:.1f} "
                f"| {cost['processor']:.1f} | {power} | {cost['more_seconds']:.1f} "
                f"| {cost['memory'] / 1e9:.2f} |"
            )
        if rows:
            head = "| samples x width x epochs | seconds | processor seconds | power "
            head += "| one more epoch, seconds | peak memory, GB |"
            lines += [f"By {kind}:", "", head, "|---|---|---|---|---|---|", *rows, ""]
    put("scaling", "\n".join(lines))
    put("scaling", "\n".join(lines[4:]), GUIDE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subject", choices=NAMES, default="mnist")
    parser.add_argument("--recordings", type=Path, default=RESULTS)
    parser.add_argument("--only", choices=list(CELLS))
    parser.add_argument("--cell", type=int, nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    recordings = args.recordings.resolve()
    if args.cell:
        measure(
            place(recordings, args.subject, tuple(args.cell)),
            args.subject,
            tuple(args.cell),
            recordings,
        )
        return
    subject(args.subject, 50_000, 20, folder=recordings)  # trained here, not in a measured process
    for kind in [args.only] if args.only else CELLS:
        for cell in CELLS[kind]:
            folder = place(recordings, args.subject, cell)
            if (folder / "cost.json").exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{args.subject} {' x '.join(map(str, cell))}", flush=True)
            command = [sys.executable, __file__, "--subject", args.subject]
            command += ["--recordings", str(recordings), "--cell", *map(str, cell)]
            if subprocess.run(command, check=False).returncode:
                print("  failed", flush=True)
            page(recordings, args.subject)
    page(recordings, args.subject)


if __name__ == "__main__":
    main()
