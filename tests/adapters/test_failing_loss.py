"""A loss that raises: the error passes unchanged, and what the loss was given is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import trema
from trema.engine import active

QUIET: dict[str, Any] = {"console": False, "strict": True}
DIGITS = torch.arange(32) % 10


def step(loss: nn.Module, target: Tensor, *last: nn.Module) -> tuple[Exception, dict[str, Any]]:
    """The error of one training step and the findings document."""
    model = nn.Sequential(nn.Linear(8, 10), *last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trema.watch(model, optimizer, **QUIET)
    x = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises((RuntimeError, IndexError)) as caught:
        loss(model(x), target).backward()
    document = active.finish()
    assert document is not None
    assert document["failed_checks"] == []
    return caught.value, document


@pytest.mark.parametrize(
    ("loss", "target", "check"),
    [
        (nn.CrossEntropyLoss(), DIGITS[:, None], "sparse-vs-onehot"),
        (nn.CrossEntropyLoss(), DIGITS.float(), "sparse-vs-onehot"),
        (nn.CrossEntropyLoss(), DIGITS + 1, "label-out-of-range"),
        (nn.BCELoss(), nn.functional.one_hot(DIGITS, 10).float(), "missing-softmax"),
    ],
    ids=["column", "floats", "past-the-last", "logits"],
)
def test_what_the_loss_was_given_explains_its_error(
    loss: nn.Module, target: Tensor, check: str
) -> None:
    error, document = step(loss, target)
    found = {finding["check"]: finding for finding in document["findings"]}
    assert check in found
    assert found[check]["location"]["file"].endswith("test_failing_loss.py")
    trace = error.__traceback__
    assert trace is not None
    assert error.__cause__ is None


def test_the_line_that_made_the_loss_is_known(tmp_path: Path) -> None:
    program = """
        import torch
        from torch import nn
        model = nn.Sequential(nn.Linear(8, 10), nn.Softmax(dim=1))
        criterion = nn.MSELoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        y = torch.nn.functional.one_hot(torch.arange(32) % 10, 10).float()
        for _ in range(4):
            optimizer.zero_grad()
            criterion(model(torch.randn(32, 8)), y).backward()
            optimizer.step()
    """
    finding = _run(tmp_path, program, "torch")["mse-classification"]
    assert finding["location"]["line"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras_labels_that_end_in_an_error(tmp_path: Path, backend: str) -> None:
    program = """
        import keras, numpy as np
        x, y = np.random.rand(64, 8), np.arange(64) % 10
        model = keras.Sequential([keras.layers.Dense(10, activation="softmax")])
        model.compile(loss="categorical_crossentropy", optimizer="sgd")
        model.fit(x, y, verbose=0)
    """
    finding = _run(tmp_path, program, backend, exit_code=1)["sparse-vs-onehot"]
    assert finding["location"]["line"] == 4


def _run(folder: Path, program: str, backend: str, exit_code: int = 0) -> dict[str, Any]:
    script = folder / "train.py"
    script.write_text(textwrap.dedent(program).lstrip())
    out = folder / "out.json"
    done = subprocess.run(
        [sys.executable, "-m", "trema", "run", "--quiet", "--json", str(out), str(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
        timeout=240,
    )
    assert done.returncode == exit_code, done.stderr[-2000:]
    return {f["check"]: f for f in json.loads(out.read_text())["findings"]}
