"""Editor links: presets, templates, quoting."""

import pytest

from trema.core.diagnosis import Location
from trema.source.editor import editor_link

PLACE = Location(file="/home/a b/train#1.py", line=31, column=9)


@pytest.mark.parametrize(
    ("template", "link"),
    [
        (None, "vscode://file/home/a%20b/train%231.py:31:9"),
        ("cursor", "cursor://file/home/a%20b/train%231.py:31:9"),
        ("PyCharm", "pycharm://open?file=/home/a%20b/train%231.py&line=31&column=9"),
        ("sublime", "subl://open?url=file:///home/a%20b/train%231.py&line=31&column=9"),
        ("x-emacs://{file}?{line}{other}", "x-emacs:///home/a%20b/train%231.py?31{other}"),
        ("file:///{file}", "file:///home/a%20b/train%231.py"),
        ("{file.__class__}", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_templates(monkeypatch: pytest.MonkeyPatch, template: str | None, link: str | None) -> None:
    monkeypatch.delenv("TREMA_EDITOR", raising=False)
    assert editor_link(PLACE, template) == link


def test_the_environment_names_the_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREMA_EDITOR", "edit://{line}/{file}")
    assert editor_link(Location(file="/a&b.py", line=2)) == "edit://2/a%26b.py"
    monkeypatch.setenv("TREMA_EDITOR", "cursor")
    assert editor_link(Location(file="/a.py", line=2)) == "cursor://file/a.py:2:1"
    monkeypatch.setenv("TREMA_EDITOR", "")
    assert editor_link(Location(file="/a.py", line=2)) is None


def test_windows_paths() -> None:
    place = Location(file=r"C:\a b\t.py", line=2)
    assert editor_link(place, "vscode") == "vscode://file/C:/a%20b/t.py:2:1"
    assert editor_link(place, "sublime") == "subl://open?url=file:///C:/a%20b/t.py&line=2&column=1"


def test_cells_have_no_link() -> None:
    assert editor_link(Location(file="/tmp/ipykernel_1/2.py", line=1), "vscode") is None
    assert editor_link(Location(file="t.py", line=1, cell=3), "vscode") is None
