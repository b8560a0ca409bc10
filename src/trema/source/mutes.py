"""Comments that silence a finding: ``# trema: ignore[check-id] reason``.

Several ids stand in one bracket, separated by commas; without a bracket every check is meant. The
comment stands on a line of the place that a finding names, or alone on the line above.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass

_MUTE = re.compile(r"#\s*trema:\s*ignore(?![\w-])\s*(?:\[([^\]]*)\])?[\s:–-]*(.*)")
_SPAN = 50  # lines of a place that are looked at


@dataclass(frozen=True)
class MuteComment:
    """A comment that silences.

    checks : None for all
    alone : whether nothing but the comment stands on its line
    """

    line: int
    checks: frozenset[str] | None
    reason: str
    alone: bool

    def covers(self, check: str) -> bool:
        """Whether it silences this check."""
        return self.checks is None or check in self.checks


def mute_comments(text: str) -> dict[int, MuteComment]:
    """The comments of a source text by line, counted from 1; strings that look alike are none."""
    found: dict[int, MuteComment] = {}
    if "trema:" not in text:
        return found
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match = _MUTE.search(token.string) if token.type == tokenize.COMMENT else None
            if match is None:
                continue
            listed = match.group(1)
            checks = None
            if listed is not None:
                checks = frozenset(part for part in re.split(r"[\s,]+", listed) if part)
            alone = token.line.lstrip().startswith("#")
            line = token.start[0]
            reason = match.group(2).split("#")[0].strip()
            found[line] = MuteComment(line, checks, reason, alone)
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass  # what was read before holds
    return found


def mute_at(
    comments: Mapping[int, MuteComment], check: str, line: int, end_line: int | None = None
) -> MuteComment | None:
    """The comment that silences a check at a place, or None."""
    last = line if end_line is None else min(max(line, end_line), line + _SPAN)
    above = line - 1
    while above in comments and comments[above].alone:  # several comments, one below the other
        if comments[above].covers(check):
            return comments[above]
        above -= 1
    for number in range(line, last + 1):
        found = comments.get(number)
        if found is not None and found.covers(check):
            return found
    return None
