"""The page of figures on time travel, written section by section."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bench" / "travel.md"
_HEAD = """# Time travel: figures

Measured by the programs of `bench/travel` on runs that `bench/travel/subjects.py` trains (its
docstring tells the networks). Each section is written by its own program and stays when another
one runs.
"""


def put(section: str, text: str, page: Path = PAGE) -> None:
    """Replace a section of the page, or add it at the end; its text begins with a heading."""
    old = page.read_text(encoding="utf-8") if page.exists() else _HEAD
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    new = f"{begin}\n{text.strip()}\n{end}\n"
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end) + r"\n?", re.DOTALL)
    both = found.sub(lambda _: new, old) if found.search(old) else f"{old.rstrip()}\n\n{new}"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(both, encoding="utf-8")
