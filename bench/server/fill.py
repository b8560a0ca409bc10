"""Fill a store with many long runs, as a team has them after a year."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import insert, select

from trema.store import open_store
from trema.store.base import Batch, SeriesKey
from trema.store.packing import BLOCK_POINTS, PackedBlock
from trema.store.schema import blocks, runs, series
from trema.store.upserting import digest

METRICS = ("loss", "accuracy", "precision", "recall", "f1", "auc", "top5", "mae", "mse", "bleu")
PHASES = ("train", "validation")
_ROWS = 2000  # blocks in one transaction: 32 MB
_START = 1_700_000_000.0  # seconds since 1970


def fill(url: str, *, count: int, points: int, seed: int = 0) -> float:
    """Fill the store; seconds taken. Each run has 20 metrics of so many points, and findings."""
    begun = time.perf_counter()
    store = open_store(url)
    for number in range(count):
        _describe(store, number)
    engine = store._engine  # blocks in bulk: 200 million points by records take an hour
    names = [f"bench-{number:04d}" for number in range(count)]
    with engine.begin() as db:
        keys = {row.id: row.key for row in db.execute(select(runs.c.id, runs.c.key))}
        rows = [_series_row(keys[name], key, points) for name in names for key in _keys()]
        for some in _cut(rows):
            db.execute(insert(series), some)
        ids = {
            (row.run, row.digest): row.key
            for row in db.execute(select(series.c.run, series.c.digest, series.c.key))
        }
    waiting: list[dict[str, Any]] = []
    shapes = _curves(points, seed)
    for number, name in enumerate(names):
        for key in _keys():
            of = ids[keys[name], digest(key)]
            values = shapes[key.name, key.phase] * (1 + 0.3 * np.sin(number)) + 0.01 * number
            waiting += [block.row(of) for block in _blocks(values)]
        if len(waiting) >= _ROWS or number == count - 1:
            with engine.begin() as db:
                db.execute(insert(blocks), waiting)
            waiting = []
    store.close()
    return time.perf_counter() - begun


def _keys() -> Iterator[SeriesKey]:
    for name in METRICS:
        for phase in PHASES:
            yield SeriesKey(fact="metric", name=name, phase=phase)


def _cut(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), 5000):
        yield rows[start : start + 5000]


def _series_row(run: int, key: SeriesKey, points: int) -> dict[str, Any]:
    return {
        "run": run,
        "rank": 0,
        "segment": 0,
        "phase": key.phase,
        "fact": key.fact,
        "name": key.name,
        "digest": digest(key),
        "points": points,
        "last_block": (points - 1) // BLOCK_POINTS,
    }


def _curves(points: int, seed: int) -> dict[tuple[str, str], Any]:
    draw = np.random.default_rng(seed)
    x = np.linspace(0, 6, points)
    found = {}
    for name in METRICS:
        for phase in PHASES:
            curve = np.exp(-x) + 0.1 + 0.02 * draw.standard_normal(points)
            curve[draw.integers(0, points, 5)] *= 8  # spikes that thinning must keep
            found[name, phase] = curve
    return found


def _blocks(values: Any) -> Iterator[PackedBlock]:
    for number, start in enumerate(range(0, len(values), BLOCK_POINTS)):
        part = values[start : start + BLOCK_POINTS]
        steps = np.arange(start, start + len(part), dtype=np.int64)
        yield PackedBlock(number, start, (), steps, part)


def _describe(store: Any, number: int) -> None:
    """The records beside the numbers: the network, findings, the end."""
    run = f"bench-{number:04d}"
    started = _START + number * 600
    metadata = {
        "id": run,
        "name": f"resnet-{number % 37}",
        "started": started,
        "framework": "torch",
    }
    store.add_run(run, metadata, origin="bench")
    base = {"v": 1, "segment": 0, "rank": 0}
    records: list[dict[str, Any]] = [
        {**base, "t": started, "kind": "run", "step": None, "id": run, "name": metadata["name"]},
        {**base, "t": started, "kind": "info", "step": None, "info": _info()},
    ]
    for place in range(number % 4):
        records.append(
            {**base, "t": started + 9, "kind": "finding", "step": 40, "finding": _finding(place)}
        )
    state = "crashed" if number % 11 == 0 else "finished"
    facts = {"state": state, "steps": 10_000, "epochs": 100, "seconds": 5_400.0}
    end = {**base, "t": started + 5400, "kind": "end", "step": None, "state": state, "exit_code": 0}
    records.append({**end, "run": facts, "clear": [], "not_assessed": [], "findings": []})
    store.ingest(Batch(run=run, rank=0, start=0, end=1 + len(records), records=records))


def _info() -> dict[str, Any]:
    layers = [
        {"name": f"block{n}", "kind": "conv", "class_name": "Conv2d", "config": {"units": 64},
         "parameters": [f"block{n}.weight"], "output_shape": [None, 64, 16, 16]}
        for n in range(50)
    ]  # fmt: skip
    parameters = [
        {"name": f"block{n}.weight", "shape": [64, 64, 3, 3], "dtype": "float32", "trainable": True,
         "layer": f"block{n}", "groups": ["0.0"]}
        for n in range(50)
    ]  # fmt: skip
    edges = [[f"block{n}", f"block{n + 1}"] for n in range(49)]
    return {"framework": "torch", "layers": layers, "parameters": parameters, "edges": edges}


def _finding(place: int) -> dict[str, Any]:
    check = ("input-scale", "learning-rate-range", "overfitting")[place]
    return {
        "id": f"{place:012x}",
        "check": check,
        "cause": "data",
        "severity": ("error", "warning", "critical")[place],
        "state": "active",
        "segment": 0,
        "ranks": [0],
        "title": check.replace("-", " "),
        "message": "measured 90.2 against a limit of 8",
        "confidence": "measured",
        "first": {"step": 40, "epoch": 0},
        "last": {"step": 9_000, "epoch": 90},
        "count": 12,
        "evidence": [
            {"fact": "loss", "name": "", "value": 90.2, "limit": 8.0, "unit": "", "step": 40}
        ],
        "fixes": [{"text": "divide by 255", "caution": None, "diff": None}],
        "where": {"layer": f"block{place}"},
        "links": {},
    }
