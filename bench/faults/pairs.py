"""The benchmark's data model: pairs of a faulty program and its healthy twin.

A pair is a folder below ``programs/``::

    label.json         what is wrong, where, how visible, and which data files there are
    common/            files of both programs; program.py too when the fault is elsewhere
    faulty/, healthy/  files of one of them
    prepare.py         optional: ``prepare(folder, faulty, rng)`` changes data files that were made

Older pairs hold ``program.py`` and ``healthy.py`` side by side and read ``data.py`` themselves.
They were in sight while the first checks were written and belong to the tuning half for that
reason; the half of every other pair is decided by a hash of its name. The held-out half was
measured once before anything was tuned on it; afterwards its misses were mended, and the pairs
whose label says ``"half": "fresh"`` took its place: written by people who did not know the checks,
and never looked at by those who tune them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import recipes

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"

#: Places at which a fault hides from a reader of the training script.
HIDDEN_IN = ("data", "config", "module", "dynamics")

#: Constants that start a random generator; ``--seed`` moves them all.
_SEEDS = re.compile(
    r"(?P<call>manual_seed\(|set_random_seed\(|default_rng\(|random\.seed\(|RandomState\("
    r"|PRNGKey\(|random_state=|seed=|\"seed\": |(?m:^)SEED = |(?m:^)seed = )(?P<number>\d+)"
)


@dataclass(frozen=True)
class Fault:
    """One fault of a program.

    family : short name of what went wrong
    causes : honest causes, the true one first
    places : alternatives, each enough: ``{"file", "lines"}``, ``{"columns"}``, ``{"rows"}``,
        ``{"samples"}``, ``{"classes"}``, ``{"split"}``, ``{"parameter"}``, ``{"layer"}`` or
        ``{"key"}``
    hidden_in : where it hides from a reader of the script, or None when it is visible there
    checks : checks meant for it, where the label names them; for reading, not for scoring
    """

    family: str
    causes: tuple[str, ...]
    places: tuple[Mapping[str, Any], ...]
    hidden_in: str | None = None
    checks: tuple[str, ...] = ()
    note: str = ""

    @property
    def visible(self) -> bool:
        """Whether a reader of the training script can see it."""
        return self.hidden_in is None


@dataclass(frozen=True)
class Program:
    """A faulty program or a healthy twin."""

    pair: str
    variant: str  # faulty or healthy
    framework: str  # torch or keras
    backend: str  # back end of Keras: torch or jax
    task: str
    folder: Path
    half: str  # tuning, held-out or fresh; both programs of a pair are in the same one
    faults: tuple[Fault, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    old: bool = False

    @property
    def name(self) -> str:
        """The pair's name, with /healthy for the twin."""
        return self.pair if self.variant == "faulty" else f"{self.pair}/healthy"

    @property
    def visible(self) -> bool:
        """Whether all faults can be seen in the training script."""
        return all(fault.visible for fault in self.faults)

    def files(self) -> dict[str, bytes]:
        """The program's own files by name, ``program.py`` among them."""
        if self.old:
            script = "program.py" if self.variant == "faulty" else "healthy.py"
            return {"program.py": (self.folder / script).read_bytes()}
        found: dict[str, bytes] = {}
        for part in ("common", self.variant):
            root = self.folder / part
            for path in sorted(root.rglob("*")) if root.exists() else []:
                if path.is_file() and "__pycache__" not in path.parts:
                    found[str(path.relative_to(root))] = path.read_bytes()
        return found

    def key(self, package: str, seed: int, preview: bool) -> str:
        """A hash of everything a result depends on."""
        total = hashlib.blake2b(digest_size=10)
        for name, text in self.files().items():
            total.update(name.encode() + b"\0" + text + b"\0")
        script = self.folder / "prepare.py"
        total.update(script.read_bytes() if script.exists() else b"")
        for helper in ("data.py", "recipes.py", "pairs.py"):
            total.update((HERE / helper).read_bytes())
        settings = [dict(self.data), self.variant, self.backend, package, seed, preview]
        total.update(json.dumps(settings, sort_keys=True).encode())
        return total.hexdigest()

    def stage(self, target: Path, seed: int = 0) -> Path:
        """Lay the program and its data out in an empty folder; the script to run."""
        for name, text in self.files().items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                reseeded(text, seed) if name.endswith((".py", ".toml", ".json")) else text
            )
        for name, recipe in self.data.items():
            recipes.make(target / name, recipe, seed)
        if (self.folder / "prepare.py").exists():
            generator = np.random.default_rng([seed, len(self.pair)])
            _prepare(self.folder)(target, self.variant == "faulty", generator)
        return target / "program.py"


def half_of(pair: str) -> str:
    """The half of a pair, by nobody's choice."""
    digest = hashlib.blake2b(b"trema faults " + pair.encode(), digest_size=1).digest()
    return "held-out" if digest[0] & 1 else "tuning"


def reseeded(text: bytes, seed: int) -> bytes:
    """The program with every constant seed moved; seed 0 leaves it as it is written."""
    if not seed:
        return text

    def moved(match: re.Match[str]) -> str:
        return f"{match['call']}{int(match['number']) + 1000 * seed}"

    return _SEEDS.sub(moved, text.decode()).encode()


def load(pattern: str = "", half: str = "") -> list[Program]:
    """Every program, faulty ones and twins."""
    found: list[Program] = []
    for label in sorted(PROGRAMS.glob("*/label.json")):
        if pattern in label.parent.name:
            found += _of(label)
    return [program for program in found if half in ("", program.half)]


def _of(label: Path) -> list[Program]:
    data = json.loads(label.read_text())
    folder = label.parent
    old = (folder / "healthy.py").exists()
    faults = tuple(_old_fault(f) if old else _fault(f) for f in data["faults"])
    common = {
        "pair": folder.name,
        "framework": data["framework"],
        "backend": data.get("backend", "torch"),
        "task": data.get("task", "images"),
        "folder": folder,
        "half": "tuning" if old else data.get("half") or half_of(folder.name),
        "data": data.get("data", {}),
        "old": old,
    }
    programs = [Program(variant="healthy", **common)]
    if faults:
        programs.insert(0, Program(variant="faulty", faults=faults, **common))
    return programs


def _fault(data: Mapping[str, Any]) -> Fault:
    return Fault(
        family=data["family"],
        causes=tuple(data["causes"]),
        places=tuple(data["places"]),
        hidden_in=data.get("hidden_in"),
        note=data.get("note", ""),
    )


def _old_fault(data: Mapping[str, Any]) -> Fault:
    return Fault(
        family=data["id"],
        causes=tuple(data["causes"]),
        places=({"file": "program.py", "lines": data["lines"]},),
        checks=tuple(data["checks"]),
        note=data.get("note", ""),
    )


def _prepare(folder: Path) -> Any:
    path = folder / "prepare.py"
    spec = importlib.util.spec_from_file_location(f"prepare_{folder.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.prepare


def stage_into(pair: str, variant: str, target: Path, seed: int = 0) -> Path:
    """Stage one program by name, into a folder that is emptied first."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    programs = [p for p in load(pair) if (p.pair, p.variant) == (pair, variant)]
    return programs[0].stage(target, seed)
