"""Where labels were made, from the argument that carries them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from trema.source.labels import labels_of
from trema.source.matching import find_calls
from trema.source.syntax import argument


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("y", 2),
        ("y[:n]", 2),
        ("y [:n]", 2),
        ("y.astype(int)", None),
        ("load()", None),
        ("z", None),
        ("t", 2),
        ("t[n:]", 2),
    ],
)
def test_the_value_of_the_name_is_where_labels_were_made(
    tmp_path: Path, given: str, line: int | None
) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(f"""\
        x, n = load(), 10
        y = 2 * load() - 1
        t = torch.as_tensor(y[:n], dtype=torch.float32)
        model.fit(x, {given})
        """)
    )
    (call,) = find_calls(str(script), ("fit",))
    carried = argument(call.location, "y", 1)
    assert carried is not None
    found = labels_of(carried)
    assert (found.line if found is not None else None) == line
