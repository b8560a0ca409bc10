"""One movie built and timed in a process of its own; its quality measured in another.

    python bench/travel/building.py build FOLDER METHOD NAME SAMPLES EPOCHS RECORDINGS
    python bench/travel/building.py measure FOLDER METHOD NAME SAMPLES EPOCHS RECORDINGS
    python bench/travel/building.py follow FOLDER METHOD NAME SAMPLES EPOCHS RECORDINGS

`build` writes the movie and `cost.json` (seconds, processor seconds, threads, peak memory); a
killed build goes on where it was and its time is counted in. `measure` writes `quality.json`.
`follow` does what comes after a build (the landscapes of all epochs, anomalies, a search and its
first round) and writes `rest.json`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

KS = (10, 15, 20)


class Clock:
    """Seconds since the first start of a build, kept in a file over kills."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._before = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._before = {"seconds": 0.0, "processor": 0.0}
        self._wall, self._used, self._told = time.perf_counter(), time.process_time(), 0.0

    def now(self) -> dict[str, float]:
        return {
            "seconds": self._before["seconds"] + time.perf_counter() - self._wall,
            "processor": self._before["processor"] + time.process_time() - self._used,
        }

    def progress(self, what: str, share: float) -> None:
        if time.perf_counter() - self._told > 5:
            self._told = time.perf_counter()
            self._file.write_text(json.dumps({**self.now(), "share": share}), encoding="utf-8")


def build(folder: Path, method: str, run: Any) -> None:
    """Build the movie of a run and write what it cost."""
    clock = Clock(folder / "clock.json")
    if method == "aligned":
        np.save(folder / "positions.npy", aligned(run, clock))
    else:
        from trema import travel

        movie = travel.build(
            run.train,
            run.labels,
            run.heads,
            method=method,
            progress=clock.progress,
            folder=folder / "parts",
        )
        movie.save(folder / "movie")
    cost = clock.now()
    cost["threads"] = torch.get_num_threads()
    cost["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    (folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")


def aligned(run: Any, clock: Clock) -> Any:
    """Positions (epoch, sample, 2) by AlignedUMAP, whose package is found on PYTHONPATH.

    It gives positions only: no way for unseen samples, and none back.
    """
    import umap

    rows = [np.asarray(frame, dtype=np.float32) for frame in run.train]
    same = {sample: sample for sample in range(len(rows[0]))}
    fitted = umap.AlignedUMAP(n_neighbors=15, random_state=0)
    fitted.fit(rows, relations=[same] * (len(rows) - 1))
    return np.stack([np.asarray(part, dtype=np.float32) for part in fitted.embeddings_])


def measure(folder: Path, method: str, run: Any, truth: Path) -> None:
    """Measure the movie by its own and by unseen samples."""
    from trema import travel
    from trema.travel.measure import qualities

    if method == "aligned":
        from trema.travel.frames import Frames

        positions = np.load(folder / "positions.npy", allow_pickle=False)
        movie = travel.Movie(positions, None, method=method, seed=0, frames=Frames(run.train))
    else:
        movie = travel.load(folder / "movie", run.train, run.heads)
    asked = {"train": None} if method == "aligned" else {"train": None, "test": run.test}
    result = {
        f"{part}-{k}": found.to_dict()
        for part, unseen in asked.items()
        for k, found in qualities(movie, KS, unseen=unseen, folder=truth).items()
    }
    (folder / "quality.json").write_text(json.dumps(result), encoding="utf-8")


def follow(folder: Path, run: Any) -> None:
    """Do the rest of the pipeline with a movie and write what it cost."""
    from trema import travel

    movie = travel.load(folder / "movie", run.train, run.heads)
    seconds: dict[str, float] = {}
    steps = {
        "landscapes": lambda: [movie.landscape(epoch) for epoch in range(len(run.train))],
        "anomalies": lambda: travel.anomalies(movie, run.logits),
        "search": lambda: travel.suggest(movie, run.logits, run.labels).next(50),
    }
    used = time.process_time()
    for name, step in steps.items():
        began = time.perf_counter()
        step()
        seconds[name] = time.perf_counter() - began
    cost = {"seconds": seconds, "processor": time.process_time() - used}
    cost["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    (folder / "rest.json").write_text(json.dumps(cost), encoding="utf-8")


def main() -> None:
    what, folder, method, name, samples, epochs, recordings = sys.argv[1:]
    from subjects import subject

    torch.set_num_threads(int(os.environ.get("TREMA_BENCH_THREADS", "2")))
    run = subject(name, int(samples), int(epochs), folder=Path(recordings))
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if what == "build":
        build(target, method, run)
    elif what == "follow":
        follow(target, run)
    else:
        measure(target, method, run, Path(recordings) / "truth")


if __name__ == "__main__":
    main()
