"""Build hook: a wheel or source archive carries the built page, or it is not made.

An editable install never needs npm: the page is then built by ``make web``.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src/trema/static/index.html")


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling calls it by this shape
    """Builds the page when its bundle is missing; fails when it is missing still."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a target is built; ``version`` is ``editable`` for ``pip install -e``."""
        root = Path(self.root)
        if version == "editable" or (root / PAGE).is_file():
            return
        npm = shutil.which("npm")
        if npm is not None and (root / "web" / "package.json").is_file():
            for command in (["ci"], ["run", "build"]):
                if subprocess.run([npm, *command], cwd=root / "web", check=False).returncode:
                    break
        if not (root / PAGE).is_file():
            raise RuntimeError(
                f"expected the built page at {PAGE} but it is missing: install Node.js 20.19 or "
                "newer and run make web, then build again"
            )
