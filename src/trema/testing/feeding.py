"""Records, and a feed of them into a store, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trema.store.base import Batch, SeriesKey, Store

LOSS = SeriesKey(fact="loss")

HOSTILE = (
    "'; DROP TABLE trema_runs; --",
    "../../etc/passwd",
    "nul\x00 inside",
    "lone \ud800 surrogate",
    "back\\slash \\u0000 \\\\",
    "%s %(x)s :name {} ?",
    "\u202eright to left",
    "ü" * 120,
    " ",
)


def facts(step: int, phase: str = "train", **values: Any) -> dict[str, Any]:
    """A record of facts of the batch; ``loss=1.0`` or ``loss={"name": 1.0}``."""
    named = {k: v if isinstance(v, dict) else {"": v} for k, v in values.items()}
    return {"kind": "facts", "t": 1.0, "step": step, "segment": 0, "phase": phase, "values": named}


def units(step: int, values: list[Any]) -> dict[str, Any]:
    """A record of the largest output of each unit of the layer ``relu``."""
    return {**facts(step), "values": {"unit-max": {"relu": values}}}


def logged(step: int, **values: Any) -> dict[str, Any]:
    """A record of what a program logs itself."""
    return {"kind": "log", "t": 1.0, "step": step, "segment": 0, "epoch": 0, "values": values}


def finding(
    identity: str, severity: str = "warning", state: str = "active", **fields: Any
) -> dict[str, Any]:
    """A record of a finding."""
    document = {
        "id": identity,
        "check": "dead-units",
        "cause": "activation",
        "severity": severity,
        "state": state,
        "segment": 0,
        "ranks": [0],
        "first": {"step": 3, "epoch": 0},
        "last": {"step": 9, "epoch": 0},
        "count": 1,
        **fields,
    }
    return {"kind": "finding", "t": 2.0, "step": 9, "segment": 0, "finding": document}


class Feed:
    """Gives batches to a store one after the other, as a journal would."""

    def __init__(self, store: Store, run: str = "run", rank: int = 0) -> None:
        self.store, self.run, self.rank, self.cursor = store, run, rank, 0
        store.add_run(run, {"name": run, "started": 1.0})

    def batch(self, records: Sequence[Mapping[str, Any]]) -> Batch:
        """The batch that comes next."""
        end = self.cursor + 10 * max(1, len(records))
        return Batch(run=self.run, rank=self.rank, start=self.cursor, end=end, records=records)

    def __call__(self, *records: Mapping[str, Any]) -> int:
        batch = self.batch(records)
        taken = self.store.ingest(batch)
        self.cursor = batch.end
        return taken


def contents(store: Store) -> list[Any]:
    """All that a store says, comparable between stores."""
    said: list[Any] = []
    for run in sorted(store.runs(limit=10_000), key=lambda run: run.id):
        keys = store.series_keys(run.id)
        said.append((run.id, run.name, run.state, run.exit_code, run.updated, run.revision))
        said.append({rank: (j.cursor, j.state) for rank, j in store.journals(run.id).items()})
        said.append([(e.rank, e.kind, e.step) for e in store.events(run.id)])
        said.append([(f.id, f.severity, f.state, f.ranks) for f in store.findings(run.id)])
        for key in sorted(keys, key=repr):
            points = store.series(run.id, key)
            said.append((key, keys[key], points.steps.tolist(), points.values.tobytes()))
    return said
