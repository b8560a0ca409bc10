"""Queries over a folder of runs that a test fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.api.runs import healthy_run, make_run
from trema.api.queries import Queries
from trema.store import open_store
from trema.store.base import Batch, Store
from trema.store.index import index_runs


class Asked:
    """A folder of runs, its index, and questions about it."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url
        self.store: Store = open_store(url)
        self.queries = Queries(self.store, root=root)

    def index(self) -> None:
        """Bring the index up to date."""
        index_runs(self.root, self.url)

    def make(self, name: str = "train", **options: Any) -> str:
        """A run with findings; its id."""
        run = make_run(self.root, name, **options)
        self.index()
        return run

    def healthy(self, name: str = "healthy", **options: Any) -> str:
        """A run in which nothing is wrong; its id."""
        run = healthy_run(self.root, name, **options)
        self.index()
        return run

    def close(self) -> None:
        """Close the store."""
        self.store.close()


class Fed:
    """A store that is given records, as a client would send them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.queries = Queries(store, mode="server")
        self._cursors: dict[tuple[str, int], int] = {}

    def feed(
        self,
        run: str,
        *records: Mapping[str, Any],
        rank: int = 0,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Take in records of one rank."""
        self.store.add_run(run, {"name": run, "started": 1000.0, **(metadata or {})})
        start = self._cursors.get((run, rank), 0)
        end = start + 10 * max(1, len(records))
        timed = [{"t": 1001.0 + start / 10, "segment": 0, **record} for record in records]
        self.store.ingest(Batch(run=run, rank=rank, start=start, end=end, records=timed))
        self._cursors[run, rank] = end


def seen(step: int, phase: str = "train", **values: Any) -> dict[str, Any]:
    """A record of facts; ``loss=1.0`` or ``weight_norm={"0.weight": 1.0}``."""
    named = {
        fact.replace("_", "-"): value if isinstance(value, dict) else {"": value}
        for fact, value in values.items()
    }
    return {"kind": "facts", "step": step, "phase": phase, "values": named}


def found(identity: str, check: str = "dead-units", **fields: Any) -> dict[str, Any]:
    """A record of a finding."""
    document = {
        "id": identity,
        "check": check,
        "cause": "activation",
        "severity": "warning",
        "state": "active",
        "title": f"title of {identity}",
        "message": "a message",
        "confidence": "likely",
        "first": {"step": 3, "epoch": 0},
        "last": {"step": 9, "epoch": 0},
        "count": 1,
        **fields,
    }
    return {"kind": "finding", "segment": fields.get("segment", 0), "finding": document}


def ended(*findings: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """A record of the end of a run with ranked findings."""
    documents = [
        {**record["finding"], "rank": rank} for rank, record in enumerate(findings, start=1)
    ]
    run = {"steps": 10, "epochs": 1, "seconds": 2.5, "framework": "torch", **facts}
    return {
        "kind": "end",
        "state": "finished",
        "exit_code": 0,
        "run": run,
        "findings": documents,
        "clear": ["double-softmax"],
    }


def names(rows: Sequence[Any]) -> list[str]:
    """The names of rows."""
    return [row.name for row in rows]
