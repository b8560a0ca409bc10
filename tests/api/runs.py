"""Run folders for tests of the API, written by a real session with the real checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trema.core.config import Config
from trema.core.diagnosis import Location
from trema.core.facts import (
    Fact,
    Layer,
    LossInfo,
    OptimizerInfo,
    Parameter,
    RunInfo,
    Snapshot,
    TensorSeen,
)
from trema.engine.session import Segment, Session

SCRIPT = """import torch
from torch import nn

model = nn.Sequential(
    nn.Conv2d(1, 4, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(2704, 10),
)
"""
LAYERS = ("0", "1", "2", "3")


def location(line: int) -> Location:
    """A place in the script, as an adapter records it."""
    return Location(file=str(Path.cwd() / "train.py"), line=line, column=5, end_line=line)


def network(**changes: Any) -> RunInfo:
    """A small network whose loss reads log-probabilities; the layer ``spare`` is never called."""
    layers = (
        Layer(
            name="0",
            kind="conv",
            class_name="Conv2d",
            parameters=("0.weight", "0.bias"),
            config={"units": 4, "inputs": 1, "activation": "linear", "bias": True},
            location=location(5),
        ),
        Layer(name="1", kind="activation", class_name="ReLU", config={"function": "relu"}),
        Layer(name="2", kind="reshape", class_name="Flatten", output_shape=(None, 2704)),
        Layer(
            name="3",
            kind="linear",
            class_name="Linear",
            parameters=("3.weight", "3.bias"),
            config={"units": 10, "inputs": 2704, "activation": "linear", "bias": True},
            location=location(8),
        ),
        Layer(name="spare", kind="linear", class_name="Linear", parameters=("spare.weight",)),
        Layer(name="idle", kind="dropout", class_name="Dropout", config={"rate": 0.0}),
    )
    shapes = {
        "0.weight": (4, 1, 3, 3),
        "0.bias": (4,),
        "3.weight": (10, 2704),
        "3.bias": (10,),
        "spare.weight": (7, 3),
    }
    given: dict[str, Any] = {
        "framework": "torch",
        "layers": layers,
        "edges": (("0", "1"), ("1", "2"), ("2", "3"), ("3", "nllloss#1")),
        "head": ("3",),
        "parameters": tuple(
            Parameter(
                name=name,
                shape=shape,
                dtype="float32",
                trainable=name != "spare.weight",
                layer=name.partition(".")[0],
                groups=("0.0",),
            )
            for name, shape in shapes.items()
        ),
        "optimizers": (
            OptimizerInfo(
                name="0",
                kind="sgd",
                learning_rates=(0.01,),
                config={"lr": 0.01, "momentum": 0.9, "nesterov": False},
                location=location(9),
            ),
        ),
        "loss": LossInfo(kind="nll", reads="log-probabilities", name="nll_loss"),
        "inputs": "image",
        "outputs": "classification",
        "batch_size": 32,
        "versions": {"torch": "2.13.0"},
        "seed": 7,
    }
    return RunInfo(**{**given, **changes})


def healthy() -> RunInfo:
    """The same network with a loss that reads what the network gives."""
    return network(loss=LossInfo(kind="cross-entropy", reads="logits", name="cross_entropy"))


def facts_at(step: int, *, scale: float = 1.0, top: float = 20.0) -> dict[tuple[Fact, str], Any]:
    """What is seen at a step. scale : of the inputs; top : the greatest output."""
    seen: dict[tuple[Fact, str], Any] = {
        (Fact.LOSS, ""): 2.0 / (1 + step / 10),
        (Fact.LEARNING_RATE, "0.0"): 0.01,
        (Fact.BATCH_SIZE, ""): 32,
        (Fact.INPUT_MIN, ""): 0.0,
        (Fact.INPUT_MAX, ""): 1.0 * scale,
        (Fact.INPUT_MEAN, ""): 0.3 * scale,
        (Fact.INPUT_STD, ""): 0.3 * scale,
        (Fact.INPUT_NONFINITE, ""): 0.0,
        (Fact.INPUT_INTEGER, ""): float(scale > 100),
        (Fact.OUTPUT_MIN, ""): -5.0,
        (Fact.OUTPUT_MAX, ""): top,
        (Fact.OUTPUT_MEAN, ""): 1.0,
        (Fact.OUTPUT_STD, ""): 3.0,
        (Fact.OUTPUT_NONFINITE, ""): 0.0,
        (Fact.OUTPUT_ROW_SUM_MIN, ""): -9.0,
        (Fact.OUTPUT_ROW_SUM_MAX, ""): 30.0,
    }
    for place, layer in enumerate(LAYERS):
        seen[Fact.ACTIVATION_MEAN, layer] = place + step / 100
        seen[Fact.ACTIVATION_ZEROS, layer] = 0.25
        seen[Fact.UNIT_MAX, layer] = np.arange(4.0) + step
    for name in ("0.weight", "0.bias", "3.weight", "3.bias"):
        seen[Fact.WEIGHT_NORM, name] = 4.0 if name.endswith("weight") else 3.0
        seen[Fact.UPDATE_NORM, name] = 0.3 if name.endswith("weight") else 0.4
        seen[Fact.GRADIENT_NORM, name] = 1.0 / (1 + step)
    return seen


def train(
    segment: Segment,
    *,
    epochs: int = 4,
    steps: int = 10,
    scale: float = 255.0,
    values: Mapping[int, Mapping[tuple[Fact, str], Any]] | None = None,
) -> None:
    """Epochs of ``steps`` steps each. values : step -> what is seen in place of the usual."""
    given = values or {}
    for epoch in range(epochs):
        for _ in range(steps):
            step = segment.steps
            seen = {**facts_at(step, scale=scale), **given.get(step, {})}
            segment.record(Snapshot(step=step, epoch=epoch, phase="train", values=seen))
        last = segment.steps - 1
        loss = 2.0 / (1 + epoch)
        segment.metrics(epoch, "train", {"loss": loss, "accuracy": 1 - loss / 2.5}, step=last)
        segment.metrics(epoch, "validation", {"loss": loss + 0.1}, step=last)
        segment.end_epoch(epoch)


def open_run(root: Path, name: str = "train", **options: Any) -> Session:
    """A session that writes below this folder."""
    return Session(name, Config(dir=str(root), **options), framework="torch")


def make_run(
    root: Path,
    name: str = "train",
    *,
    info: RunInfo | None = None,
    state: str | None = "finished",
    source: str = SCRIPT,
    segments: int = 1,
    **training: Any,
) -> str:
    """A run below this folder; its id. state : None leaves it without an end."""
    session = open_run(root, name)
    described = info or network()
    for _ in range(segments):
        segment = session.open_segment(described)
        segment.seen(
            TensorSeen(
                role="output", name="", phase="train", shape=(32, 10), dtype="float32", step=0
            )
        )
        train(segment, **training)
    session.sources = lambda: {"train.py": source}
    session.keep_sources()
    if state is not None:
        session.finish(state, 0 if state == "finished" else 1)
    assert session.folder is not None
    return session.folder.id


def healthy_run(root: Path, name: str = "healthy", **options: Any) -> str:
    """A run in which nothing is wrong."""
    return make_run(root, name, info=healthy(), scale=1.0, **options)


NAN = math.nan
