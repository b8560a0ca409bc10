"""Source around a finding or a line, as the run had it."""

from __future__ import annotations

from collections.abc import Sequence

from trema.api.mcp_answers import SourceAnswer, SourceMark
from trema.api.mcp_finding import lines_of
from trema.api.mcp_shaping import word
from trema.api.mcp_why import find
from trema.api.models import Card
from trema.api.queries import Queries
from trema.core.errors import UsageError
from trema.core.text import harmless, harmless_block

MOST = 200  # lines
_LINE = 400  # characters
_PATHS = 20  # named in an error


def read_source(
    queries: Queries,
    run: str,
    cards: Sequence[Card],
    path: str,
    finding: str,
    line: int,
    around: int,
) -> SourceAnswer:
    """At most 200 lines of a file.

    Raises
    ------
    UsageError
        When neither path nor finding tells the file.
    NotFound
        When the run kept no such file.
    """
    if finding:
        path, line = _place(find(cards, finding), line)
    elif not path:
        path = _only(queries.run(run).sources)
    first = max(1, line - around) if line else 1
    return excerpt(queries, run, path, first, line + around if line else MOST, line)


def excerpt(
    queries: Queries, run: str, path: str, first: int, last: int, line: int
) -> SourceAnswer:
    """Lines of a file from first to last, at most 200; ``line`` must be one of the file.

    Raises
    ------
    UsageError
        When the file is shorter.
    NotFound
        When the run kept no such file.
    """
    file = queries.source(run, path)
    lines = lines_of(file.text)
    if lines[-1] == "":  # after the last newline
        lines.pop()
    if line > max(1, len(lines)):
        raise UsageError(f"expected a line up to {len(lines)} of {path!r} but got {line}")
    last = min(len(lines), last, first + MOST - 1)
    width = len(str(last))
    shown = (
        f"{number:{width}}  {harmless_block(lines[number - 1], _LINE)}"
        for number in range(first, last + 1)
    )
    return SourceAnswer(
        run=run,
        path=harmless(path, 1000),
        first_line=first,
        last_line=last,
        total_lines=len(lines),
        text="\n".join(shown),
        marks=[
            SourceMark(
                line=mark.line,
                end_line=mark.end_line,
                severity=word(mark.severity),
                findings=mark.keys[:20],
            )
            for mark in file.marks
            if first <= mark.end_line and mark.line <= last
        ][:100],
    )


def _place(card: Card, line: int) -> tuple[str, int]:
    if card.location is None:
        raise UsageError(f"finding {card.key} has no line: its place is told by get_findings")
    if card.location.source is None:
        file = card.location.file[:200]
        raise UsageError(
            f"the run kept no copy of {file!r}: look at line {card.location.line} of it"
        )
    return card.location.source, line or card.location.line


def _only(paths: Sequence[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    known = ", ".join(path[:200] for path in paths[:_PATHS]) or "none"
    raise UsageError(f"expected a path or a finding but got neither: the run kept {known}")
