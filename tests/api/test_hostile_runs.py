"""Run folders that others wrote or a disk damaged: each leaves itself and the rest readable."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.serving import TOKEN, local
from trema.api.app import create_app

HERE = {"host": socket.gethostname()}
ARRAY = [1.0, 2.0, 3.0]


def record(kind: str, **fields: Any) -> dict[str, Any]:
    return {"v": 1, "t": 1000.0, "kind": kind, "step": None, "segment": 0, "rank": 0, **fields}


def loss(step: int, **values: Any) -> dict[str, Any]:
    return record("facts", step=step, phase="train", values={"loss": {"": 1.0}, **values})


def finding(**changes: Any) -> dict[str, Any]:
    document = {"id": "a", "check": "c", "severity": "error", "state": "active", "title": "t"}
    return record("finding", finding={**document, **changes})


def lists(depth: int) -> str:
    return "[" * depth + "1" + "]" * depth


def objects(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def arrays(step: int) -> dict[str, Any]:
    """Arrays where numbers belong, and the other way round."""
    fields = ("update-norm", "weight-norm", "gradient-norm")
    norms = {name: {"p": ARRAY if step % 2 else [ARRAY, ARRAY]} for name in fields}
    return loss(
        step, **norms, **{"activation-mean": {"l": ARRAY}, "activation-quantiles": {"l": 1}}
    )


LAYERS = record("info", info={"layers": [{"name": "l", "parameters": ["p"]}]})
DEEP = (
    f'{{"layers":[{{"name":"l","config":{objects(400)}}}],"optimizers":[{{"config":{{"a":%s}}}}]}}'
)
#: Lines of the journal of each run.
JOURNALS: dict[str, list[Any]] = {
    "state": [
        record("end", state="odd \ud800" * 90, exit_code=2**62, run={"steps": "x", "notes": "n"})
    ],
    "severity": [finding(severity="boom", state="odd", confidence=["x"], rank="a", spans=[[1], 2])],
    "numbers": [
        finding(
            first={"step": 2**63},
            last={"step": -5},
            count=2**200,
            location={"file": "f", "line": 2**60},
        )
    ],
    "event": ['{"kind":"error","segment":0,"part":"x","error":"e","x":' + lists(900) + "}"],
    "finding": ['{"kind":"finding","segment":0,"finding":{"id":"a","where":' + objects(900) + "}}"],
    "info": ['{"kind":"info","segment":0,"info":' + DEEP % lists(400) + "}"],
    "arrays": [LAYERS, *map(arrays, range(6))],
    "steps": [loss(step, **{"activation-mean": {"l": 1.0}}) for step in (-(2**63), 0, 2**63 - 1)],
    "times": [record("run", t=1e300), loss(1, t=-1e300)],
}
#: What stands in ``run.json``.
METADATA: dict[str, str] = {
    "pid": json.dumps({**HERE, "pid": 2**70}),
    "negative-pid": json.dumps({**HERE, "pid": -1}),
    "words": json.dumps({**HERE, "pid": "x", "name": ["x"], "started": "inf", "unsent": "x"}),
    "torn": "[" * 100_000,
    "deep": '{"name":"deep","arguments":' + lists(900) + "}",
    "numbers-in-metadata": '{"name":NaN,"started":1e400}',
}
#: What stands in ``sync.json``.
SENT: dict[str, str] = {
    "digits": json.dumps({"server": "x", "ranks": {"9" * 5000: {"sent": 1}}}),
    "time": '{"server":"x","ranks":{},"time":1' + "0" * 400 + "}",
    "kinds": '{"server":"x","ranks":{"0":{"sent":"a"},"1":3},"sources":{"a":3},"time":NaN}',
}


def write(
    root: Path, name: str, lines: list[Any], metadata: str | None = None, **files: str
) -> Path:
    run = root / "runs" / name
    run.mkdir(parents=True)
    plain = {"id": name, "name": name, "started": 1000.0, "host": "elsewhere", "pid": 1}
    (run / "run.json").write_text(metadata or json.dumps(plain))
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (run / "rank-0.jsonl").write_text("".join(f"{text}\n" for text in texts))
    for file, text in files.items():
        (run / f"{file}.json").write_text(text)
    return run


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("hostile")
    root, begun = folder / ".trema", record("run")
    write(root, "good", [begun, loss(0), loss(1), finding()])
    for name, lines in JOURNALS.items():
        write(root, name, [begun, loss(0), *lines, loss(7)])
    for name, metadata in METADATA.items():
        write(root, name, [begun, loss(0), loss(7)], metadata)
    for name, noted in SENT.items():
        write(root, name, [begun, loss(0), loss(7)], sync=noted)
    with pipes(root), TestClient(create_app(local(folder)), base_url="http://127.0.0.1") as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        wait_for(client, {"good", "pipes", *JOURNALS, *METADATA, *SENT})
        yield client


class pipes:
    """A run whose files are pipes in which nobody writes: whoever opens one waits for ever."""

    def __init__(self, root: Path) -> None:
        self._run = write(root, "pipes", [record("run"), loss(0), loss(7)])
        self._names = ("rank-1.jsonl", "sync.json", "source/train.py")

    def __enter__(self) -> None:
        (self._run / "source").mkdir()
        for name in self._names:
            os.mkfifo(self._run / name)

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            (self._run / name).unlink()


def wait_for(client: TestClient, names: set[str]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if client.get("/api/runs").json().get("total") == len(names):
            return
        time.sleep(0.2)


def ask(client: TestClient, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
    answer = client.get(path, params=parameters)
    assert answer.status_code < 500, (path, answer.text)
    return answer


def test_all_runs_are_listed(client: TestClient) -> None:
    names = {"good", "pipes", *JOURNALS, *METADATA, *SENT}
    for order in ("started", "name", "state", "findings", "updated", "seconds", "steps"):
        rows = ask(client, "/api/runs", {"sort": order, "limit": 1000}).json()["runs"]
        assert {row["id"] for row in rows} == names
    assert ask(client, "/api/status").json()["problems"] == []


@pytest.mark.parametrize("run", ["pipes", *JOURNALS, *METADATA, *SENT])
def test_a_run_is_shown_as_far_as_it_can_be_read(client: TestClient, run: str) -> None:
    for page in ("", "/findings", "/network", "/events", "/cell?layer=l&step=1"):
        ask(client, f"/api/runs/{run}{page}")
    for fact in ("activation-mean", "gradient-norm", "weight-norm", "update-ratio"):
        ask(client, f"/api/runs/{run}/heat", {"fact": fact, "columns": 3})
    for format in ("json", "csv", "html"):
        ask(client, f"/api/runs/{run}/export", {"format": format})
    ask(client, "/api/compare", {"run": ["good", run]})
    keys = [item["key"] for item in ask(client, f"/api/runs/{run}/series").json()["series"]]
    for key in keys:
        ask(client, f"/api/runs/{run}/points", {"key": key})
        ask(client, f"/api/runs/{run}/points", {"key": key, "start": 0, "end": 9, "width": 2})
    found = ask(client, f"/api/runs/{run}/series", {"fact": "loss"}).json()["series"]
    assert found[0]["points"] >= 2  # the lines around what is odd were read
