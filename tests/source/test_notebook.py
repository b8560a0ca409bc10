"""Notebook cells: by name alone, and in a real IPython shell where one is installed."""

import linecache
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from trema.source.frames import CallSite, call_site
from trema.source.notebook import cell_number, cell_source, cells, is_cell
from trema.source.syntax import argument, expression


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("<ipython-input-12-0123456789ab>", 12),
        ("<ipython-input-3>", 3),
        ("/tmp/ipykernel_81/339.py", None),
        ("<python-input-4>", None),
        ("<command-4001>", None),
        ("/tmp/marimo_12/__marimo__cell_Hbol_", None),
    ],
)
def test_names_of_cells(name: str, number: int | None) -> None:
    assert is_cell(name)
    assert cell_number(name) == number
    assert cell_source(name) is None


@pytest.mark.parametrize("name", ["train.py", "<string>", "/tmp/ipykernel/a.py", "<ipython-input>"])
def test_other_names(name: str) -> None:
    assert not is_cell(name)
    assert cell_number(name) is None


def test_numbers_from_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    known, unknown = "/tmp/ipykernel_81/339.py", "/tmp/ipykernel_81/340.py"
    shell = SimpleNamespace(
        compile=SimpleNamespace(_filename_map={known: 5}),
        history_manager=SimpleNamespace(
            input_hist_parsed=["", "run('pwd')", "", "y = 2\n", "y = 2"],
            input_hist_raw=["", "%pwd", "", "y = 2\n", "y = 2"],
        ),
    )
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(linecache.cache, unknown, (5, None, ["y = 2\n"], unknown))
    assert cell_number(known) == 5
    assert cell_number(unknown) == 4  # the last cell with this text
    assert cell_number("train.py") is None
    assert cells() == {1: "%pwd", 3: "y = 2\n", 4: "y = 2"}


def test_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert cells() == {}


def test_a_real_shell() -> None:
    interactive = pytest.importorskip(
        "IPython.core.interactiveshell", reason="IPython is not installed"
    )
    shell: Any = interactive.InteractiveShell.instance()

    def make(*_: object, **__: object) -> CallSite | None:
        return call_site(sys._getframe(1))

    try:
        shell.user_ns["make"] = make
        shell.run_cell("x = 1", store_history=True)
        shell.run_cell("%pwd\n\nsite = make(\n    x, lr=-1e3)", store_history=True)
        location = shell.user_ns["site"].resolve()
        assert (location.cell, location.line, location.column) == (2, 3, 8)
        assert (location.end_line, location.end_column) == (4, 16)
        rate = argument(location, "lr")
        assert rate is not None
        assert (rate.cell, rate.line, expression(rate)) == (2, 4, "-1e3")
        assert cells()[2].startswith("%pwd")
        shell.run_cell("%%time\nsite = make(2)", store_history=True)
        assert shell.user_ns["site"].resolve() is None
    finally:
        interactive.InteractiveShell.clear_instance()
