"""What the web application costs: pages, routes, writers, beside TensorBoard.

    python bench/server/run.py [--runs 1000] [--points 10000] [--only PART …] [--keep FOLDER]

Parts: pages, routes, writers, tensorboard. Fills a SQLite store with 1,000 runs × 20 metrics ×
10,000 points (3.4 GB in a temporary folder), starts a real server and a real browser, and writes
docs/bench/server.md. Needs Chromium, and Debian's PostgreSQL for its part.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

import load  # noqa: E402
import pages  # noqa: E402
import routes  # noqa: E402
import tensorboard_beside  # noqa: E402
from fill import fill  # noqa: E402
from serving import Server  # noqa: E402

RUN = "bench-0003"  # has three findings
RESULTS = ROOT / "bench" / "results" / "server.json"
PARTS = ("pages", "routes", "writers", "tensorboard")


def show_runs(page: Any) -> None:
    page.locator("[role=row].line").first.wait_for()


def show_run(page: Any) -> None:
    page.locator("article.card").first.wait_for()
    page.locator("section.curves .plot canvas").first.wait_for()


def stored(given: argparse.Namespace) -> tuple[str, float | None]:
    """The URL of the filled store, and the seconds of filling; None when it was there."""
    path = given.folder / f"runs-{given.runs}x{given.points}.db"
    url = f"sqlite:///{path}"
    if path.exists():
        return url, None
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    seconds = fill(f"sqlite:///{part}", count=given.runs, points=given.points)
    part.rename(path)
    return url, seconds


def measure_pages(given: argparse.Namespace) -> dict[str, Any]:
    url, _ = stored(given)
    with Server("ui", url, "--no-browser") as server:
        return {
            "runs page": pages.measure(server.page("/"), show_runs),
            "run page": pages.measure(server.page(f"/run/{RUN}"), show_run),
            "memory_mb": server.megabytes(),
        }


def measure_routes(given: argparse.Namespace) -> dict[str, Any]:
    url, _ = stored(given)
    with Server("ui", url, "--no-browser") as server:
        return routes.measure(server.url, server.token, RUN)


def measure_writers(given: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("SQLite", "PostgreSQL"):
        for label, rate, seconds in (
            ("10 batches/s", 10.0, given.seconds),
            ("as fast as taken", None, given.seconds / 2),
        ):
            with database(name, given.folder) as url:
                if url is None:
                    found[f"{name}, {label}"] = None
                    continue
                found[f"{name}, {label}"] = load.measure(url, seconds=seconds, rate=rate)
    return found


@contextlib.contextmanager
def database(name: str, folder: Path) -> Iterator[str | None]:
    """An empty database."""
    if name == "SQLite":
        path = Path(tempfile.mkdtemp(dir=folder)) / "writers.db"
        yield f"sqlite:///{path}"
        shutil.rmtree(path.parent)
        return
    from tests.store.conftest import cluster, initdb

    if initdb() is None:
        yield None
        return
    with cluster(fsync="on") as address:
        yield f"postgresql+psycopg://{address}/postgres"


def measure_tensorboard(given: argparse.Namespace) -> dict[str, Any]:
    folder = given.folder / "events"
    if not folder.exists():
        tensorboard_beside.write_events(folder, count=50, points=given.points)
    return tensorboard_beside.until_shown(folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load of writers")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--keep", type=Path, help="a folder for the filled store, to be used again")
    given = parser.parse_args()
    given.folder = given.keep or Path(tempfile.mkdtemp(prefix="trema-bench-"))
    given.folder.mkdir(parents=True, exist_ok=True)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in given.only:
        load_before = os.getloadavg()[0]
        results[part] = {"load": load_before, "found": globals()[f"measure_{part}"](given)}
        print(part, json.dumps(results[part], indent=1), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1))
    if given.keep is None:
        shutil.rmtree(given.folder)
    (ROOT / "docs" / "bench" / "server.md").write_text(report(results, given))


def report(results: dict[str, Any], given: argparse.Namespace) -> str:
    """docs/bench/server.md."""
    lines = [
        "# What the web application costs",
        "",
        f"`python bench/server/run.py`; {platform.system()}, {os.cpu_count()} cores (shared),",
        f"Python {platform.python_version()}, Chromium, no GPU. The store (SQLite) holds",
        f"{given.runs:,} runs × 20 metrics × {given.points:,} points. The load before each part",
        "is given.",
        "",
    ]
    for part, title in (
        ("pages", "## Pages"),
        ("routes", "## Routes"),
        ("writers", "## 64 clients that send at once"),
        ("tensorboard", "## TensorBoard beside it"),
    ):
        if part in results:
            lines += [title, "", *globals()[f"_{part}"](results[part]["found"])]
            lines += ["", f"Load before: {results[part]['load']:.1f}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _pages(found: dict[str, Any]) -> list[str]:
    lines = [
        "Fresh visits in Chromium, each with an empty cache. *Interactive*: rows, or cards and",
        "curves, are shown and the main thread is idle. The bar is 1,000 ms.",
        "",
        "| page | first contentful paint, median (worst) | interactive, median (worst) |",
        "|---|---|---|",
    ]
    for page in ("runs page", "run page"):
        one = found[page]
        lines.append(
            f"| {page} | {one['paint_median_ms']:.0f} ms ({one['paint_worst_ms']:.0f}) "
            f"| {one['interactive_median_ms']:.0f} ms ({one['interactive_worst_ms']:.0f}) |"
        )
    return [*lines, "", f"Memory of the server after this: {found['memory_mb']:.0f} MB."]


def _routes(found: dict[str, Any]) -> list[str]:
    lines = ["| route | median | p95 |", "|---|---|---|"]
    for name, one in found.items():
        lines.append(f"| {name} | {one['median_ms']:.1f} ms | {one['p95_ms']:.1f} ms |")
    return lines


def _writers(found: dict[str, Any]) -> list[str]:
    lines = [
        "Each client has a run of its own and sends batches of 100 records over HTTP by cursor;",
        "clients and server share the machine. Lost and doubled are counted in the store.",
        "",
        "| database | batches/s | answer (p95) | refused | lost | doubled | memory over time |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        if one is None:
            lines.append(f"| {name} | not at hand | | | | | |")
            continue
        memory = " → ".join(f"{value:.0f}" for value in one["memory_mb"])
        lines.append(
            f"| {name} | {one['rate']:.0f} | {one['median_ms']:.0f} ms ({one['p95_ms']:.0f}) "
            f"| {one['refused']} | {one['lost']} | {one['doubled']} | {memory} MB |"
        )
    return lines


def _tensorboard(found: dict[str, Any]) -> list[str]:
    return [
        "50 of these runs as event files (the files of all runs hold the same numbers).",
        "",
        "| | |",
        "|---|---|",
        f"| server answers after | {found['answers_s']:.1f} s |",
        f"| curves shown, first visit | {found['first_visit_s']:.1f} s |",
        f"| curves shown, later visits (median) | {found['later_visit_s']:.1f} s |",
    ]


if __name__ == "__main__":
    main()
