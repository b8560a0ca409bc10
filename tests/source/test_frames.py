"""User files, call sites and their exact places."""

import linecache
import os
import sys
import sysconfig
import textwrap
import timeit
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from trema.core.diagnosis import Location
from trema.source import frames, reading
from trema.source.frames import CallSite, call_site, call_stack, is_user_file, user_frame
from trema.source.syntax import expression


def run(path: Path, text: str, **names: object) -> dict[str, Any]:
    """Execute a program as Python would run the file."""
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    scope: dict[str, Any] = {"__name__": "program", **names}
    exec(compile(path.read_bytes(), str(path), "exec"), scope)
    return scope


def library_call(*_: object, **__: object) -> CallSite | None:
    """Stands for a library: the site is asked for from the frame of its caller."""
    return call_site(sys._getframe(1))


def span(location: Location | None) -> tuple[int, int | None, int | None, int | None]:
    assert location is not None
    return location.line, location.column, location.end_line, location.end_column


def test_user_files_are_not_libraries(tmp_path: Path) -> None:
    assert is_user_file(str(tmp_path / "train.py"))
    assert is_user_file(__file__)
    assert not is_user_file(os.__file__)
    assert not is_user_file(pytest.__file__)
    assert not is_user_file(frames.__file__)
    assert not is_user_file(str(tmp_path / ".venv/lib/site-packages/torch/nn.py"))
    assert not is_user_file("/tmp/__autograph_generated_fileab12.py")
    for name in ("<string>", "<frozen importlib._bootstrap>", "", "a\0b"):
        assert not is_user_file(name)


def test_notebook_cells_are_user_files() -> None:
    assert is_user_file("<ipython-input-3-0123456789ab>")
    assert is_user_file("/tmp/ipykernel_812/3391034.py")
    assert is_user_file(r"C:\Users\a\AppData\Local\Temp\ipykernel_812\3391034.py")


def test_a_project_inside_the_prefix_is_the_users(tmp_path: Path) -> None:
    # `python -m venv .` makes the project folder the prefix; images keep code in /usr/src/app
    assert is_user_file(os.path.join(sys.prefix, "train.py"))
    assert not is_user_file(os.path.join(sysconfig.get_path("scripts"), "torchrun"))


def test_relative_names_keep_their_first_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"{tmp_path.name}_train.py"
    assert frames.user_path(name) == str(tmp_path / name)
    monkeypatch.chdir("/")
    assert frames.user_path(name) == str(tmp_path / name)


def test_a_call_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    scope = run(
        path,
        """\
        def build():
            return [
                make(
                    10,
                    units=3,
                )
            ]
        site = build()[0]
        """,
        make=library_call,
    )
    location = scope["site"].resolve()
    assert location.file == str(path)
    assert location.text == "make("
    assert span(location) == (3, 9, 6, 10)
    assert expression(location) == "make(\n            10,\n            units=3,\n        )"


def test_the_second_call_on_a_line(tmp_path: Path) -> None:
    scope = run(tmp_path / "t.py", "a, b = make(1), make(22)\n", make=library_call)
    assert span(scope["a"].resolve()) == (1, 8, 1, 15)
    assert span(scope["b"].resolve()) == (1, 17, 1, 25)


def test_columns_count_characters_not_bytes(tmp_path: Path) -> None:
    scope = run(tmp_path / "t.py", 'x = ("äöü€", make("日本"))[1]\n', make=library_call)
    assert span(scope["x"].resolve()) == (1, 14, 1, 24)
    assert expression(scope["x"].resolve()) == 'make("日本")'


def test_lambda_and_comprehension(tmp_path: Path) -> None:
    program = "f = lambda n: make(n)\none = f(1)\nmany = [make(i) for i in range(2)]\n"
    scope = run(tmp_path / "t.py", program, make=library_call)
    assert span(scope["one"].resolve()) == (1, 15, 1, 22)
    assert {span(site.resolve()) for site in scope["many"]} == {(3, 9, 3, 16)}


def test_a_chained_method_begins_at_its_name(tmp_path: Path) -> None:
    scope = run(
        tmp_path / "t.py",
        """\
        class Model:
            def fit(self, x):
                return make(x)
            def also(self):
                return self
        def go(model):
            return (
                model
                .also()
                .fit(
                    3)
            )
        """,
        make=lambda _: call_stack(),
    )
    stack = scope["go"](scope["Model"]())
    assert span(stack[-3].resolve()) == (10, 10, 11, 15)
    assert stack[-3].resolve().text == ".fit("


