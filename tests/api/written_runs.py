"""Runs written by hand into a folder, for tests of what is told about runs."""

import math
import time
from pathlib import Path
from typing import Any

from trema.core.numbers import dumps
from trema.journal.folder import RunFolder, create_run
from trema.journal.writer import Journal

SOURCE = """import torch
from torch import nn

model = nn.Sequential(
    nn.Linear(20, 64),
    nn.ReLU(),
    nn.Linear(64, 4),
    nn.Softmax(dim=1),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for epoch in range(30):
    for x, y in loader:
        criterion(model(x), y).backward()
        optimizer.step()
"""
_LAYERS = ("0", "linear", "Linear"), ("1", "activation", "ReLU"), ("2", "linear", "Linear")


def where(**changes: Any) -> dict[str, Any]:
    """A place in the model or the data."""
    data: dict[str, Any] = {"split": None, "columns": [], "rows": [], "classes": [], "samples": []}
    place = dict.fromkeys(("layer", "parameter", "input", "output"))
    return {**place, "data": data, "config": {"file": None, "key": None}, **changes}


def finding(id: str, **changes: Any) -> dict[str, Any]:
    """A finding's document."""
    document: dict[str, Any] = {
        "id": id,
        "check": "double-softmax",
        "cause": "activation",
        "severity": "error",
        "rank": 1,
        "state": "active",
        "segment": 0,
        "ranks": [0],
        "title": "softmax is applied twice",
        "message": "`cross_entropy` applies softmax, but layer `3` (`Softmax`) has applied it",
        "confidence": "measured",
        "confirmation": None,
        "explained_by": [],
        "where": where(layer="3"),
        "location": {
            "file": "train.py",
            "line": 8,
            "column": 5,
            "end_line": 8,
            "end_column": 22,
            "cell": None,
        },
        "first": {"step": 0, "epoch": 0},
        "last": {"step": 299, "epoch": 29},
        "count": 30,
        "evidence": [
            {"fact": "output-max", "name": "", "value": 0.97, "limit": 1.0, "unit": "", "step": 299}
        ],
        "fixes": [
            {
                "text": "remove the last `Softmax`",
                "caution": "apply it to get probabilities",
                "diff": "--- a/train.py\n+++ b/train.py\n@@ -8 +8 @@\n-    nn.Softmax(dim=1),\n",
            },
            {"text": "use `NLLLoss` with `LogSoftmax`", "caution": None, "diff": None},
        ],
        "links": {
            "documentation": "https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html",
            "search": "https://stackoverflow.com/search?q=double+softmax",
            "editor": None,
        },
    }
    return {**document, **changes}


def several() -> list[dict[str, Any]]:
    """Findings of all kinds: one explains another, one is gone, one is from before training."""
    first = finding(
        "aaaaaaaaaaaa",
        check="learning-rate-sign",
        cause="learning-rate",
        title="the learning rate is negative",
        message="SGD runs with a learning rate of -0.5, so each step climbs",
        evidence=[
            {
                "fact": "learning-rate",
                "name": "0.0",
                "value": -0.5,
                "limit": 0,
                "unit": "",
                "step": 0,
            },
            {
                "fact": "output-max",
                "name": "",
                "value": 0.97,
                "limit": 1.0,
                "unit": "",
                "step": 299,
            },
        ],
    )
    second = finding(
        "bbbbbbbbbbbb",
        check="learning-rate-range",
        cause="learning-rate",
        severity="warning",
        rank=2,
        title="the learning rate is high",
        message="SGD runs with a learning rate of 0.5, and the loss rises in 7 of 30 epochs",
        confidence="likely",
        explained_by=["aaaaaaaaaaaa"],
        where=where(),
        location={
            "file": "train.py",
            "line": 11,
            "column": 51,
            "end_line": 11,
            "end_column": 57,
            "cell": None,
        },
        first={"step": 40, "epoch": 4},
        last={"step": 259, "epoch": 25},
        spans=[[4, 9], [12, 12], [20, 25]],
        evidence=[{"fact": "loss", "name": "", "value": 1.31, "limit": 1.0, "unit": "", "step": 1}],
    )
    third = finding(
        "cccccccccccc",
        check="input-layout",
        cause="data",
        severity="info",
        rank=3,
        title="inputs could lie otherwise",
        message="rows are read in columns",
        first={"step": None, "epoch": None},
        last={"step": None, "epoch": None},
        location=None,
        where=where(),
        evidence=[],
        fixes=[],
    )
    fourth = finding(
        "dddddddddddd",
        check="nonfinite-loss",
        cause="numerics",
        severity="critical",
        rank=4,
        state="gone",
        title="the loss was NaN",
        message="the loss is `nan` at step 70, first in layer `2`",
        where=where(layer="2", parameter="2.weight"),
        first={"step": 70, "epoch": 7},
        last={"step": 79, "epoch": 7},
    )
    return [first, second, third, fourth]


