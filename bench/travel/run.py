"""Quality, time and memory of all methods on recorded runs, in one table.

    python bench/travel/run.py [--samples 50000] [--epochs 20] [--only dvi] [--subject mnist]
                               [--recordings DIR] [--page-only]

Each movie is built in a process of its own, whose time and peak memory count, and measured in
another. What is done is kept under bench/results/travel and not done again; a killed build goes
on. Neighbours are judged by 5,000 queries against all samples, test samples projected beside
the training ones. AlignedUMAP needs umap-learn on PYTHONPATH; without it its row says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from page import put  # noqa: E402
from subjects import NAMES, RESULTS, subject  # noqa: E402

METHODS = ("pca", "trema", "timevis", "aligned", "dvi")
TITLES = {"aligned": "AlignedUMAP", "dvi": "DVI", "timevis": "TimeVis", "pca": "PCA"}
STAGES = ("early", "middle", "late")
#: What the table holds: heading -> (measure, digits).
SPACE = {"NN /15": ("neighbours", 2), "boundary /15": ("boundary", 2), "PPR": ("prediction", 3)}
TIME = {
    "temporal NN /5": ("temporal_neighbours", 2),
    "ranking": ("temporal_ranking", 2),
    "speed": ("speed_correlation", 2),
    "continuity": ("motion_continuity", 2),
}
#: The main size of a movie: samples and epochs.
MAIN = (50_000, 20)
#: The share of predictions that is to be kept early, midway and late.
PPR = (0.97, 0.97, 0.995)
#: Processor seconds below which starting up is most of the cost and says nothing of growth.
LEAST = 30.0
AUTHORS = """### The authors' figures

Stored with the code of DVI and TimeVis, of their networks (ResNet18) and whole data sets, training
samples, k = 15, early / middle / late; theirs are not the runs above.

