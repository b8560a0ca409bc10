"""Configuration files beside a script: which file a path means, and the line of a key in it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from trema.source.reading import MAX_BYTES

ENDINGS = (".json", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".jsonc", ".json5")


def found_file(path: str, script: str) -> str | None:
    """The absolute path of a configuration file that a script opens by this name."""
    folders = (os.getcwd(), os.path.dirname(script))
    for folder in folders:
        whole = os.path.abspath(os.path.join(folder, path))
        try:
            if os.path.isfile(whole) and os.path.getsize(whole) <= MAX_BYTES:
                return whole
        except (OSError, ValueError):
            continue
    return None


def key_line(file: str, keys: Sequence[str]) -> int | None:
    """The line on which the last of nested keys stands; None where it is not clear."""
    try:
        with open(file, encoding="utf-8") as opened:
            lines = opened.read(MAX_BYTES).split("\n")
    except (OSError, ValueError):
        return None
    at = 0
    for number, key in enumerate(keys):
        fits = [i for i in range(at, len(lines)) if _states(lines[i], key, number < len(keys) - 1)]
        if not fits or (len(fits) > 1 and len(keys) == 1):
            return None
        at = fits[0]
    return at + 1


def has_key(file: str, keys: Sequence[str]) -> bool:
    """Whether a file says these nested keys, one after the other."""
    return key_line(file, keys) is not None


def _states(line: str, key: str, table: bool) -> bool:
    """Whether a line of JSON, TOML or YAML gives a key its value, or begins its table."""
    word = re.escape(key)
    if line.lstrip().startswith(("#", "//")):
        return False
    if table and re.match(rf"\s*\[+\s*([^\]]*[.\"'])?{word}[\"']?\s*(\.[^\]]*)?\]", line):
        return True
    return bool(
        re.search(rf"[\"']{word}[\"']\s*[:=]", line)
        or re.match(rf"\s*(-\s+)?([\w\"']+\.)*{word}\s*[:=]", line)
    )
