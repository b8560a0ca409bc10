"""The labels of the fault benchmark hold: places exist, causes are known, twins differ."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

FAULTS = Path(__file__).resolve().parents[1] / "bench" / "faults"


@pytest.fixture(scope="module")
def bench() -> Any:
    """The benchmark's modules, which are scripts beside each other and no package."""
    kept = list(sys.path)
    sys.path.insert(0, str(FAULTS))
    try:
        yield {name: importlib.import_module(name) for name in ("pairs", "scoring")}
    finally:
        sys.path[:] = kept
        for name in ("data", "pairs", "recipes", "scoring"):
            sys.modules.pop(name, None)


def test_labels_hold(bench: Any) -> None:
    for program in bench["pairs"].load():
        files = program.files()
        assert "program.py" in files, program.name
        for name, text in files.items():
            if name.endswith(".py"):
                compile(text, f"{program.name}/{name}", "exec")
        for fault in program.faults:
            assert set(fault.causes) <= set(bench["scoring"].CAUSES), program.name
            assert fault.hidden_in in (None, *bench["pairs"].HIDDEN_IN), program.name
            for place in fault.places:
                for low, high in place.get("lines", ()):
                    lines = files[place["file"]].decode().splitlines()
                    assert 1 <= low <= high <= len(lines), program.name


def test_pairs_differ_and_stay_in_one_half(bench: Any) -> None:
    programs = bench["pairs"].load()
    by_pair: dict[str, list[Any]] = {}
    for program in programs:
        by_pair.setdefault(program.pair, []).append(program)
    for pair, both in by_pair.items():
        assert len({program.half for program in both}) == 1
        if len(both) == 2 and not both[0].old:
            same = both[0].files() == both[1].files()
            assert not same or (both[0].folder / "prepare.py").exists(), pair


def test_enough_programs_of_each_kind(bench: Any) -> None:
    faulty = [program for program in bench["pairs"].load() if program.faults]
    assert len(faulty) >= 120
    assert sum(not program.visible for program in faulty) >= 0.4 * len(faulty)
    assert {program.task for program in faulty} >= {"images", "text", "tabular", "gan"}


def test_seeds_move_every_generator(bench: Any) -> None:
    text = b'torch.manual_seed(3)\nSEED = 4\n{"seed": 5}\nf(x, random_state=6, seed=7)\n'
    moved = bench["pairs"].reseeded(text, 2)
    assert bench["pairs"].reseeded(text, 0) == text
    assert [int(w) for w in b"2003 2004 2005 2006 2007".split()] == [
        int("".join(c for c in word if c.isdigit()))
        for word in moved.decode().replace(",", "\n").split("\n")
        if any(c.isdigit() for c in word)
    ]


@pytest.mark.parametrize(
    ("finding", "place", "right"),
    [
        (
            {"location": {"file": "a/nets.py", "line": 4}},
            {"file": "nets.py", "lines": [[3, 5]]},
            True,
        ),
        (
            {"location": {"file": "a/nets.py", "line": 6}},
            {"file": "nets.py", "lines": [[3, 5]]},
            False,
        ),
        ({"location": None, "where": {"data": {"columns": ["7"]}}}, {"columns": ["7", "x"]}, True),
        ({"location": None, "where": {"data": {"columns": [1, 2, 7]}}}, {"columns": ["7"]}, False),
        ({"where": {"config": {"file": "c", "key": "optimizer.lr"}}}, {"key": "lr"}, True),
        ({"where": {"parameter": "head.weight"}}, {"parameter": "head"}, True),
        ({"where": {"parameter": "header"}}, {"parameter": "head"}, False),
        ({"where": {"data": {"split": "train"}}}, {"split": "validation"}, False),
    ],
)
def test_places_are_judged(bench: Any, finding: Any, place: Any, right: bool) -> None:
    assert bench["scoring"].at_place(finding, place) is right


def test_wilson_interval_of_known_value(bench: Any) -> None:
    low, high = bench["scoring"].Share(9, 10).interval()
    assert low == pytest.approx(0.5958, abs=1e-3)
    assert high == pytest.approx(0.9821, abs=1e-3)