| run | NN DVI | NN TimeVis | boundary DVI | boundary TimeVis | PPR DVI | PPR TimeVis |
|---|---|---|---|---|---|---|
| MNIST | 1.67 / 1.57 / 1.41 | 1.14 / 1.34 / 1.28 | 3.55 / 2.43 / 3.24 | 1.67 / 1.14 / 2.00 | \
.994 / .991 / 1.0 | .941 / .976 / .999 |
| Fashion-MNIST | 1.86 / 2.06 / 2.00 | 1.26 / 2.10 / 1.99 | 4.90 / 5.51 / 5.75 | 1.99 / 4.44 \
/ 6.02 | .934 / .995 / .997 | .836 / .999 / 1.0 |
| CIFAR-10 | 2.71 / 2.99 / 2.56 | 2.51 / 3.56 / 3.07 | 6.52 / 5.31 / 5.22 | 3.76 / 4.68 / 5.74 | \
.913 / .933 / .968 | .842 / .968 / .997 |
"""


def work(name: str, method: str, samples: int, epochs: int, recordings: Path) -> None:
    """Build and measure one movie, unless that was done."""
    folder = place(recordings, name, samples, epochs) / method
    if method == "aligned" and importlib.util.find_spec("umap") is None:
        return
    arguments = [folder, method, name, samples, epochs, recordings]
    steps = [("build", "cost.json"), ("measure", "quality.json")]
    if method == "trema":
        steps.append(("follow", "rest.json"))
    for step, result in steps:
        if (folder / result).exists():
            continue
        print(f"{name} {samples} x {epochs}: {step} {method}", flush=True)
        command = [sys.executable, str(HERE / "building.py"), step, *map(str, arguments)]
        done = subprocess.run(command, check=False)
        if done.returncode:
            print(f"  failed with status {done.returncode}", flush=True)
            return


def place(recordings: Path, name: str, samples: int, epochs: int) -> Path:
    return recordings / "table" / f"{name}-{samples}x{epochs}"


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """What is known of each method."""
    result: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        known = {}
        for part in ("cost", "quality", "rest"):
            try:
                known[part] = json.loads((folder / method / f"{part}.json").read_text("utf-8"))
            except (OSError, ValueError):
                continue
        if "quality" in known:
            result[method] = known
    return result


def section(name: str, folder: Path, recordings: Path) -> str:
    """The tables of one run in Markdown."""
    known = read(folder)
    samples, epochs = folder.name.rpartition("-")[2].split("x")
    lines = [f"### {name}: {int(samples):,} x 512 x {epochs} epochs", ""]
    if not known:
        return ""
    lines += _table("Training samples: early / middle / late", known, "train-15", SPACE)
    lines += _table("Test samples, projected", known, "test-15", SPACE)
    lines += _neighbours(known)
    lines += _table("Over time, training samples", known, "train-15", TIME)
    lines += _costs(known)
    lines += bars(known)
    absent = [TITLES.get(method, method) for method in METHODS if method not in known]
    if absent:
        lines += [f"Not run at this size: {', '.join(absent)}.", ""]
    return "\n".join(lines)


def _table(
    title: str, known: dict[str, Any], part: str, columns: dict[str, tuple[str, int]]
) -> list[str]:
    lines = [title + ":", "", "| method | " + " | ".join(columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    for method, found in known.items():
        if part not in found["quality"]:
            continue
        stages = found["quality"][part]["stages"]
        cells = [
            " / ".join(_number(stages[measure][stage], digits) for stage in STAGES)
            for measure, digits in columns.values()
        ]
        lines.append(f"| {TITLES.get(method, method)} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _neighbours(known: dict[str, Any]) -> list[str]:
    """Mean over epochs of neighbours kept, for each k, training / test."""
    lines = ["Neighbours kept, mean over epochs, training / test:", ""]
    lines += ["| method | of 10 | of 15 | of 20 |", "|---|---|---|---|"]
    for method, found in known.items():
        cells = []
        for k in (10, 15, 20):
            both = [found["quality"].get(f"{part}-{k}") for part in ("train", "test")]
            cells.append(" / ".join(_number(b and b["mean"]["neighbours"], 2) for b in both))
        lines.append(f"| {TITLES.get(method, method)} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _costs(known: dict[str, Any]) -> list[str]:
    lines = ["Time and memory of the whole build:", ""]
    lines.append("| method | seconds | processor seconds | threads | peak memory, GB |")
    lines.append("|---|---|---|---|---|")
    for method, found in known.items():
        cost = found["cost"]
        lines.append(
            f"| {TITLES.get(method, method)} | {cost['seconds']:.1f} | {cost['processor']:.1f} "
            f"| {cost['threads']} | {cost['memory'] / 1e9:.2f} |"
        )
    lines.append("")
    rest = known.get("trema", {}).get("rest")
    if rest:
        steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in rest["seconds"].items())
        lines += [
            f"After it, with trema, in seconds: {steps} (all landscapes; the search with its first "
            f"round); {rest['processor']:.1f} processor seconds, {rest['memory'] / 1e9:.2f} GB.",
            "",
        ]
    return lines


def bars(known: dict[str, dict[str, Any]]) -> list[str]:
    """What the default method reaches of what was asked of it, by the figures of one run."""
    trained = [known[m]["quality"]["train-15"]["stages"] for m in ("dvi", "timevis") if m in known]
    if "trema" not in known:
        return []
    ours = known["trema"]["quality"]["train-15"]["stages"]
    unseen = known["trema"]["quality"]["test-15"]["stages"]
    wanted: list[tuple[str, list[float], float | tuple[float, ...]]] = []
    if trained:
        best = {s: max(t["neighbours"][s] for t in trained) for s in STAGES}
        ratios = [ours["neighbours"][s] / best[s] for s in STAGES]
        wanted.append(("NN over the better of DVI and TimeVis", ratios, 1.5))
        ahead = [
            ours["temporal_ranking"][s] - max(t["temporal_ranking"][s] for t in trained)
            for s in STAGES
        ]
        wanted.append(("ranking ahead of the better of them", ahead, 0.0))
    wanted.append(("PPR of test samples", [unseen["prediction"][s] for s in STAGES], PPR))
    near = [unseen["neighbours"][s] / ours["neighbours"][s] for s in STAGES]
    wanted.append(("NN of test samples over that of training samples", near, 0.9))
    lines = ["Asked of trema:", "", "| what | early / middle / late | at least |", "|---|---|---|"]
    for what, found, least in wanted:
        at_least = least if isinstance(least, tuple) else (least,) * len(found)
        reached = all(value >= bar for value, bar in zip(found, at_least, strict=True))
        digits = 3 if isinstance(least, tuple) else 2
        cells = " / ".join(f"{value:.{digits}f}" for value in found)
        asked = " / ".join(f"{bar:g}" for bar in (least if isinstance(least, tuple) else (least,)))
        lines.append(f"| {what} | {cells} | {asked}{'' if reached else ': missed'} |")
    return [*lines, ""]


def growth(recordings: Path, name: str) -> list[str]:
    """How processor seconds grow with samples, and what that makes of the main size."""
    rows: dict[str, list[tuple[int, float]]] = {}
    for folder in (recordings / "table").glob(f"{name}-*x*"):
        samples, epochs = map(int, folder.name.rpartition("-")[2].split("x"))
        for method, found in read(folder).items():
            if found["cost"]["processor"] < LEAST:
                continue
            # by epoch, as every method takes epochs one by one or draws in proportion
            rows.setdefault(method, []).append((samples, found["cost"]["processor"] / epochs))
    lines = []
    for method in METHODS:
        sizes = dict(sorted(rows.get(method, [])))
        if len(sizes) < 2:
            continue
        few, many = min(sizes), max(sizes)
        little, much = sizes[few], sizes[many]
        power = math.log(much / little) / math.log(many / few)
        whole = much * (MAIN[0] / many) ** power * MAIN[1] / 3600
        measured = ", ".join(f"{n:,}: {cost:.1f}" for n, cost in sizes.items())
        lines.append(f"| {TITLES.get(method, method)} | {measured} | {power:.2f} | {whole:.2f} |")
    if not lines:
        return []
    head = [f"### {name}: growth", "", "Processor seconds an epoch by samples, the power of the "]
    head[-1] += f"samples they grow by, and from that the hours of {MAIN[0]:,} x {MAIN[1]} epochs "
    head[-1] += "(extrapolated, not run):"
    table = ["| method | measured | power | hours at the main size |", "|---|---|---|---|"]
    return [*head, "", *table, *lines, ""]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def page(recordings: Path) -> None:
    """Write the section of the page from all that is known."""
    parts = [
        "## Quality and cost of the methods",
        "",
        "`python bench/travel/run.py`. NN and boundary count how many of 15 neighbours survive on "
        "the canvas, PPR is the share of predictions kept through projection and back; early, "
        "middle and late are the first, middle and last epoch. Temporal NN is of the 5 nearest "
        "epochs, ranking and speed are Spearman correlations (see `trema.travel.metrics`). "
        "AlignedUMAP lays out training samples only, with no way back. The way back of trema gives "
        "a recorded sample its own representation, so that its PPR says something of test samples "
        "only; of the places near its neighbours, a test sample is given one that the way back "
        "predicts as the sample itself, which makes it near 1 for them too: it says that the "
        "landscape agrees with the network, NN how faithful the places are. Where others used the "
        "machine too, processor seconds count and seconds do not.",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores.",
        "",
    ]
    for folder in sorted((recordings / "table").glob("*x*")):
        text = section(folder.name.partition("-")[0], folder, recordings)
        if text:
            parts.append(text)
    for name in NAMES:
        parts += growth(recordings, name)
    parts.append(AUTHORS)
    put("quality", "\n".join(parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--only", choices=METHODS, action="append")
    parser.add_argument("--subject", choices=NAMES, action="append")
    parser.add_argument("--recordings", type=Path, default=RESULTS)
    parser.add_argument("--page-only", action="store_true")
    args = parser.parse_args()
    recordings = args.recordings.resolve()
    if not args.page_only:
        for name in args.subject or NAMES:
            # trained here, so that no measured process does
            subject(name, args.samples, args.epochs, folder=recordings)
            for method in args.only or METHODS:
                work(name, method, args.samples, args.epochs, recordings)
    page(recordings)


if __name__ == "__main__":
    main()
