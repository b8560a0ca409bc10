"""Training loops of other shapes must stay healthy under ``trema run``: GANs, closures, folds."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

DATA = """
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset
torch.manual_seed(0)
y = torch.arange(400) % 2
x = torch.randn(400, 6) + 1.5 * y[:, None]
"""

GAN = """
G = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 6))
D = nn.Sequential(nn.Linear(6, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
og = torch.optim.Adam(G.parameters(), 2e-4, betas=(0.5, 0.999))
od = torch.optim.Adam(D.parameters(), 2e-4, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
for step in range(30):
    real = x[step * 10:step * 10 + 32]
    fake = G(torch.randn(len(real), 4))
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    loss = bce(D(real), ones) + bce(D(fake.detach()), zeros)
    od.zero_grad(); loss.backward(); od.step()
    loss = bce(D(fake), ones)
    og.zero_grad(); loss.backward(); og.step()
"""

CLOSURE = """
model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = torch.optim.LBFGS(model.parameters(), lr=1, max_iter=4)
def closure():
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    return loss
for step in range(3):
    optimizer.step(closure)
"""

FOLDS = """
data = TensorDataset(x, y)
for fold in range(3):
    held = set(range(fold * 100, fold * 100 + 100))
    rest = [i for i in range(400) if i not in held]
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for epoch in range(3):
        for a, b in DataLoader(Subset(data, rest), 32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(a), b).backward()
            optimizer.step()
        with torch.no_grad():
            for a, b in DataLoader(Subset(data, sorted(held)), 50):
                nn.functional.cross_entropy(model(a), b)
"""

LOOKING = """
model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 6))
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
for step in range(60):
    rows = x[torch.randperm(400)[:64]]
    loss = ((model(rows) - rows) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    if step % 20 == 0:
        with torch.no_grad():
            model(x[:50])
"""


def watched(script: str, folder: Path) -> dict[str, Any]:
    (folder / "train.py").write_text(textwrap.dedent(DATA + script))
    command = [sys.executable, "-m", "trema", "run", "--quiet", "--json", "o.json", "train.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folder / "o.json").read_text()))


@pytest.mark.parametrize(
    ("script", "segments"),
    [(GAN, 2), (CLOSURE, 1), (FOLDS, 3), (LOOKING, 1)],
    ids=["gan", "closure", "folds", "looking at samples"],
)
def test_no_alarm_and_no_error(script: str, segments: int, tmp_path: Path) -> None:
    document = watched(script, tmp_path)
    assert [f["check"] for f in document["findings"] if f["severity"] != "info"] == []
    assert document["failed_checks"] == []
    assert document["run"]["segments"] == segments
    assert document["run"]["state"] == "finished"


def test_sources_are_kept_with_the_run(tmp_path: Path) -> None:
    document = watched(CLOSURE, tmp_path)
    kept = tmp_path / ".trema" / "runs" / document["run"]["id"] / "source" / "train.py"
    assert kept.read_text() == (tmp_path / "train.py").read_text()


@pytest.mark.parametrize(
    ("ending", "state", "code"),
    [
        ("raise SystemExit(5)", "crashed", 5),
        ("raise RuntimeError('no')", "crashed", 1),
        ("raise KeyboardInterrupt", "interrupted", 130),
    ],
)
def test_the_end_of_a_script_is_its_own(ending: str, state: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(textwrap.dedent(DATA + CLOSURE) + ending)
    command = [sys.executable, "-m", "trema", "run", "--quiet", "--json", "o.json", "train.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    run = json.loads((tmp_path / "o.json").read_text())["run"]
    assert (run["state"], run["exit_code"]) == (state, code)
