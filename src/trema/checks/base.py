"""What a check is: its declaration, its outcome, its cases; and the registry."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from trema.checks.precision import confidence_of
from trema.core.diagnosis import (
    Cause,
    Confidence,
    Diagnosis,
    Evidence,
    Fix,
    Kind,
    Location,
    Severity,
    Where,
)
from trema.core.errors import UnknownCheck, did_you_mean
from trema.core.facts import Fact, Observation, Phase, RunInfo, Snapshot, TensorSeen
from trema.core.history import History

FOLDERS = ("data", "model", "training", "generalization")


@dataclass(frozen=True)
class Links:
    """Documentation of the part concerned, and a search built from the context.

    torch : a page below the PyTorch API, such as ``nn.Dropout``.
    keras : a page below the Keras API, such as ``layers/regularization_layers/dropout``.
    search : words for Stack Overflow; the framework is added.
    """

    search: str
    torch: str = ""
    keras: str = ""


class Check:
    """One bad thing that Trema looks for. Subclass it as a frozen dataclass whose fields are
    the thresholds; see *Adding a check* in the guide."""

    id: ClassVar[str]
    title: ClassVar[str]
    cause: ClassVar[Cause]
    severity: ClassVar[Severity]
    kind: ClassVar[Kind] = Kind.CAUSAL
    needs: ClassVar[frozenset[Fact]] = frozenset()
    fixes: ClassVar[tuple[Fix, ...]] = ()
    links: ClassVar[Links]
    snippets: ClassVar[Page]
    preview: ClassVar[bool] = False

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        """The findings that hold for what has been seen so far."""
        raise NotImplementedError  # a check without detection cannot be registered

    def missing(self, history: History) -> list[str]:
        """The needed facts that are not observed; a check that misses one is *not assessed*."""
        reasons = history.run.unobserved
        return sorted(
            f"{fact} ({reasons[fact]})" if fact in reasons else str(fact)
            for fact in self.needs
            if not history.observed(fact)
        )

    def diagnosis(
        self,
        message: str,
        *evidence: Evidence,
        where: Where | None = None,
        location: Location | None = None,
        severity: Severity | None = None,
        cause: Cause | None = None,
        confidence: Confidence = "likely",
        fixes: Iterable[Fix] | None = None,
        title: str | None = None,
        ranks: tuple[int, ...] = (),
    ) -> Diagnosis:
        """A finding of this check with its defaults filled in.

        A cause that was inferred (``likely``) is told as surely as the check has proved to be on
        the benchmark, see :mod:`trema.checks.precision`.
        """
        return Diagnosis(
            check=self.id,
            cause=cause or self.cause,
            severity=severity or self.severity,
            title=title or self.title,
            message=message,
            evidence=evidence,
            fixes=tuple(self.fixes if fixes is None else fixes),
            where=where or Where(),
            location=location,
            confidence=confidence_of(self.id, confidence),
            ranks=ranks,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        """Hand-made situations: some in which the check must speak, some near misses."""
        raise NotImplementedError  # the case test demands both kinds


# pages ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """The page beside a check: theory, may be wrong, snippets by framework."""

    theory: str
    may_be_wrong: str
    bad: Mapping[str, str]  # framework -> snippet
    good: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Page:
        """Parse ``## Theory``, ``## May be wrong when``, ``## Bad`` and ``## Good`` with fenced
        blocks marked ``python keras`` and ``python torch``."""
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        parts = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S))

        def blocks(section: str) -> dict[str, str]:
            pattern = r"```python (\w+)\n(.*?)```"
            return {kind: code.rstrip() for kind, code in re.findall(pattern, section, re.S)}

        return cls(
            theory=parts.get("Theory", "").strip(),
            may_be_wrong=parts.get("May be wrong when", "").strip(),
            bad=blocks(parts.get("Bad", "")),
            good=blocks(parts.get("Good", "")),
        )


def snippets_beside(file: str) -> Page:
    """The page of the check in ``file``: the Markdown file of the same name."""
    return Page.read(Path(file).with_suffix(".md"))


# registry ---------------------------------------------------------------------------------

C = TypeVar("C", bound=Check)

_registry: dict[str, type[Check]] = {}


def register(check: type[C]) -> type[C]:
    """Make a check known; ids are unique and never reused.

    Raises
    ------
    ValueError
        When another check has the id.
    """
    known = _registry.get(check.id)
    if known is not None and known.__qualname__ != check.__qualname__:
        raise ValueError(f"check id {check.id!r} is taken by {known.__module__}")
    _registry[check.id] = check
    return check


def all_checks() -> dict[str, type[Check]]:
    """Every check by id: the built-in ones and those of installed packages."""
    load_builtin()
    load_plugins()
    return dict(sorted(_registry.items()))


def get_check(check_id: str) -> type[Check]:
    """The check of this id.

    Raises
    ------
    UnknownCheck
        When there is none.
    """
    checks = all_checks()
    if check_id not in checks:
        raise UnknownCheck(f"there is no check {check_id!r}: {did_you_mean(check_id, checks)}")
    return checks[check_id]


def load_builtin() -> None:
    """Import every module in the four folders."""
    for folder in FOLDERS:
        package = importlib.import_module(f"trema.checks.{folder}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")


_plugin_errors: dict[str, str] = {}
_plugins_loaded = False


def load_plugins() -> dict[str, str]:
    """Load the entry point group ``trema.checks`` once; returns plug-ins that failed and why."""
    global _plugins_loaded
    if not _plugins_loaded:
        _plugins_loaded = True
        for entry in entry_points(group="trema.checks"):
            try:
                loaded = entry.load()
                if isinstance(loaded, type) and issubclass(loaded, Check):
                    register(loaded)
            except Exception as error:  # a broken plug-in must not stop a training
                _plugin_errors[entry.name] = f"{type(error).__name__}: {error}"
    return dict(_plugin_errors)


# cases ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A situation and whether the check speaks in it."""

    name: str
    fires: bool
    history: History
    expect: Mapping[str, Any] = field(default_factory=dict)  # fields of the diagnosis to compare


