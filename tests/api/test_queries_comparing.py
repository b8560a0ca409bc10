"""Runs side by side."""

from __future__ import annotations

import difflib
import time
from pathlib import Path

import pytest

from tests.api.asking import Asked, Fed, ended, found
from tests.api.runs import SCRIPT, healthy
from trema.api.models import NewMute
from trema.api.queries import comparing
from trema.api.queries.comparing import verdict_of
from trema.api.queries.differences import Differences, renamed
from trema.core.errors import RunNotFound, UsageError


def test_two_runs(everywhere: Asked) -> None:
    bad = everywhere.make()
    good = everywhere.make("fixed", info=healthy(), source=SCRIPT.replace("4, 3", "8, 3"))
    compared = everywhere.queries.compare([bad, good])
    assert [row.id for row in compared.runs] == [bad, good]
    settings = {item.name: item for item in compared.settings}
    assert settings["loss"].values == ["nll_loss", "cross_entropy"]
    assert not settings["loss"].same
    assert settings["optimizer"].same
    assert [(item.check, item.verdict, item.states) for item in compared.findings] == [
        ("input-scale", "remaining", ["active", "active"]),
        ("missing-softmax", "gone", ["active", "absent"]),
    ]
    metrics = {(item.name, item.phase): item for item in compared.metrics}
    assert metrics["loss", "validation"].last == pytest.approx([0.6, 0.6])
    (key, _) = metrics["loss", "validation"].keys
    assert key is not None
    assert everywhere.queries.series(bad, [(key, 0)]).series[0].values[-1] == pytest.approx(0.6)
    (source,) = compared.sources
    assert (source.path, source.run, source.status) == ("train.py", good, "changed")
    assert "-    nn.Conv2d(1, 4, 3)," in source.diff
    assert "+    nn.Conv2d(1, 8, 3)," in source.diff


def test_findings_over_parts_of_runs(fed: Fed) -> None:
    fed.feed("a", ended(found("x"), found("y", state="gone"), found("z", state="gone")))
    fed.feed(
        "b",
        {"kind": "info", "segment": 1, "info": {}},
        found("x", state="gone"),
        found("x", segment=1),
        found("y", segment=1),
        found("new", severity="critical"),
        found("quiet"),
    )
    fed.queries.mute(NewMute(scope="project", check="dead-units", finding="quiet"))
    compared = fed.queries.compare(["a", "b"])
    assert [(item.id, item.verdict, item.keys) for item in compared.findings] == [
        ("new", "appeared", [None, "0:new"]),
        ("y", "appeared", ["0:y", "1:y"]),
        ("x", "remaining", ["0:x", "1:x"]),
    ]


def test_verdicts() -> None:
    assert verdict_of("absent", "active") == "appeared"
    assert verdict_of("gone", "active") == "appeared"
    assert verdict_of("active", "absent") == "gone"
    assert verdict_of("active", "gone") == "gone"
    assert verdict_of("active", "active") == "remaining"
    assert verdict_of("gone", "gone") is None


def test_metrics_that_one_run_has(fed: Fed) -> None:
    for run, name in (("a", "loss"), ("b", "f1")):
        fed.feed(run, {"kind": "metrics", "epoch": 0, "phase": "train", "values": {name: "nan"}})
    found_ = {item.name: item for item in fed.queries.compare(["a", "b"]).metrics}
    assert found_["loss"].last == ["nan", None]
    assert found_["f1"].keys[0] is None


def test_files_that_one_run_has(fed: Fed) -> None:
    for run in "ab":
        fed.feed(run, ended())
    fed.store.put_source("a", "old.py", "x = 1\n")
    fed.store.put_source("b", "new.py", "import numpy\n")
    for run in "ab":
        fed.store.put_source(run, "same.py", "y")
    sources = fed.queries.compare(["a", "b"]).sources
    assert [(item.path, item.status, item.diff != "") for item in sources] == [
        ("new.py", "added", True),
        ("old.py", "removed", True),
        ("same.py", "same", False),
    ]


def test_a_file_under_another_name_is_one_file(fed: Fed) -> None:
    for run in "ab":
        fed.feed(run, ended())
    text = "import torch\n\nlayers = 3\nrate = 1.0\nmodel = build(layers)\n"
    fed.store.put_source("a", "train.py", text)
    fed.store.put_source("b", "train_fixed.py", text.replace("1.0", "0.1"))
    fed.store.put_source("b", "notes.md", text)
    notes, script = fed.queries.compare(["a", "b"]).sources
    assert (notes.path, notes.status) == ("notes.md", "added")
    assert (script.path, script.before, script.status) == ("train_fixed.py", "train.py", "changed")
    assert "-rate = 1.0\n+rate = 0.1" in script.diff


def test_large_differences_are_not_shown() -> None:
    def difference(old: str, new: str) -> str:
        return Differences().of("a.py", old, new)

    assert "400,000 characters" in difference("x" * 500_000, "")
    many = "\n".join(f"line {n}" for n in range(5000))
    assert "5,003 lines" in difference("", many)
    # difflib would take minutes
    other = "\n".join(f"line {n}" if n % 2 else "z" for n in range(5000))
    assert "too many lines differ" in difference(many, other)
    assert difference(many, many.replace("line 4000\n", "")).count("\n-line") == 1


def test_files_made_to_take_long_take_no_time() -> None:
    """Lines that often repeat, each between two that never do: 9 s for 3,000 lines."""
    old, new = ("\n".join(f"x{n % 50}\n{side}{n}" for n in range(1490)) for side in "ab")
    start = time.perf_counter()
    assert "too many lines differ" in Differences().of("a.py", old, new)
    blank = {f"{n}.py": "\n" * 199_000 + str(n) for n in range(20)}
    assert renamed(blank, {f"new{path}": text for path, text in blank.items()}) == {}
    assert time.perf_counter() - start < 5  # about 1 alone


def test_a_file_written_anew_is_shown() -> None:
    code = Path(comparing.__file__).read_text()
    other = code.replace("found", "seen").replace("sides", "runs")
    assert "\n+" in Differences().of("a.py", code, other)


@pytest.mark.parametrize("place", [0, 1, 4, 50, 98, 99])
def test_a_difference_is_that_of_difflib(place: int) -> None:
    old = [f"line {n}" for n in range(100)]
    new = [*old[:place], "new", *old[place + 1 :]]
    for one, other in ((old, new), (old, [*old[:place], *old[place + 1 :]]), ([], ["x"])):
        expected = difflib.unified_diff(one, other, "a/f", "b/f", lineterm="")
        assert Differences().of("f", "\n".join(one), "\n".join(other)) == "\n".join(expected)


def test_runs_that_cannot_be_compared(asked: Asked) -> None:
    run = asked.make(epochs=1, steps=1)
    with pytest.raises(UsageError, match="2 to 8 runs to compare but got 1"):
        asked.queries.compare([run])
    with pytest.raises(UsageError, match="got 9"):
        asked.queries.compare([run] * 9)
    with pytest.raises(UsageError, match="one is there twice"):
        asked.queries.compare([run, run])
    with pytest.raises(RunNotFound):
        asked.queries.compare([run, "no such run"])
