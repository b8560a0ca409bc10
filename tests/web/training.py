"""A program as a user has it: a small network on real images, with two bugs to find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import trema

DATA = Path(trema.__file__).parent / "demo" / "fashion.npz"

PROGRAM = '''\
"""Classify clothes."""

import os
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
with np.load(os.environ["CLOTHES"]) as data:
    images, labels = data["x_train"][:1200], data["y_train"][:1200]
x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 28, 28)
y = torch.tensor(labels, dtype=torch.long)
train = DataLoader(TensorDataset(x[:900], y[:900]), batch_size=50, shuffle=True)
valid = DataLoader(TensorDataset(x[900:], y[900:]), batch_size=100)

model = nn.Sequential(
    nn.Conv2d(1, 8, kernel_size=3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(8 * 26 * 26, 32),
    nn.ReLU(),
    nn.Linear(32, 10),
)
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)

epochs, pause = int(sys.argv[1]), float(sys.argv[2])
for epoch in range(epochs):
    model.train()
    for images, labels in train:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        time.sleep(pause)
    model.eval()
    with torch.no_grad():
        for images, labels in valid:
            loss = criterion(model(images), labels)
'''

#: The same program without its bugs.
FIXED = (
    PROGRAM.replace("reshape(-1, 1, 28, 28)", "reshape(-1, 1, 28, 28) / 255")
    .replace("nn.NLLLoss()", "nn.CrossEntropyLoss()")
    .replace("lr=1e-5", "lr=0.05")
)


def start(
    folder: Path, *, name: str, epochs: int, pause: float = 0.0, text: str = PROGRAM
) -> subprocess.Popen[bytes]:
    """Train under ``trema run`` in this folder, which keeps the run in its ``.trema``."""
    (folder / "train.py").write_text(text)
    command = [sys.executable, "-m", "trema", "run", "--name", name, "--quiet"]
    with (folder / f"{name}.txt").open("wb") as said:
        return subprocess.Popen(
            [*command, "train.py", str(epochs), str(pause)],
            cwd=folder,
            env={
                **os.environ,
                "TREMA_DIR": str(folder / ".trema"),
                "CLOTHES": str(DATA),
                "OMP_NUM_THREADS": "1",
            },
            stdout=said,
            stderr=said,
        )


def train(folder: Path, *, name: str, epochs: int, text: str = PROGRAM) -> None:
    """Train to the end."""
    with start(folder, name=name, epochs=epochs, text=text) as process:
        if process.wait(timeout=240):
            said = (folder / f"{name}.txt").read_text()
            raise RuntimeError(f"{name} ended with {process.returncode}: {said}")
