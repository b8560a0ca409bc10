"""What watching costs: watched and plain training in alternating blocks of one process.

    python bench/overhead/run.py [--device cuda] [--quick] [--only NAME]

Two equal copies of a model are trained in turns, one watched, one plain. The clock of the
watched schedule stands still during plain blocks, so that it cannot spend their time. The ratio
is the median over pairs of blocks with its bootstrap interval; beside it stands the time that
Trema says it took, and what TensorBoard histograms and a full-hook watcher cost.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import torch  # noqa: E402
from subjects import Subject, make  # noqa: E402

# the comparison is of work, not of two thread pools that wait for each other
torch.set_num_threads(int(os.environ.get("TREMA_BENCH_THREADS", "1")))


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def timed(step: Callable[[], None], steps: int, device: str) -> float:
    """Seconds a step."""
    synchronize(device)
    started = time.perf_counter()
    for _ in range(steps):
        step()
    synchronize(device)
    return (time.perf_counter() - started) / steps


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """Median and its 95 % bootstrap interval."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(2000))
    return statistics.median(values), medians[50], medians[1949]


def compare(
    plain: Subject, other: Subject, begin: Callable[[], None], end: Callable[[float], None],
    *, steps: int, pairs: int, device: str,
) -> tuple[list[float], list[float]]:  # fmt: skip
    """Seconds a step of both, in alternating blocks; ``end`` is told how long plain took."""
    a: list[float] = []
    b: list[float] = []
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 else (1, 0):
            if which:
                begin()
                b.append(timed(other.step, steps, device))
            else:
                end(0.0)
                started = time.perf_counter()
                a.append(timed(plain.step, steps, device))
                end(time.perf_counter() - started)
    begin()
    return a, b


