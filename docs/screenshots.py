"""Takes the pictures of the page in docs/images: trains a few real runs and looks at them.

python docs/screenshots.py

Needs Chromium, the extra ``dev`` (Pillow comes with TensorBoard) and the page: ``make web``.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "images"
DATA = ROOT / "src" / "trema" / "demo" / "fashion.npz"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
LARGEST = 250_000  # bytes of a picture

PROGRAM = '''\
"""Classify clothes with a small convolutional network."""

import sys
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
with np.load(sys.argv[1]) as data:
    images, labels = data["x_train"][:900], data["y_train"][:900]
x = torch.tensor(images, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(labels, dtype=torch.long)
train = DataLoader(TensorDataset(x[:300], y[:300]), batch_size=30, shuffle=True)
valid = DataLoader(TensorDataset(x[280:], y[280:]), batch_size=100)


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = Block(1, 12)
        self.body = Block(12, 24)
        self.pool = nn.MaxPool2d(2)
        self.skip = nn.Conv2d(12, 24, 1)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(24 * 7 * 7, 256), nn.ReLU(), nn.Linear(256, 10)
        )

    def forward(self, x):
        x = self.pool(self.stem(x))
        x = self.pool(self.body(x))
        return self.head(x)


model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(30):
    model.train()
    for xb, yb in train:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        time.sleep(float(sys.argv[2]))
    model.eval()
    with torch.no_grad():
        for xb, yb in valid:
            loss = criterion(model(xb), yb)
'''
CHANGES = (
    (".unsqueeze(1)\n", ".unsqueeze(1) / 255\n"),
    ("x[280:], y[280:]", "x[300:], y[300:]"),
    ("        self.skip = nn.Conv2d(12, 24, 1)\n", ""),
    ("nn.ReLU(), nn.Linear(256, 10)", "nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10)"),
    ("range(30)", "range(12)"),
)


def main() -> None:
    """Train, take every picture, and say how large each is."""
    from playwright.sync_api import sync_playwright

    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = _train(folder)
        with _slow(folder), _served(folder) as (origin, token), sync_playwright() as tool:
            browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for picture, route, options in _pictures(runs):
                context = browser.new_context(
                    viewport={"width": options.get("width", 1280), "height": options["height"]},
                    color_scheme=options.get("theme", "light"),
                    reduced_motion="reduce",
                )
                page = context.new_page()
                page.goto(f"{origin}/#{route}{'&' if '?' in route else '?'}token={token}")
                page.wait_for_timeout(4000)
                options.get("then", _nothing)(page)
                page.wait_for_timeout(1000)
                _keep(TARGET / f"{picture}.png", page.screenshot())
                context.close()
            browser.close()


def _pictures(runs: dict[str, str]) -> list[tuple[str, str, dict[str, Any]]]:
    compared = f"/compare?run={runs['clothes']}&run={runs['clothes-fixed']}&log=1"
    return [
        ("runs", "/", {"height": 610}),
        ("run", f"/run/{runs['clothes']}?log=1", {"height": 900, "then": _open("overfits")}),
        ("run-first", f"/run/{runs['clothes']}", {"height": 900, "theme": "dark"}),
        ("layers", f"/run/{runs['clothes']}/layers?layer=head.1", {"height": 900}),
        ("compare", compared, {"height": 1200}),
        ("phone", f"/run/{runs['clothes']}", {"height": 844, "width": 390}),
    ]


def _open(title: str) -> Callable[[Any], None]:
    def act(page: Any) -> None:
        page.locator("section.timeline button.row").filter(has_text=title).click()
        page.mouse.move(640, 20)  # what is under the pointer is told

    return act


def _nothing(page: Any) -> None:
    """Take the page as it opens."""


def _train(folder: Path) -> dict[str, str]:
    """Train under ``trema run``; ids by name."""
    fixed = PROGRAM
    for old, new in CHANGES:
        assert old in fixed, old
        fixed = fixed.replace(old, new)
    examples = ROOT / "examples"
    _trema(folder, "demo", "--no-browser")
    for name, script in (
        ("any-loop", examples / "any_loop.py"),
        ("keras-fit", examples / "keras_fit.py"),
        ("adam-too-fast", examples / "torch_loop.py"),
    ):
        _trema(folder, "run", "--quiet", "--name", name, str(script))
    for name, text in (("clothes", PROGRAM), ("clothes-fixed", fixed)):
        (folder / "train.py").write_text(text)
        _trema(folder, "run", "--quiet", "--name", name, "train.py", str(DATA), "0.05")
    (folder / "train.py").write_text(fixed)
    return {
        found[1]: path.parent.name
        for path in (folder / ".trema" / "runs").glob("*/run.json")
        if (found := re.search(r'"name": ?"([^"]+)"', path.read_text()))
    }


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "TREMA_DIR": str(folder / ".trema"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
    }


def _trema(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "trema", *arguments],
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


@contextmanager
def _slow(folder: Path) -> Iterator[None]:
    """A run that is in training while the pictures are taken."""
    command = [sys.executable, "-m", "trema", "run", "--quiet", "--name", "clothes-slow"]
    process = subprocess.Popen(
        [*command, "train.py", str(DATA), "0.15"],
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_epochs(folder, 4)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _wait_for_epochs(folder: Path, epochs: int) -> None:
    """Until the newest run has ended so many epochs."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        journal = max((folder / ".trema" / "runs").iterdir()) / "rank-0.jsonl"
        # the name of a run is known before it has a journal
        known = '"clothes-slow"' in (journal.parent / "run.json").read_text()
        if known and journal.exists() and journal.read_text().count('"kind":"epoch"') >= epochs:
            return
        time.sleep(0.5)
    raise RuntimeError("the slow run does not get on")


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, str]]:
    """The address and the token of ``trema ui``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trema", "ui", str(folder), "--no-browser"],
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    try:
        for line in process.stdout:
            if found := re.search(r"(http://[^/]+)/#\S*token=([\w-]+)", line):
                yield found[1], found[2]
                return
        raise RuntimeError("trema ui ended before it told its address")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _keep(path: Path, taken: bytes) -> None:
    """Write a picture; with fewer colours when it would be large."""
    from PIL import Image

    with Image.open(io.BytesIO(taken)) as picture:
        picture.convert("RGB").save(path, optimize=True)
        if path.stat().st_size > LARGEST:
            few = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE)
            few.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
