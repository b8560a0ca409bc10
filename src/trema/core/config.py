"""The settings of a run: by code, else by environment variable, else from a file, else default."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trema.core.errors import UnknownOption, UsageError, did_you_mean
from trema.core.settings import SettingsFile, find_file
from trema.core.typed import Unfit, expected, fitted, read_word

INPUT_KINDS = ("image", "text", "tabular", "sequence")
OUTPUT_KINDS = ("classification", "multilabel", "regression")

Thresholds = Mapping[str, Mapping[str, Any]]  # check id -> name of a threshold -> value


@dataclass(frozen=True)
class Origin:
    """Where settings came from.

    file : the file that was read, whether it set anything or not
    places : option, or ``checks.ID.THRESHOLD`` -> ``code``, the variable or the file's name
    problems : what does not hold and why, a sentence each
    """

    file: Path | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


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
    checks: Thresholds = field(default_factory=dict)  # {"overfitting": {"patience": 5}}
    inputs: str | None = None
    outputs: str | None = None
    free_steps: int = 64  # the first steps are observed whatever they cost …
    free_seconds: float = 2.0  # … for at most this long
    strict: bool = False  # tests only: an error inside Trema is raised
    origin: Origin | None = field(default=None, compare=False, repr=False)  # set by `of`

    def __post_init__(self) -> None:
        if not 0 < self.overhead <= 1:
            raise UsageError(f"overhead must be above 0 and at most 1 but got {self.overhead}")
        if self.inputs is not None and self.inputs not in INPUT_KINDS:
            raise UsageError(_one_of("inputs", INPUT_KINDS, self.inputs))
        if self.outputs is not None and self.outputs not in OUTPUT_KINDS:
            raise UsageError(_one_of("outputs", OUTPUT_KINDS, self.outputs))
        if isinstance(self.ignore, str):
            raise UsageError(f"ignore must be a list of check ids but got {self.ignore!r}")
        if not isinstance(self.checks, Mapping) or not all(
            isinstance(table, Mapping) for table in self.checks.values()
        ):
            raise UsageError(
                "checks must hold thresholds by check, as in "
                f'{{"overfitting": {{"patience": 5}}}}, but got {self.checks!r:.80}'
            )

    @classmethod
    def of(cls, *, script: str | os.PathLike[str] | None = None, **options: Any) -> Config:
        """The defaults, then the file, then the environment, then these options.

        script : the program whose file of settings counts; by default that of this process
        options : single options, or ``config=trema.Config(…)`` for several

        Raises
        ------
        UnknownOption
            For an option that does not exist.
        """
        config = options.pop("config", None)
        if isinstance(config, Config):
            options = {**config.changed(), **options}
        elif config is not None:
            raise UsageError(f"config must be a trema.Config but got {type(config).__name__}")
        for name in options:
            if name not in OPTIONS:
                raise UnknownOption(f"there is no option {name!r}: {did_you_mean(name, OPTIONS)}")
        given = {name: value for name, value in options.items() if value is not None}
        found = find_file(script)
        collected = _Collected(cls)
        collected.add_file(found)
        collected.add_environment()
        collected.add_code(given)
        return cls(
            **collected.values,
            origin=Origin(found.path, collected.places, tuple(collected.problems)),
        )

    def resolved(self) -> Config:
        """These settings over those of environment and file; what is at its default stays open."""
        if self.origin is not None:
            return self
        return Config.of(**self.changed())

    def changed(self) -> dict[str, Any]:
        """The options that are not at their default."""
        plain = Config()
        return {
            name: value
            for name in OPTIONS
            if (value := getattr(self, name)) != getattr(plain, name)
        }

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not hold and why."""
        return self.origin.problems if self.origin is not None else ()

    @property
    def folder(self) -> Path:
        """The folder of all runs, absolute."""
        return Path(self.dir).absolute()

    def place(self, option: str) -> str:
        """Where an option was set; ``default`` where it was not."""
        return self.origin.places.get(option, "default") if self.origin is not None else "code"


#: Options and their defaults.
OPTIONS: dict[str, Any] = {
    one.name: getattr(Config(), one.name)
    for one in dataclasses.fields(Config)
    if one.name != "origin"
}
_NOT_BY_VARIABLE = ("checks", "strict")


class _Collected:
    """Values of options with their origins; later ones win."""

    def __init__(self, kind: type[Config]) -> None:
        self.values: dict[str, Any] = {}
        self.places: dict[str, str] = {}
        self.problems: list[str] = []
        self._kind = kind

    def add_file(self, found: SettingsFile) -> None:
        self.problems += found.problems
        if found.path is None:
            return
        place = found.path.name
        for name, value in found.table.items():
            if name == "checks":
                self._thresholds(value, place)
            elif name not in OPTIONS or name == "strict":
                hint = did_you_mean(name, OPTIONS)
                self.problems.append(f"{place} has no setting {name!r}: {hint}")
            else:
                if name == "dir" and isinstance(value, str):
                    value = str(found.path.parent / value)
                self._add(name, value, place)

    def add_environment(self) -> None:
        for name, default in OPTIONS.items():
            variable = f"TREMA_{name.upper()}"
            word = os.environ.get(variable, "")
            if not word.strip() or name in _NOT_BY_VARIABLE:
                continue
            try:
                self._add(name, read_word(word, default), variable)
            except Unfit as error:
                self.problems.append(f"{variable} must be {error} but is {word!r:.80}")

    def add_code(self, given: Mapping[str, Any]) -> None:
        for name, value in given.items():
            if name == "checks" and isinstance(value, Mapping):
                merged = {check: dict(table) for check, table in self.checks().items()}
                for check, table in value.items():
                    if not isinstance(table, Mapping):
                        merged[check] = table  # the constructor says what is wrong
                        continue
                    merged.setdefault(check, {}).update(table)
                    self.places |= {f"checks.{check}.{field}": "code" for field in table}
                self.values[name] = merged
                continue
            self.values[name] = tuple(value) if isinstance(value, list) else value
            self.places[name] = "code"

    def checks(self) -> Thresholds:
        found: Thresholds = self.values.get("checks", {})
        return found

    def _add(self, name: str, value: Any, place: str) -> None:
        try:
            fits = fitted(value, OPTIONS[name])
            self._kind(**{name: fits})
        except Unfit as error:
            self.problems.append(f"{name} in {place} must be {error} but is {value!r:.80}")
        except UsageError as error:
            self.problems.append(f"{place}: {error}")
        else:
            self.values[name] = fits
            self.places[name] = place

    def _thresholds(self, value: Any, place: str) -> None:
        if not isinstance(value, Mapping):
            wanted = expected({})
            self.problems.append(f"checks in {place} must be {wanted} but is {value!r:.80}")
            return
        found: dict[str, dict[str, Any]] = {}
        for check, table in value.items():
            if not isinstance(table, Mapping):
                text = f"checks.{check} in {place} must be a table of thresholds"
                self.problems.append(f"{text} but is {table!r:.80}")
                continue
            found[check] = dict(table)
            self.places |= {f"checks.{check}.{name}": place for name in table}
        self.values["checks"] = found


def disabled() -> bool:
    """Whether the user switched everything off (``TREMA_DISABLED=1``)."""
    return os.environ.get("TREMA_DISABLED", "") not in ("", "0")


def _one_of(option: str, allowed: tuple[str, ...], got: object) -> str:
    return f"{option} must be one of {', '.join(allowed)} but got {got!r}"
