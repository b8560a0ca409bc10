"""Differences of files, bounded in size and time."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from trema.api.queries.plain import text

SOURCE = 400_000  # characters of a file that is compared
LINES = 4000  # of a difference
#: Products of the numbers of lines that differ: difflib may take 1 s for 3,000 by 3,000.
WORK = 9_000_000
#: Pairs of equal lines times lines: of lines that repeat difflib tries each anew for each match.
REPEATED = 30_000_000
#: Share of lines that a renamed file has kept, and how many files are looked at.
ALIKE = 0.6
NAMES = 20
_CONTEXT = 3
_HUNK = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@")


class Differences:
    """Unified differences; all of one answer together take a bounded time."""

    def __init__(self) -> None:
        self._left = 3 * WORK
        self._repeated = REPEATED

    def of(self, path: str, old: str, new: str) -> str:
        """The difference of a file, or one line that says why it is not shown."""
        if max(len(old), len(new)) > SOURCE:
            return f"the files are larger than {SOURCE:,} characters: compare them by hand"
        before, after = old.splitlines(), new.splitlines()
        head, tail = _common(before, after)
        work = (len(before) - head - tail) * (len(after) - head - tail)
        if work > min(WORK, self._left):
            return "too many lines differ: compare the files by hand"
        head, tail = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
        before, after = before[head : len(before) - tail], after[head : len(after) - tail]
        repeated = _repeated(before, after) * min(len(before), len(after))
        if repeated > self._repeated:
            return "too many lines differ: compare the files by hand"
        self._left -= work
        self._repeated -= repeated
        lines = list(
            difflib.unified_diff(
                before,
                after,
                f"a/{path}",
                f"b/{path}",
                lineterm="",
                n=_CONTEXT,
            )
        )
        if len(lines) > LINES:
            return f"the difference has {len(lines):,} lines: compare the files by hand"
        return text("\n".join(_shifted(line, head) for line in lines), 2 * SOURCE)


def renamed(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """New path -> old path of files that are much the same under another name.

    old, new : text by path, of files that only one of two runs has
    """
    likely = []
    olds, news = _lines(old), _lines(new)
    for path, after in news.items():
        for other, before in olds.items():
            if PurePath(path).suffix != PurePath(other).suffix or len(before) * len(after) > WORK:
                continue
            alike = difflib.SequenceMatcher(None, before, after, autojunk=False).quick_ratio()
            if alike >= ALIKE:
                likely.append((-alike, path, other))
    found: dict[str, str] = {}
    for _, path, other in sorted(likely):
        if path not in found and other not in found.values():
            found[path] = other
    return found


def _lines(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """The lines of the first files, without those that are too large."""
    chosen = sorted(texts.items())[:NAMES]
    return {path: text.splitlines() for path, text in chosen if len(text) <= SOURCE // 2}


def _repeated(before: Sequence[str], after: Sequence[str]) -> int:
    """Pairs of equal lines; those that are very frequent count for nothing to difflib."""
    here, there = Counter(before), Counter(after)
    frequent = len(after) // 100 + 1 if len(after) >= 200 else len(after)
    return sum(here[line] * count for line, count in there.items() if count <= frequent)


def _common(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many lines are equal at the beginning and, of the rest, at the end."""
    most = min(len(before), len(after))
    head = next((n for n in range(most) if before[n] != after[n]), most)
    rest = most - head
    tail = next((n for n in range(rest) if before[-1 - n] != after[-1 - n]), rest)
    return head, tail


def _shifted(line: str, by: int) -> str:
    """A line of a difference whose files began ``by`` lines later."""
    found = _HUNK.fullmatch(line)
    if found is None or not by:
        return line
    old, new = int(found[1]) + by, int(found[3]) + by
    return f"@@ -{old}{found[2] or ''} +{new}{found[4] or ''} @@"