def test_decorator_with_and_operator(tmp_path: Path) -> None:
    scope = run(
        tmp_path / "t.py",
        """\
        @make(1)
        class A: pass
        with manager(2) as b:
            pass
        c = add + 3
        """,
        make=lambda _: library_call,
        manager=lambda _: Manager(),
        add=Manager(),
    )
    assert span(scope["A"].resolve())[0] == 1
    assert span(scope["b"].resolve())[0] == 3
    assert span(scope["c"].resolve()) == (5, 5, 5, 12)


class Manager:
    """Asks for the site of its user, past its own frame."""

    def __enter__(self) -> CallSite | None:
        return call_site(sys._getframe(1))

    def __exit__(self, *_: object) -> None:
        return None

    def __add__(self, _: object) -> CallSite | None:
        return call_site(sys._getframe(1))


def test_the_stack_runs_from_outside_in_and_is_capped(tmp_path: Path) -> None:
    program = "def down(n):\n    return down(n - 1) if n else make()\n"
    scope = run(tmp_path / "t.py", program, make=lambda: call_stack(sys._getframe(1), limit=4))
    down: Callable[[int], tuple[CallSite, ...]] = scope["down"]
    assert [span(site.resolve())[1] for site in down(6)] == [12, 12, 12, 34]
    assert len(down(0)) <= 4


def test_an_edited_file_keeps_the_line_without_text(tmp_path: Path) -> None:
    path = tmp_path / "t.py"
    site = run(path, "x = make(1)\n", make=library_call)["x"]
    path.write_text("# a line above\nx = make(1)\n")
    assert site.resolve() == Location(file=str(path), line=1)
    path.unlink()
    reading._trees.clear()
    assert site.resolve() == Location(file=str(path), line=1)


def test_code_without_columns_keeps_the_line(tmp_path: Path) -> None:
    path = tmp_path / "t.py"
    path.write_text("x = 1\ny = make(2)\n")
    code = compile(path.read_text(), str(path), "exec")
    # What `python -X no_debug_ranges` leaves: lines alone.
    only_lines = code.replace(co_linetable=_lines_alone(code))
    scope: dict[str, Any] = {"make": library_call}
    exec(only_lines, scope)
    assert scope["y"].resolve() == Location(file=str(path), line=2, text="y = make(2)")


def _lines_alone(code: CodeType) -> bytes:
    """A line table of form 13 (no columns), see CPython's Objects/locations.md."""
    table, previous = bytearray(), code.co_firstlineno
    for line, *_ in code.co_positions():
        step = (line if line is not None else previous) - previous
        previous += step
        signed = (-step << 1) | 1 if step < 0 else step << 1
        assert signed < 64
        table += bytes([0x80 | 13 << 3, signed])
    return bytes(table)


def test_a_cell_with_source_and_one_without() -> None:
    name = "<ipython-input-7-00aa11bb22cc>"
    text = "x = 1\ny = make(x)\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope: dict[str, Any] = {"make": library_call}
    exec(compile(text, name, "exec"), scope)
    assert scope["y"].resolve() == Location(
        file=name, line=2, column=5, end_line=2, end_column=12, cell=7, text="y = make(x)"
    )
    del linecache.cache[name]
    assert scope["y"].resolve() is None


def test_the_body_of_a_timed_cell_has_no_line() -> None:
    # `%%time` compiles it without source: the line of the magic itself would be wrong
    scope: dict[str, Any] = {"make": library_call}
    exec(compile("y = make(1)\n", "<timed exec>", "exec"), scope)
    assert scope["y"].code.co_filename == "<timed exec>"
    assert scope["y"].resolve() is None


def test_a_site_holds_no_frame_and_is_cheap(tmp_path: Path) -> None:
    scope = run(tmp_path / "t.py", "def go(): return make()\n", make=library_call)
    site = scope["go"]()
    assert not any(isinstance(part, FrameType) for part in site)
    seconds = min(timeit.repeat(call_site, number=2000, repeat=5)) / 2000
    assert seconds < 20e-6  # about 0.5 microseconds; the bar leaves room for a busy machine


def test_no_user_frame() -> None:
    namespace: dict[str, Any] = {"sys": sys}
    exec(compile("def outer(): return sys._getframe()", "<string>", "exec"), namespace)
    frame = user_frame(namespace["outer"]())
    assert frame is None or frame.f_code.co_filename != "<string>"
