"""``trema demo``: a program with three bugs, trained on real images and explained."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

from trema.cli.folders import root_folder
from trema.cli.run import Options, run_program
from trema.core.errors import MissingExtra

FILES = {"program.py": "train.py", "fashion.npz": "fashion.npz"}


def run_demo(json: Path | None, dir: Path | None) -> int:
    """Train the program under ``trema run``; the exit code.

    Raises
    ------
    MissingExtra
        When PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra("the demo", "torch")
    folder = _unpack(root_folder(dir))
    script = folder / FILES["program.py"]
    print(f"running {script}: a small network on Fashion-MNIST, with bugs", file=sys.stderr)
    sys.stderr.flush()
    return run_program([str(script)], None, Options(json=json, name="demo", dir=dir))


def _unpack(root: Path) -> Path:
    """The folder with the program and its data, beside the runs where that can be written."""
    package = Path(__file__).parent.parent / "demo"
    for folder in (root / "demo", Path(tempfile.mkdtemp(prefix="trema-demo-"))):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for source, target in FILES.items():
                shutil.copyfile(package / source, folder / target)
        except OSError:
            continue
        return _relative(folder)
    raise MissingExtra("the demo", "torch")


def _relative(folder: Path) -> Path:
    try:
        return folder.relative_to(Path.cwd())
    except ValueError:
        return folder