def trema_cost(name: str, device: str, batch: int, steps: int, pairs: int) -> dict[str, Any]:
    """Watched against plain."""
    import trema
    from trema.adapters.torch import patches
    from trema.engine import active

    plain, watched = make(name, device, batch), make(name, device, batch)
    # a step of a second makes the default free beginning a minute long
    free = 16 if name == "resnet18" and device == "cpu" else 64
    run = trema.watch(watched.model, watched.optimizer, console=False, strict=True, free_steps=free)
    session = active.current()
    assert session is not None
    schedule = session.segments[0].schedule
    mine = list(patches.listeners)
    while schedule._budget_started is None:  # the free beginning
        watched.step()
    for _ in range(max(10, steps // 2)):
        watched.step()

    def begin() -> None:
        patches.listeners[:] = mine

    def end(seconds: float) -> None:
        patches.listeners.clear()
        if schedule._budget_started is not None:
            schedule._budget_started += seconds

    a, b = compare(plain, watched, begin, end, steps=steps, pairs=pairs, device=device)
    share = schedule.share()
    run.finish()
    ratios = [y / x for x, y in zip(a, b, strict=True)]
    middle, low, high = median_interval(ratios)
    return {
        "name": name,
        "step": statistics.median(a),
        "ratio": middle,
        "low": low,
        "high": high,
        "mean": sum(b) / sum(a),
        "extra": statistics.median(b) - statistics.median(a),
        "own": share,
    }


def histogram_cost(name: str, device: str, batch: int, steps: int, pairs: int) -> float:
    """TensorBoard histograms of all parameters and gradients every 10 steps, median ratio."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # an extra; the rest of the table does without
        return float("nan")

    plain, logged = make(name, device, batch), make(name, device, batch)
    plain_step = logged.step
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)

        def step() -> None:
            nonlocal count
            plain_step()
            count += 1
            if count % 10 == 0:
                for key, p in logged.model.named_parameters():
                    writer.add_histogram(key, p.detach(), count)
                    if p.grad is not None:
                        writer.add_histogram(f"{key}/gradient", p.grad, count)

        logged.step = step
        a, b = compare(
            plain, logged, lambda: None, lambda _: None, steps=steps, pairs=pairs, device=device
        )
        writer.close()
    return sum(b) / sum(a)


def full_hook_cost(name: str, device: str, batch: int, steps: int, pairs: int) -> float:
    """Mean, deviation and zero share of every whole activation and gradient, every step."""
    plain, hooked = make(name, device, batch), make(name, device, batch)
    seen: list[list[float]] = []

    def look(*given: Any) -> None:
        x = given[-1]
        if isinstance(x, torch.Tensor) and x.is_floating_point():
            x = x.detach()
            seen.append([x.mean().item(), x.std().item(), (x == 0).float().mean().item()])

    for module in hooked.model.modules():
        if next(module.children(), None) is None:
            module.register_forward_hook(look)
    for p in hooked.model.parameters():
        p.register_hook(look)
    a, b = compare(
        plain, hooked, seen.clear, lambda _: None, steps=steps, pairs=pairs, device=device
    )
    return sum(b) / sum(a)


def log_cost() -> tuple[float, float]:
    """Microseconds of a ``run.log`` call with two values: median and 99th percentile."""
    import trema

    run = trema.start("log-cost", console=False)
    times = []
    for step in range(20_000):
        started = time.perf_counter_ns()
        run.log(step=step, loss=0.5 / (step + 1), accuracy=0.9)
        times.append((time.perf_counter_ns() - started) / 1000)
    run.finish()
    return statistics.median(times), sorted(times)[int(0.99 * len(times))]


KILLED = """
import time, trema
run = trema.start("killed", console=False)
for step in range(2000):
    run.log(step=step, loss=1.0)
    time.sleep(0.001)
print("logged", flush=True)
time.sleep(60)
"""


def kept_after_kill(folder: str) -> int:
    """Records in the journal of a process that logged 2,000 at 1 ms and was killed."""
    from trema.journal.folder import list_runs
    from trema.journal.reader import read

    child = subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=folder, stdout=subprocess.PIPE,
        env={**os.environ, "TREMA_DIR": folder},
    )  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.wait()
    run = next(run for run in list_runs(Path(folder)) if run.name == "killed")
    records, _ = read(run.journal(0))
    return sum(record["kind"] == "log" for record in records)


def keras_table() -> list[str]:
    """Rows of watched Keras fits on each back end, each in a process of its own."""
    lines = [
        "",
        "| Keras | back end | step | ratio | range | extra a step | own | extra a fit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for backend in ("torch", "jax"):
        for name in ("mlp", "resnet8"):
            done = subprocess.run(
                [sys.executable, str(HERE / "keras_cost.py"), name],
                env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=True,
            )
            row = json.loads(done.stdout.splitlines()[-1])
            lines.append(
                f"| {name} | {backend} | {1000 * row['step']:.3g} ms | {row['ratio']:.4f} | "
                f"{row['low']:.4f}–{row['high']:.4f} | {1e6 * row['extra']:.1f} µs | "
                f"{100 * row['own']:.2f} % | {row['fit']:.2f} s |"
            )
            print(lines[-1], flush=True)
    return lines


def import_seconds() -> float:
    """Median seconds that ``import trema`` adds to starting Python."""

    def start(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    return statistics.median(start("import trema") - start("") for _ in range(15))


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, help="where the table is written")
    options = parser.parse_args()
    device = options.device
    machine = torch.cuda.get_device_name() if device == "cuda" else f"{os.cpu_count()} CPU cores"
    batch = 128 if device == "cuda" else 32
    plan = {  # steps a block, pairs of blocks
        "mlp": (3000, 21),
        "resnet8": (60, 15) if device == "cpu" else (400, 15),
        "transformer": (60, 15) if device == "cpu" else (400, 15),
        "resnet18": (4, 5) if device == "cpu" else (200, 15),
    }
    lines = [
        f"# Overhead on {machine}",
        "",
        f"Measured on {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, torch "
        f"{torch.__version__}; `make bench-overhead` repeats it. Ratios: watched over plain, "
        "median over pairs of alternating blocks with its 95 % interval; *own* is Trema's own "
        f"count of its time. {torch.get_num_threads()} thread(s); the machine was shared.",
        "",
        "| PyTorch | step | ratio | 95 % | all blocks | extra a step | own | TensorBoard "
        "histograms | full hooks |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TREMA_DIR"] = folder
        if not options.only and device == "cpu":
            keras = keras_table()
        for name, (steps, pairs) in plan.items():
            if options.only and options.only != name:
                continue
            pairs = 5 if options.quick else pairs
            row = trema_cost(name, device, batch, steps, pairs)
            few = max(3, pairs // 4)
            histograms = histogram_cost(name, device, batch, max(10, steps // 4), few)
            hooks = full_hook_cost(name, device, batch, max(5, steps // 4), few)
            lines.append(
                f"| {name} | {1000 * row['step']:.3g} ms | {row['ratio']:.4f} | "
                f"{row['low']:.4f}–{row['high']:.4f} | {row['mean']:.4f} | "
                f"{1e6 * row['extra']:.1f} µs | {100 * row['own']:.2f} % | {histograms:.2f} | "
                f"{hooks:.2f} |"
            )
            print(lines[-1], flush=True)
        if not options.only and device == "cpu":
            lines += keras
        if not options.only:
            median, tail = log_cost()
            lines += [
                "",
                f"- `import trema`: {1000 * import_seconds():.0f} ms",
                f"- `run.log`, two values: median {median:.1f} µs, 99th percentile {tail:.0f} µs",
                f"- kept after `kill -9` at 1 ms spacing: {kept_after_kill(folder)} of 2000",
            ]
    text = "\n".join(lines) + "\n"
    print(text)
    if not options.only and not options.quick:
        suffix = "" if device == "cpu" else "-cuda"
        target = options.out or ROOT / "docs" / "bench" / f"overhead{suffix}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
