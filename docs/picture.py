"""Draws docs/images/demo.svg: what ``trema demo`` prints, as a picture for the README.

python docs/picture.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

TARGET = Path(__file__).resolve().parent / "images" / "demo.svg"


def main() -> None:
    """Run the demo in an empty folder and keep its colours."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "trema", "demo", "--no-browser"],
            cwd=folder,
            env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": "92", "TREMA_DIR": ".trema"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
    console = Console(record=True, width=92, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text.from_ansi(done.stdout))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(console.export_svg(title="trema demo"), encoding="utf-8")


if __name__ == "__main__":
    main()
