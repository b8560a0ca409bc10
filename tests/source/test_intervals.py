"""The divisor of the condition under which a loop steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from trema.core.diagnosis import Location
from trema.source.intervals import step_interval
from trema.source.reading import source_tree

LOOP = """
for i, batch in enumerate(batches):
    loss(batch).backward()
    {condition}
        optimizer.step()
    {more}
"""


@pytest.mark.parametrize(
    ("condition", "more", "expected"),
    [
        ("if (i + 1) % config['every'] == 0:", "pass", "config['every']"),
        ("if i % 4 == 3 or i == last:", "scheduler.step()", "4"),
        ("if True:", "pass", None),
        ("if i % 4 == 3:", "optimizer.step()", None),
    ],
)
def test_step_interval(tmp_path: Path, condition: str, more: str, expected: str | None) -> None:
    file = tmp_path / "program.py"
    file.write_text(LOOP.format(condition=condition, more=more), encoding="utf-8")
    tree = source_tree(str(file))
    assert tree is not None
    call = next(c for c in tree.calls if tree.segment(c).endswith("backward()"))
    found = step_interval(tree.location(call))
    assert (found is None) is (expected is None)
    if found is not None:
        assert isinstance(found, Location)
        text = file.read_text(encoding="utf-8").splitlines()[found.line - 1]
        assert text[(found.column or 1) - 1 :].startswith(str(expected))
