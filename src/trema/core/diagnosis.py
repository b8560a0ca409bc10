"""What Trema says: evidence, fixes, places, diagnoses and the outcome of a check."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Severity(StrEnum):
    """How bad a finding is; see FINDINGS for the meaning of each."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def weight(self) -> int:
        """3 for critical down to 0 for info."""
        return 3 - list(Severity).index(self)


class Cause(StrEnum):
    """What is wrong; ranking, scoring, filters and colours use it."""

    DATA = "data"
    LABELS = "labels"
    SPLIT = "split"
    LOSS = "loss"
    ACTIVATION = "activation"
    ARCHITECTURE = "architecture"
    INITIALIZATION = "initialization"
    LEARNING_RATE = "learning-rate"
    OPTIMIZER = "optimizer"
    TRAINING_LOOP = "training-loop"
    REGULARIZATION = "regularization"
    BUDGET = "budget"
    NUMERICS = "numerics"
    REPRODUCIBILITY = "reproducibility"


class Kind(StrEnum):
    """A causal fact always reports; a symptom only while the run does worse than a baseline."""

    CAUSAL = "causal"
    SYMPTOM = "symptom"


Confidence = Literal["measured", "likely", "possible"]


@dataclass(frozen=True, kw_only=True)
class Location:
    """A place in the user's code; lines and columns count from 1."""

    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    cell: int | None = None
    text: str = ""  # the source there, stripped, at most 200 characters

    def as_dict(self) -> dict[str, Any]:
        """The location as the findings document has it."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line if self.end_line is not None else self.line,
            "end_column": self.end_column,
            "cell": self.cell,
        }

    def __str__(self) -> str:
        place = f"cell {self.cell}" if self.cell is not None else self.file
        return f"{place}:{self.line}"


@dataclass(frozen=True)
class Evidence:
    """A measured number beside its limit.

    value, limit : numbers in ``unit``; ``limit`` is None where a fact needs none.
    """

    fact: str
    value: float
    limit: float | None = None
    unit: str = ""
    step: int | None = None
    name: str = ""  # layer, parameter, tensor or metric


@dataclass(frozen=True)
class Fix:
    """One change that may help; cheapest first in a list."""

    text: str
    caution: str | None = None
    diff: str | None = None


@dataclass(frozen=True, kw_only=True)
class Where:
    """The structural place of a finding: the identity of a finding rests on it."""

    layer: str | None = None
    parameter: str | None = None
    input: str | None = None
    output: str | None = None
    split: str | None = None
    columns: tuple[str | int, ...] = ()
    rows: tuple[int, ...] = ()
    classes: tuple[str | int, ...] = ()
    samples: tuple[int, ...] = ()
    config_file: str | None = None
    config_key: str | None = None
    setting: str | None = None  # the key in the user's configuration; no part of the identity
    setting_line: int | None = None  # where it stands in `config_file`

    def key(self) -> str:
        """What makes this place itself: layer, parameter, tensor, split and configuration key."""
        parts = (self.layer, self.parameter, self.input, self.output, self.split, self.config_key)
        return "|".join(part or "" for part in parts)

    def as_dict(self) -> dict[str, Any]:
        """The place as the findings document has it."""
        return {
            "layer": self.layer,
            "parameter": self.parameter,
            "input": self.input,
            "output": self.output,
            "data": {
                "split": self.split,
                "columns": list(self.columns),
                "rows": list(self.rows),
                "classes": list(self.classes),
                "samples": list(self.samples),
            },
            "config": {
                "file": self.config_file,
                "key": self.setting or self.config_key,
                "line": self.setting_line,
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Where:
        """The inverse of :meth:`as_dict`; unknown fields are ignored."""
        split = data.get("data") or {}
        config = data.get("config") or {}
        return cls(
            layer=data.get("layer"),
            parameter=data.get("parameter"),
            input=data.get("input"),
            output=data.get("output"),
            split=split.get("split"),
            columns=tuple(split.get("columns", ())),
            rows=tuple(split.get("rows", ())),
            classes=tuple(split.get("classes", ())),
            samples=tuple(split.get("samples", ())),
            config_file=config.get("file"),
            config_key=config.get("key"),
            setting_line=config.get("line"),
        )


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One finding of one check at one place."""

    check: str
    cause: Cause
    severity: Severity
    title: str
    message: str
    evidence: tuple[Evidence, ...] = ()
    fixes: tuple[Fix, ...] = ()
    where: Where = field(default_factory=Where)
    location: Location | None = None
    confidence: Confidence = "likely"
    segment: int = 0
    ranks: tuple[int, ...] = ()  # processes concerned; empty: the one that says it

    @property
    def id(self) -> str:
        """A hash of check and structural place: equal over runs, free of lines."""
        text = f"{self.check}\n{self.where.key()}"
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


class Outcome(StrEnum):
    """What a check can say about a run."""

    FOUND = "found"
    CLEAR = "clear"
    NOT_ASSESSED = "not-assessed"


def alarm(diagnosis: Diagnosis) -> bool:
    """Whether a diagnosis counts as an alarm when nothing explains it: warning or worse."""
    return diagnosis.severity is not Severity.INFO
