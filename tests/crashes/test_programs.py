"""Programs that crash: the exception passes on unchanged, and beside it stands what is known."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_cli import script, trema, validated

pytestmark = pytest.mark.slow

TORCH = """
import torch
from torch import nn
WATCH
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.fc = nn.Linear(1000, 5)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))

model = Net()
optimizer = torch.optim.Adam(model.parameters())
ATTACH
for step in range(3):
    loss = nn.functional.cross_entropy(model(torch.rand(32, 1, 28, 28)), torch.zeros(32).long())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
KERAS = """
import keras
import numpy as np

x = np.random.default_rng(0).random((64, 20)).astype("float32")
model = keras.Sequential([keras.layers.Embedding(50, 8), keras.layers.Flatten(),
                          keras.layers.Dense(5)])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x * 60 + 1, np.arange(64) % 5, verbose=0)
"""


def program(text: str, watch: str = "", attach: str = "") -> str:
    return text.replace("WATCH", watch).replace("ATTACH", attach)


def traceback_of(stderr: str) -> list[str]:
    """The frames of the program and the exception; torch goes another way inside with hooks."""
    match = re.search(r"^Traceback .*?^\w*Error: [^\n]*\n", stderr, re.DOTALL | re.MULTILINE)
    assert match is not None, stderr
    lines = match.group().splitlines()
    kept = [i for i, line in enumerate(lines) if 'train.py", line' in line]
    assert not re.search(r"trema[/\\](adapters|engine|cli)[/\\]", match.group())
    return [text for i in kept for text in lines[i : i + 2]] + lines[-1:]


def test_the_exception_passes_on_and_is_explained(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    name = script(tmp_path, program(TORCH))
    plain = subprocess.run(
        [sys.executable, name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    watched = trema("run", "--stop-on", "critical", "--json", "f.json", name, cwd=tmp_path)
    assert watched.returncode == plain.returncode == 1
    assert traceback_of(watched.stderr) == traceback_of(plain.stderr)
    document = validated(tmp_path / "f.json")
    assert document["run"]["state"] == "crashed"
    assert document["run"]["exit_code"] == 1
    assert not document["failed_checks"]
    (found,) = [f for f in document["findings"] if f["check"].startswith("crash-")]
    assert found["check"] == "crash-shape"
    assert found["where"]["layer"] == "fc"
    assert (found["location"]["file"], found["location"]["line"]) == ("train.py", 9)
    assert found["message"].startswith("`fc` takes 1000 features but 5408 arrived")
    assert "nn.Linear(5408, 5)" in found["fixes"][0]["text"]
    shown = watched.stderr[watched.stderr.index("mat1 and mat2") :]
    assert "the program crashed: shapes do not fit" in shown
    assert "more: trema explain crash-shape" in shown
    assert "Two arrays met" in trema("explain", "crash-shape", cwd=tmp_path).stdout
    assert "nn.Linear(5408, 5)" in trema("why", "last", cwd=tmp_path).stdout


def test_a_watched_loop_is_explained_too(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    text = program(TORCH, "import trema", "run = trema.watch(model, optimizer)")
    name = script(tmp_path, text)
    done = subprocess.run(
        [sys.executable, name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "takes 1000 features but 5408 arrived" in " ".join(done.stderr.split())


def test_a_keras_program(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    done = trema("run", "--json", "f.json", script(tmp_path, KERAS), cwd=tmp_path)
    assert done.returncode == 1
    (found,) = [
        f for f in validated(tmp_path / "f.json")["findings"] if f["check"].startswith("crash-")
    ]
    assert found["check"] == "crash-index"
    assert found["where"]["layer"].startswith("embedding")
    assert found["location"]["file"] == "train.py"
    assert "has 50 entries" in found["message"]


def test_a_crash_before_any_training(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    text = "import torch\nx = torch.rand(3, 4)\nprint(x @ torch.rand(5, 6))"
    done = trema("run", "--json", "f.json", script(tmp_path, text), cwd=tmp_path)
    assert done.returncode == 1
    assert "no training seen" not in done.stderr
    (found,) = validated(tmp_path / "f.json")["findings"]
    assert found["location"]["line"] == 3
    assert "(3, 4) and (5, 6)" in found["message"]
