"""The user's own files of a run."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from trema.source import snapshot
from trema.source.snapshot import relative, user_sources


class Lazy(ModuleType):
    """Loads itself at the first look, as lazy modules do."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError("a lazy module was loaded")


def put(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with a loaded module of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, f"snapshot_{path.stem}", module)
    return str(path)


def test_own_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    model = put(project / "nets/model.py", "m = 1\n", monkeypatch)
    put(project / "venv/site-packages/lib.py", "no\n", monkeypatch)
    put(elsewhere / "other.py", "no\n", monkeypatch)
    put(project / "huge.py", "x = 1\n" * 200_000, monkeypatch)
    put(project / "latin.py", "", monkeypatch)
    (project / "latin.py").write_bytes(b"x = '\xff'\n")
    main = tmp_path / "scripts/train.py"
    helper = put(tmp_path / "scripts/helper.py", "h = 1\n", monkeypatch)
    main.write_text("import helper\n")
    monkeypatch.setitem(sys.modules, "snapshot_lazy", Lazy("lazy"))
    monkeypatch.setitem(sys.modules, "snapshot_none", None)  # as a blocked import
    assert user_sources(str(main), str(project)) == {
        str(main): "import helper\n",
        model: "m = 1\n",
        helper: "h = 1\n",
    }


def test_the_total_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        put(tmp_path / f"{name}.py", "x = 1\n", monkeypatch)
    monkeypatch.setattr(snapshot, "MAX_TOTAL", 15)
    assert len(user_sources(None, str(tmp_path))) == 2


def test_a_missing_main_file(tmp_path: Path) -> None:
    assert user_sources(str(tmp_path / "gone.py"), str(tmp_path)) == {}


def test_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = str(tmp_path / "a" / "t.py")
    assert relative(inside, str(tmp_path)) == "a/t.py"
    assert relative(inside, str(tmp_path / "b")) == inside.replace(os.sep, "/")
    assert relative(str(tmp_path / "..x.py"), str(tmp_path)) == "..x.py"
    assert relative("<ipython-input-3-ab>") == "<ipython-input-3-ab>"
    monkeypatch.chdir(tmp_path)
    assert relative(inside) == "a/t.py"
