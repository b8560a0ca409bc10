"""Notebook cells: which file names mean a cell, its number, its source."""

from __future__ import annotations

import linecache
import re
import sys
from typing import Any

_NUMBERED = re.compile(r"<ipython-input-(\d+)(?:-[^>]*)?>")
_KERNEL = re.compile(r"[\\/]ipykernel_\d+[\\/][^\\/]+\.py$")
_OTHER = re.compile(r"<(?:python-input|command)-[^>]*>|[\\/]__marimo__cell_[^\\/]*$")
# `%%time` and `%%timeit` compile the body of the cell again, without keeping its source.
_WITHOUT_SOURCE = re.compile(r"<(?:timed (?:exec|eval)|magic-timeit)>")


def is_cell(filename: str) -> bool:
    """Whether code with this file name was typed into a notebook or an interactive prompt."""
    if filename.startswith("<"):
        patterns = (_NUMBERED, _OTHER, _WITHOUT_SOURCE)
        return any(pattern.fullmatch(filename) for pattern in patterns)
    return bool(_KERNEL.search(filename) or _OTHER.search(filename))


def cell_number(filename: str) -> int | None:
    """The number the notebook shows beside the cell, as in ``In [3]``; None where unknown.

    IPython keeps it for every cell it compiled. Without IPython (a stored run, another process)
    only names that carry the number themselves can be read.
    """
    number = _compiled_number(filename)
    if number is not None:
        return number
    named = _NUMBERED.fullmatch(filename)
    if named:
        return int(named.group(1))
    return _history_number(filename) if is_cell(filename) else None


def cell_source(filename: str) -> str | None:
    """The Python a cell was compiled from (magics already translated); None where not kept."""
    lines = linecache.getlines(filename)
    return "".join(lines) if lines else None


def cells() -> dict[int, str]:
    """Every cell run so far by number, as typed; empty outside a notebook."""
    return _inputs("input_hist_raw")


def _shell() -> Any:
    """The running IPython shell; None where IPython is not loaded, which is never done here."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython() if callable(get_ipython) else None


def _compiled_number(filename: str) -> int | None:
    numbers = getattr(getattr(_shell(), "compile", None), "_filename_map", None)
    number = numbers.get(filename) if isinstance(numbers, dict) else None
    return number if isinstance(number, int) and number > 0 else None


def _history_number(filename: str) -> int | None:
    source = (cell_source(filename) or "").strip()
    inputs = _inputs("input_hist_parsed") if source else {}
    same = [number for number, text in inputs.items() if text.strip() == source]
    return same[-1] if same else None


def _inputs(kind: str) -> dict[int, str]:
    texts = getattr(getattr(_shell(), "history_manager", None), kind, None)
    if not isinstance(texts, list):
        return {}
    return {number: text for number, text in enumerate(texts) if number and text}
