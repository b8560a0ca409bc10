"""Comments that silence a finding."""

from __future__ import annotations

import pytest

from trema.source.mutes import mute_at, mute_comments

TEXT = """\
model = make()  # trema: ignore[high-dropout] meant so
# trema: ignore[input-scale, input-dtype]: bytes are wanted
# trema: ignore[overfitting]
loss = f(
    x,  # trema: ignore  everything here
)
text = "# trema: ignore[high-dropout]"
y = 1  # noqa: E501  # trema: ignore[a b] two  # noqa
z = 2  # trema: ignored
w = 3
"""


@pytest.mark.parametrize(
    ("check", "line", "end_line", "reason"),
    [
        ("high-dropout", 1, None, "meant so"),
        ("input-scale", 1, None, None),
        ("high-dropout", 2, None, None),  # a comment behind code holds for its own line
        ("input-dtype", 4, 4, "bytes are wanted"),  # the second line above
        ("overfitting", 4, 4, ""),
        ("high-dropout", 4, 4, None),
        ("high-dropout", 4, 6, "everything here"),
        ("high-dropout", 7, None, None),
        ("b", 8, None, "two"),
        ("a", 9, None, None),
        ("a", 10, None, None),
        ("a", 99, 400, None),
    ],
)
def test_a_comment_holds_at_its_line_and_below(
    check: str, line: int, end_line: int | None, reason: str | None
) -> None:
    found = mute_at(mute_comments(TEXT), check, line, end_line)
    assert (found.reason if found is not None else None) == reason


def test_broken_text_is_read_as_far_as_it_goes() -> None:
    assert list(mute_comments("x = 1  # trema: ignore\ny = (")) == [1]
    assert mute_comments("nothing here") == {}
    assert mute_comments("'''\n# trema: ignore") == {}
