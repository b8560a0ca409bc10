"""What an assistant can attach: runs, findings and source files as resources, bounded."""

from __future__ import annotations

from trema.api.mcp_finding import find_run
from trema.api.mcp_source import MOST, excerpt
from trema.api.mcp_tools import Tools
from trema.api.queries import Queries
from trema.core.errors import UsageError

_FIELD = 255  # characters


class Resources:
    """Resources as text: pages of JSON, and source with numbered lines."""

    def __init__(self, queries: Queries) -> None:
        self._queries, self._tools = queries, Tools(queries)

    def runs(self) -> str:
        """The newest 50 runs."""
        return self._tools.list_runs(limit=50).model_dump_json(indent=1)

    def findings(self, run: str, after: str = "") -> str:
        """The findings of a run, twenty at a time; `after` is `next` of the page before."""
        page = self._tools.get_findings(_short(run), state="all", after=_short(after), limit=20)
        return page.model_dump_json(indent=1)

    def source(self, run: str, path: str, line: str = "1") -> str:
        """200 lines of a source file of a run from a line on, as it was when the run started."""
        if not (line.isascii() and line.isdigit() and len(line) < 10 and int(line)):
            raise UsageError(f"expected a line from 1 on but got {line[:20]!r}")
        first = int(line)
        id = find_run(self._queries, _short(run))
        return excerpt(self._queries, id, path[:1000], first, first + MOST - 1, first).text


def _short(text: str) -> str:
    if len(text) > _FIELD:
        raise UsageError(f"expected at most {_FIELD} characters but got {len(text)}")
    return text
