"""Real programs under ``trema run``: findings point at the line, and the key, that decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

COMMON = """\
import json, torch
from torch import nn
torch.manual_seed(0)
with open("run.json") as file:
    run = json.load(file)
x, y = torch.randn(256, 6), torch.randint(0, 3, (256,))
"""
CUT = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.head = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        features = self.encoder(x).relu()
        return self.head(features.detach())  # HERE

net = Net()
"""
PLAIN = "net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))\n"
HALF = """\
kind = getattr(torch, run["precision"])
net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).to(kind)  # HERE
x = x.to(kind)
"""
SGD = 'optimizer = torch.optim.SGD(net.parameters(), lr=run["fit"]["rate"])'
LOOP = """
ce = nn.CrossEntropyLoss()
for epoch in range(4):
    for a, b in zip(x.split(16), y.split(16)):
        optimizer.zero_grad()
        loss = ce(net(a), b)
        loss.backward()
        optimizer.step()
"""
ZERO = """
for parameter in net.parameters():
    nn.init.zeros_(parameter)  # HERE
"""
DRAWN = """
for part in (net[0], net[2]):
    nn.init.normal_(part.weight, std=9.0)  # HERE
"""
PEAK = """
cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e3, total_steps=100)  # HERE
"""
LOG = LOOP.replace("ce(net(a), b)", "gap(net(a), b)").replace(
    "ce = nn.CrossEntropyLoss()",
    "def gap(s, b):\n    p = s.relu()\n    return -p.log().mean()  # HERE\n",
)
RELU = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6))

    def forward(self, x):
        return torch.relu(self.up(x))  # HERE

net = Net()
y = x
"""
SQUARED = LOOP.replace("CrossEntropyLoss", "MSELoss")
ANEW = LOOP.replace(
    "        loss.backward()",
    "        loss = loss.detach().requires_grad_()  # HERE\n        loss.backward()",
)
SPREAD = LOOP.replace("ce(net(a), b)", "gap(net(a)[:, :1], b)").replace(
    "ce = nn.CrossEntropyLoss()",
    "def gap(s, b):\n    d = s - b  # HERE\n    return (d**2).mean()\n",
)
DROPOUT = PLAIN.replace("nn.ReLU()", "nn.Dropout()")
STAYS = f"{LOOP}    net.eval()  # HERE\n    with torch.no_grad():\n        ce(net(x), y)\n"

PROGRAMS = {
    "relu": (COMMON + RELU + SGD + SQUARED, "output-range", None),
    "anew": (COMMON + PLAIN + SGD + ANEW, "detached-graph", None),
    "spread": (COMMON + PLAIN + SGD + SPREAD, "loss-broadcast", None),
    "stays": (COMMON + DROPOUT + SGD + STAYS, "train-mode-wrong", None),
    "rate": (COMMON + PLAIN + SGD + "  # HERE" + LOOP, "learning-rate-range", "fit.rate"),
    "dtype": (COMMON + HALF + SGD + LOOP, "parameter-dtype", "precision"),
    "cut": (COMMON + CUT + SGD + LOOP, "unused-layer", None),
    "zero": (COMMON + PLAIN + ZERO + SGD + LOOP, "init-zero-symmetric", None),
    "drawn": (
        COMMON + PLAIN + DRAWN + SGD.replace('run["fit"]["rate"]', "1e-5") + LOOP,
        "init-loss",
        None,
    ),
    "peak": (
        COMMON + PLAIN + SGD + PEAK + LOOP + "        cycle.step()\n",
        "learning-rate-range",
        None,
    ),
    "log": (COMMON + PLAIN + SGD + LOG, "nonfinite-loss", None),
}
SETTINGS = """\
{
  "precision": "float16",
  "fit": {
    "rate": RATE
  }
}
"""


def run(folder: Path, program: str, rate: float) -> list[dict[str, Any]]:
    (folder / "program.py").write_text(program)
    (folder / "run.json").write_text(SETTINGS.replace("RATE", str(rate)))
    command = [sys.executable, "-m", "trema", "run", "--json", "out.json", "program.py"]
    environment = {**os.environ, "TREMA_PREVIEW": "1", "TREMA_DIR": str(folder / ".trema")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads((folder / "out.json").read_text())
    assert not document["failed_checks"]
    findings: list[dict[str, Any]] = document["findings"]
    return findings


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_finding_points_at_what_decides_it(tmp_path: Path, name: str) -> None:
    program, check, key = PROGRAMS[name]
    text = textwrap.dedent(program)
    found = [
        f for f in run(tmp_path, text, 900.0 if name == "rate" else 0.05) if f["check"] == check
    ]
    assert found
    line = next(i for i, one in enumerate(text.split("\n"), 1) if one.endswith("# HERE"))
    assert found[0]["location"]["line"] == line
    assert found[0]["where"]["config"]["key"] == key
    if key is not None:
        assert found[0]["where"]["config"]["file"] == "run.json"
        assert found[0]["where"]["config"]["line"] == {"precision": 2, "fit.rate": 4}[key]
    if name == "log":
        assert "logarithm of zero" in found[0]["message"]
    if name == "zero":
        assert found[0]["where"]["parameter"] == "0.weight"