class Writing:
    """A run that is being written."""

    def __init__(self, root: Path, name: str = "train", *, started: float | None = None) -> None:
        self.folder: RunFolder = create_run(root, name, framework="torch")
        self.started = time.time() if started is None else started
        metadata = {**self.folder.metadata, "started": self.started}
        if started is not None:
            (self.folder.path / "run.json").write_text(dumps(metadata), encoding="utf-8")
        self.journal = Journal(self.folder.journal(0), rank=0)
        self.journal.write("run", id=self.folder.id, name=name, framework="torch", trema="0.1.0")

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.id

    def describe(self, learning_rate: float = 0.5) -> None:
        """Write what is known of the model, and keep its source."""
        self.folder.save_sources({"train.py": SOURCE})
        layers = [
            {"name": name, "kind": kind, "class_name": kind_name, "config": {}, "parameters": []}
            for name, kind, kind_name in _LAYERS
        ]
        info = {
            "framework": "torch",
            "layers": layers,
            "edges": [["0", "1"], ["1", "2"]],
            "parameters": [{"name": "0.weight", "shape": [64, 20], "dtype": "float32"}],
            "optimizers": [{"name": "0", "kind": "sgd", "learning_rates": [learning_rate]}],
            "loss": {"kind": "cross-entropy", "reads": "logits"},
            "inputs": "tabular",
            "outputs": "classification",
            "batch_size": 32,
        }
        self.journal.write("info", info=info)

    def step(self, step: int, **facts: Any) -> None:
        """Write facts of a step: ``loss=1.0`` or ``gradient_norm={"0.weight": 0.1}``."""
        values = {
            fact.replace("_", "-"): value if isinstance(value, dict) else {"": value}
            for fact, value in facts.items()
        }
        self.journal.write("facts", step=step, epoch=0, phase="train", values=values)

    def epoch(self, epoch: int, train: dict[str, float], validation: dict[str, float]) -> None:
        """Write the metrics of an epoch and its end."""
        step = 10 * epoch + 9
        for phase, values in (("train", train), ("validation", validation)):
            self.journal.write("metrics", step=step, epoch=epoch, phase=phase, values=values)
        self.journal.write("epoch", step=step, epoch=epoch)

    def find(self, document: dict[str, Any]) -> None:
        """Write a finding."""
        self.journal.write("finding", finding=document)

    def end(self, findings: list[dict[str, Any]] | None = None, **said: Any) -> None:
        """Write the end."""
        run = {"steps": 300, "epochs": 30, "segments": 1, "seconds": 12.5, "overhead": 0.011}
        record: dict[str, Any] = {
            "state": "finished",
            "exit_code": 0,
            "run": {**run, "inputs": "tabular", "outputs": "classification", "notes": []},
            "findings": findings or [],
            "clear": ["input-scale", "input-dtype"],
            "not_assessed": [{"check": "overfitting", "missing": ["metric"]}],
            "failed_checks": [],
            "muted": [],
        }
        self.journal.write("end", **{**record, **said})
        self.journal.close()


def write_run(root: Path, name: str = "train", *, epochs: int = 30, rate: float = 0.5) -> str:
    """A whole run with curves, findings and source; its id."""
    run = Writing(root, name)
    run.describe(rate)
    for document in several():
        run.find(document)
    for epoch in range(epochs):
        for step in range(10 * epoch, 10 * epoch + 10):
            loss = math.exp(-step / 90) + 0.05 * math.sin(step)
            run.step(
                step,
                loss=math.nan if 70 <= step < 72 else loss,
                output_max=0.9 + step / 3000,
                gradient_norm={"0.weight": 1 / (1 + step), "2.weight": 2 / (1 + step)},
                learning_rate={"0.0": rate},
                unit_max={"1": [0.0, step / 10]},
            )
        level = math.exp(-epoch / 9)
        run.epoch(
            epoch,
            {"loss": level, "accuracy": 1 - level * 0.7},
            {"loss": level * 0.8 + 0.02 * epoch, "accuracy": 0.9 - level * 0.6},
        )
    run.end(several())
    return run.id
