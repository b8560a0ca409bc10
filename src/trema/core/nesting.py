"""How deep data from elsewhere may nest: JSON that is read can be deeper than Python recurses."""

from __future__ import annotations

from typing import Any

#: Lists and objects within each other; records of Trema stay far below.
DEPTH = 64


def too_deep(value: Any, limit: int = DEPTH) -> bool:
    """Whether lists and objects nest deeper than this."""
    level = [value]
    for _ in range(limit + 1):
        level = [item for part in level for item in _inside(part)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    """The lists and objects directly in a list or object."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict | list)]
