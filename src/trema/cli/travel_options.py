"""``--option NAME=VALUE`` of ``trema travel build``, and those that a movie was made with."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trema.core.errors import UsageError, did_you_mean
from trema.travel.record.files import write_text
from trema.travel.visualizers.base import module_of


def options_of(method: str, given: Sequence[str]) -> dict[str, Any]:
    """Arguments of a method from ``NAME=VALUE``, without those that are its defaults anyway.

    Raises
    ------
    UsageError
        For an option that the method does not have, or a value of another type.
    """
    known = _known(method)
    found: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"expected --option NAME=VALUE but got {one!r}")
        if not known:
            raise UsageError(f"the method {method!r} has no options: leave out --option {one}")
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(f"the method {method!r} has no option {name!r}: {hint}")
        found[name] = _value(one, text, known[name])
    return {name: value for name, value in found.items() if value != known[name]}


def kept_options(folder: Path) -> dict[str, Any]:
    """The options that the movie in a folder was made with."""
    try:
        found = json.loads((folder / "movie.json").read_text(encoding="utf-8"))["options"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def keep_options(folder: Path, options: Mapping[str, Any]) -> None:
    """Note beside a saved movie what it was made with."""
    file = folder / "movie.json"
    about = json.loads(file.read_text(encoding="utf-8"))
    write_text(file, json.dumps({**about, "options": dict(options)}))


def in_words(options: Mapping[str, Any]) -> str:
    """``neighbours=30 across=0.2``."""
    return " ".join(f"{name}={value}" for name, value in options.items()) or "the defaults"


def _known(method: str) -> dict[str, Any]:
    """Names and defaults of what a method takes."""
    module = module_of(method)
    fields = dataclasses.fields(module.Options) if hasattr(module, "Options") else ()
    named = {
        name: one.default
        for name, one in inspect.signature(module.fit).parameters.items()
        if one.kind is one.KEYWORD_ONLY and one.default is not one.empty
    }
    return named | {field.name: field.default for field in fields}


def _value(option: str, text: str, default: Any) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    wanted = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool):
        raise UsageError(f"expected a value like {json.dumps(default)} but got --option {option}")
    return value
