"""``trema demo``: a program with three bugs, trained on real images and explained."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

from trema.cli.folders import root_folder
from trema.cli.run import Options, run_program
from trema.core.errors import MissingExtra, RunNotFound, TremaError
from trema.journal.folder import find_run

FILES = {"program.py": "train.py", "fashion.npz": "fashion.npz"}


def run_demo(json: Path | None, dir: Path | None, *, browser: bool, serve: bool) -> int:
    """Train the program under ``trema run`` and open its page; the exit code.

    In a terminal the page is served until Ctrl-C. Elsewhere, as in a job of continuous
    integration, it is started, asked whether it answers, and ended: nothing blocks there.

    Raises
    ------
    MissingExtra
        When PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra("the demo", "torch")
    root = root_folder(dir)
    folder = _unpack(root)
    script = folder / FILES["program.py"]
    print(f"running {script}: a small network on Fashion-MNIST, with bugs", file=sys.stderr)
    sys.stderr.flush()
    code = run_program([str(script)], None, Options(json=json, name="demo", dir=dir))
    if code:
        return code
    if not browser and not serve:
        print("trema ui opens the page of this run", file=sys.stderr)
        return 0
    return _show(root, browser=browser, serve=serve or _attended())


def _show(root: Path, *, browser: bool, serve: bool) -> int:
    from trema.cli.ui import extra_needed, open_page

    try:
        with extra_needed():
            page = open_page(str(root), run=find_run(root, "last").id)
    except RunNotFound:
        return 0  # the folder could not be written, which was said before
    except TremaError as error:
        print(f"trema: the page cannot be shown: {error}", file=sys.stderr)
        return 0
    if serve:
        page.serve(browser=browser)
        return 0
    trouble = page.trouble()
    if trouble is not None:
        print(f"trema: {trouble}", file=sys.stderr)
        return 1
    print(f"the page answered at\n  {page.address}\ntrema ui serves it; so does a terminal")
    return 0


def _attended() -> bool:
    """Whether somebody sits at a terminal who can end the server."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")


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