def situation(
    run: RunInfo | None = None,
    *,
    facts: Mapping[tuple[Fact, str] | Fact, Any] | None = None,
    validation: Mapping[tuple[Fact, str] | Fact, Any] | None = None,
    metrics: Mapping[str, Iterable[float]] | None = None,
    val_metrics: Mapping[str, Iterable[float]] | None = None,
    tensors: Iterable[TensorSeen] = (),
    observations: Iterable[Observation] = (),
    finished: bool = False,
) -> History:
    """A hand-made history.

    facts, validation : fact (or fact and name) -> value for step 0, or array with one row a step.
    metrics, val_metrics : metric name -> value of each epoch.
    """
    history = History(run)
    for phase, table in (("train", facts), ("validation", validation)):
        for key, value in (table or {}).items():
            fact, name = key if isinstance(key, tuple) else (key, "")
            _add_rows(history, phase, fact, name, value)  # type: ignore[arg-type]  # literal
    epochs = 0
    for phase, series in (("train", metrics), ("validation", val_metrics)):
        for name, values in (series or {}).items():
            for epoch, value in enumerate(values):
                history.add_metrics(epoch, phase, {name: value})  # type: ignore[arg-type]
                epochs = max(epochs, epoch + 1)
    history.epochs_finished = epochs
    history.epoch = max(history.epoch, epochs - 1)
    for tensor in tensors:
        history.add_tensor(tensor)
    for observation in observations:
        history.add_observation(observation)
    history.finished = finished
    return history


def _add_rows(history: History, phase: Phase, fact: Fact, name: str, value: Any) -> None:
    rows = [float(value)] if np.ndim(value) == 0 else list(np.asarray(value, dtype=np.float64))
    for step, row in enumerate(rows):
        cell = row if np.ndim(row) else float(row)
        history.add(Snapshot(step=step, epoch=0, phase=phase, values={(fact, name): cell}))


def fires(name: str, history: History, **expect: Any) -> Case:
    """A case in which the check must speak."""
    return Case(name, True, history, expect)


def quiet(name: str, history: History) -> Case:
    """A near miss, in which the check must stay silent."""
    return Case(name, False, history)


def thresholds(check: Check) -> dict[str, Any]:
    """The fields of a check and their values."""
    return {f.name: getattr(check, f.name) for f in dataclasses.fields(check)}  # type: ignore[arg-type]
