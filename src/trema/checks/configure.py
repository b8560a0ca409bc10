"""Checks with the thresholds that the settings give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from trema.checks.base import Check, thresholds
from trema.core.config import Config
from trema.core.errors import did_you_mean
from trema.core.typed import Unfit, fitted


def configured(
    kinds: Mapping[str, type[Check]], config: Config
) -> tuple[dict[str, Check], list[str]]:
    """The checks that run, each with its thresholds; and what of the settings does not hold."""
    problems = [
        f"{config.place('ignore')} ignores {name!r:.80}, but there is no such check: "
        f"{did_you_mean(name, kinds)}"
        for name in config.ignore
        if name not in kinds
    ]
    problems += [
        f"{_place(config, name)} sets thresholds of {name!r:.80}, but there is no such check: "
        f"{did_you_mean(name, kinds)}"
        for name in config.checks
        if name not in kinds
    ]
    checks = {}
    for name, kind in kinds.items():
        if name in config.ignore or (kind.preview and not config.preview):
            continue
        checks[name], wrong = _with(kind, config.checks.get(name, {}), config)
        problems += wrong
    return checks, problems


def _with(kind: type[Check], given: Mapping[str, Any], config: Config) -> tuple[Check, list[str]]:
    plain = kind()
    if not given:
        return plain, []
    known = thresholds(plain)
    good: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in given.items():
        place = config.place(f"checks.{kind.id}.{name}")
        if name not in known:
            hint = did_you_mean(name, known) if known else "it has none"
            problems.append(f"{place}: {kind.id} has no threshold {name!r:.80}: {hint}")
            continue
        try:
            good[name] = fitted(value, known[name])
        except Unfit as error:
            problems.append(
                f"{place}: {name} of {kind.id} must be {error} but is {value!r:.80}; "
                f"{known[name]!r} holds"
            )
    try:
        return dataclasses.replace(plain, **good), problems  # type: ignore[type-var]  # a dataclass
    except Exception as error:  # a check may refuse what it cannot work with
        problems.append(f"thresholds of {kind.id} do not hold: {error}")
        return plain, problems


def _place(config: Config, check: str) -> str:
    names = [f"checks.{check}.{name}" for name in config.checks[check]]
    return next(map(config.place, names), "code")


def told(config: Config) -> dict[str, Any]:
    """The settings that are not at their default, as JSON data, for the record of a run."""
    changed = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in config.changed().items()
        if name not in ("dir", "strict")
    }
    file = config.origin.file if config.origin is not None else None
    return {"file": file.name if file is not None else None, "options": changed}
