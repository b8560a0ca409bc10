"""Arguments of calls, exact expressions, unreadable sources."""

import textwrap
from pathlib import Path

import pytest

from trema.core.diagnosis import Location
from trema.source.reading import read_source, source_tree
from trema.source.syntax import argument, call_at, expression


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "train.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return str(path)


def only(location: Location | None) -> Location:
    assert location is not None
    return location


def test_keyword_and_positional_arguments(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        optimizer = SGD(
            model.parameters(),
            lr=-1e3,
            momentum=0.9,
        )
        """,
    )
    call = only(call_at(file, 1))
    assert (call.column, call.end_line, call.end_column) == (13, 5, 2)
    rate = only(argument(call, "lr", 1))
    assert (rate.line, rate.column, rate.end_line, rate.end_column) == (3, 8, 3, 12)
    assert rate.text == "lr=-1e3,"
    assert expression(rate) == "-1e3"
    assert expression(only(argument(call, "params", 0))) == "model.parameters()"
    assert argument(call, "nesterov", 4) is None
    assert argument(call, "nesterov") is None


def test_arguments_behind_stars(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        a = f(1, *rest, 3)
        b = f(**{"lr": 2})
        c = f(**options)
        """,
    )
    first, second, third = (only(call_at(file, line)) for line in (1, 2, 3))
    assert expression(only(argument(first, "x", 0))) == "1"
    assert argument(first, "z", 2) is None
    assert expression(only(argument(second, "lr"))) == "2"
    assert argument(third, "lr") is None


def test_the_call_on_a_line_must_be_the_only_one(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        model.fit(x.astype("float32"), g(1))
        a, b = f(1), f(2)
        x = 3
        y = outer(1)(2)
        """,
    )
    assert only(call_at(file, 1)).column == 1
    assert call_at(file, 2) is None
    assert only(call_at(file, 2, 14)).end_column == 18
    assert call_at(file, 3) is None
    assert expression(only(call_at(file, 4, 5))) == "outer(1)(2)"
    assert expression(only(call_at(file, 4, 5, 4, 13))) == "outer(1)"


def test_a_location_from_an_older_version_is_not_searched(tmp_path: Path) -> None:
    file = write(tmp_path, "f(lr=1)\n")
    old = only(call_at(file, 1))
    write(tmp_path, "g(lr=100)\nf(lr=1)\n")
    assert argument(old, "lr") is None
    assert expression(old) is None


@pytest.mark.parametrize(
    "content",
    [
        b"def broken(:\n",
        b"# coding: nonsense\nf(1)\n",
        b"x = '\xff\xfe'\n",
        b"f(1)\0\n",
        b"\xff\xfe\x00",
    ],
    ids=["syntax", "coding", "bytes", "null", "utf16"],
)
def test_unreadable_sources_give_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.py"
    path.write_bytes(content)
    assert source_tree(str(path)) is None
    assert call_at(str(path), 1) is None


def test_missing_and_huge_sources_give_nothing(tmp_path: Path) -> None:
    assert call_at(str(tmp_path / "none.py"), 1) is None
    assert source_tree("a\0b") is None
    path = tmp_path / "huge.py"
    path.write_text("f(1)\n" * 250_000)
    assert read_source(str(path)) is None


def test_other_encodings_form_feeds_and_warnings(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes("# coding: latin-1\nx = 'é\\d'\n\f\ny = ('é', f(2))\n".encode("latin-1"))
    call = only(call_at(str(path), 4))  # warnings are errors here: "\\d" must stay silent
    assert (call.line, call.column, call.end_column) == (4, 11, 15)


def test_text_is_cut(tmp_path: Path) -> None:
    file = write(tmp_path, f"f('{'a' * 500}')\n")
    assert len(only(call_at(file, 1)).text) == 200
    assert argument(only(call_at(file, 1)), "x", 0) is not None


def test_the_tree_is_read_again_after_an_edit(tmp_path: Path) -> None:
    file = write(tmp_path, "f(1)\n")
    first = source_tree(file)
    assert source_tree(file) is first
    write(tmp_path, "f(1)\ng(2)\n")
    assert source_tree(file) is not first
