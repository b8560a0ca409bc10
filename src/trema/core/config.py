"""The settings of a run."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trema.core.errors import UnknownOption, UsageError, did_you_mean

INPUT_KINDS = ("image", "text", "tabular", "sequence")
OUTPUT_KINDS = ("classification", "multilabel", "regression")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings; every one has a default that suits most runs."""

    overhead: float = 0.02  # share of step time that Trema may take
    memory: int = 256 * 2**20  # bytes that Trema may hold
    journal_limit: int = 256 * 2**20  # bytes of one journal
    dir: str = ".trema"  # where runs are kept, relative to the working directory
    console: bool = True  # print new findings while training
    source: bool = True  # keep a copy of the user's own files with the run
    ignore: tuple[str, ...] = ()  # ids of checks that do not run
    preview: bool = False  # also run checks whose precision is not proven yet
    inputs: str | None = None
    outputs: str | None = None
    free_steps: int = 64  # the first steps are observed whatever they cost …
    free_seconds: float = 2.0  # … for at most this long
    strict: bool = False  # tests only: an error inside Trema is raised

    def __post_init__(self) -> None:
        if not 0 < self.overhead <= 1:
            raise UsageError(f"overhead must be above 0 and at most 1 but got {self.overhead}")
        if self.inputs is not None and self.inputs not in INPUT_KINDS:
            raise UsageError(_one_of("inputs", INPUT_KINDS, self.inputs))
        if self.outputs is not None and self.outputs not in OUTPUT_KINDS:
            raise UsageError(_one_of("outputs", OUTPUT_KINDS, self.outputs))

    @classmethod
    def of(cls, **options: Any) -> Config:
        """The defaults, then the environment, then these options.

        Raises
        ------
        UnknownOption
            For an option that does not exist.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for name in options:
            if name not in known:
                raise UnknownOption(f"there is no option {name!r}: {did_you_mean(name, known)}")
        settings: dict[str, Any] = {"dir": os.environ.get("TREMA_DIR", ".trema")}
        settings |= {name: value for name, value in options.items() if value is not None}
        return cls(**settings)

    @property
    def folder(self) -> Path:
        """The folder of all runs, absolute."""
        return Path(self.dir).absolute()


def disabled() -> bool:
    """Whether the user switched everything off (``TREMA_DISABLED=1``)."""
    return os.environ.get("TREMA_DISABLED", "") not in ("", "0")


def _one_of(option: str, allowed: tuple[str, ...], got: object) -> str:
    return f"{option} must be one of {', '.join(allowed)} but got {got!r}"
