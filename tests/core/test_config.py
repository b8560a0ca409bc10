"""Settings by code, environment variable and file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trema.checks.base import all_checks
from trema.checks.configure import configured, told
from trema.core.config import Config
from trema.core.errors import UnknownOption, UsageError
from trema.core.typed import Unfit, fitted, read_word


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TREMA_DIR")
    return folder


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def test_code_before_environment_before_file_before_default(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "trema.toml", "overhead = 0.1\nmemory = 5\nfree_steps = 7\ndir = 'runs'")
    monkeypatch.setenv("TREMA_MEMORY", "6")
    monkeypatch.setenv("TREMA_FREE_STEPS", "8")
    config = Config.of(free_steps=9)
    assert (config.overhead, config.memory, config.free_steps) == (0.1, 6, 9)
    assert config.free_seconds == 2.0
    assert config.folder == project / "runs"
    places = ["overhead", "memory", "free_steps", "free_seconds"]
    assert list(map(config.place, places)) == ["trema.toml", "TREMA_MEMORY", "code", "default"]
    assert config.problems == ()


def test_a_config_given_by_code_keeps_what_it_sets(project: Path) -> None:
    write(project / "trema.toml", "overhead = 0.1\nmemory = 5")
    config = Config(memory=9).resolved()
    assert (config.memory, config.overhead) == (9, 0.1)
    assert config.resolved() is config
    assert Config.of(config=Config(memory=7), free_steps=1).memory == 7
    with pytest.raises(UsageError, match=r"config must be a trema\.Config but got dict"):
        Config.of(config={"memory": 7})


def test_the_nearest_file_upwards_from_the_script_counts(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "trema.toml", "memory = 1")
    write(project / "pyproject.toml", "[tool.other]\nx = 1")
    assert Config.of(script=project / "src" / "train.py").memory == 1
    write(project / "pyproject.toml", "[tool.trema]\nmemory = 2")
    assert Config.of(script=project / "src" / "train.py").memory == 2
    write(project / "trema.toml", "memory = 3")
    assert Config.of(script=project / "src" / "train.py").memory == 3
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert Config.of(script=project / "src" / "train.py").memory == 3
    assert Config.of().memory == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("overheat = 1", "trema.toml has no setting 'overheat': did you mean 'overhead'?"),
        ("memory = 'big'", "memory in trema.toml must be a whole number but is 'big'"),
        ("preview = 1", "preview in trema.toml must be true or false but is 1"),
        ("overhead = 7", "trema.toml: overhead must be above 0 and at most 1 but got 7.0"),
        ("inputs = 'pictures'", "trema.toml: inputs must be one of image,"),
        ("ignore = 'a'", "ignore in trema.toml must be a list but is 'a'"),
        ("checks = 3", "checks in trema.toml must be a table but is 3"),
        ("checks.overfitting = 3", "checks.overfitting in trema.toml must be a table"),
        ("strict = true", "trema.toml has no setting 'strict'"),
    ],
)
def test_a_mistake_is_one_sentence_and_the_rest_holds(project: Path, text: str, said: str) -> None:
    write(project / "trema.toml", f"free_steps = 3\n{text}\n")
    config = Config.of()
    (problem,) = config.problems
    assert problem.startswith(said)
    assert config.free_steps == 3


def test_a_file_that_is_no_toml(project: Path) -> None:
    write(project / "trema.toml", "memory = ")
    config = Config.of()
    assert config.memory == Config().memory
    (problem,) = config.problems
    assert "it is no TOML" in problem
    (project / "trema.toml").write_bytes(b"\xff\xfe")
    assert "it is no TOML" in Config.of().problems[0]


def test_variables(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREMA_PREVIEW", "yes")
    monkeypatch.setenv("TREMA_IGNORE", "a, b")
    monkeypatch.setenv("TREMA_INPUTS", "image")
    monkeypatch.setenv("TREMA_CONSOLE", "maybe")
    config = Config.of()
    assert (config.preview, config.ignore, config.inputs, config.console) == (
        True,
        ("a", "b"),
        "image",
        True,
    )
    assert config.problems == ("TREMA_CONSOLE must be 1 or 0 but is 'maybe'",)


def test_mistakes_in_code_are_raised() -> None:
    with pytest.raises(UnknownOption, match="did you mean 'overhead'"):
        Config.of(overheat=1)
    with pytest.raises(UsageError, match="ignore must be a list of check ids but got 'a'"):
        Config.of(ignore="a")
    for wrong in (3, {"overfitting": 5}):
        with pytest.raises(UsageError, match="checks must hold thresholds by check"):
            Config.of(checks=wrong)


def test_thresholds_reach_the_checks(project: Path) -> None:
    write(project / "trema.toml", "[checks.overfitting]\npatience = 9\nclimb = 1\n")
    config = Config.of(checks={"overfitting": {"patience": 5}})
    assert config.checks == {"overfitting": {"patience": 5, "climb": 1}}
    assert config.place("checks.overfitting.patience") == "code"
    assert config.place("checks.overfitting.climb") == "trema.toml"
    checks, problems = configured(all_checks(), config)
    assert checks["overfitting"].patience == 5  # type: ignore[attr-defined]  # its own threshold
    assert [text.split(":")[0] for text in problems] == ["trema.toml"]  # it has no such threshold
    assert told(config) == {
        "file": "trema.toml",
        "options": {"checks": {"overfitting": {"patience": 5, "climb": 1}}},
    }


def test_thresholds_that_do_not_hold() -> None:
    given: dict[str, dict[str, object]] = {
        "overfitting": {"patience": "long", "patienc": 3},
        "overfiting": {"patience": 3},
    }
    checks, problems = configured(all_checks(), Config(checks=given, ignore=("nothing",)))
    default = all_checks()["overfitting"]()
    assert checks["overfitting"] == default
    assert any("there is no such check: did you mean 'overfitting'" in text for text in problems)
    assert any("ignores 'nothing'" in text for text in problems)
    assert any(
        "patience of overfitting must be a whole number but is 'long'" in t for t in problems
    )
    assert any("no threshold 'patienc': did you mean 'patience'" in text for text in problems)
    assert len(problems) == 4


@pytest.mark.parametrize(
    ("value", "default", "result"),
    [(3, 1.5, 3.0), ([1, 2], (0.5,), (1.0, 2.0)), (True, False, True), ("x", None, "x")],
)
def test_values_that_fit(value: object, default: object, result: object) -> None:
    assert fitted(value, default) == result
    assert type(fitted(value, default)) is type(result)


@pytest.mark.parametrize(
    ("value", "default"), [(1.5, 3), (True, 3), (True, 0.5), (1, True), ("3", 3), ({}, ()), (1, {})]
)
def test_values_that_do_not_fit(value: object, default: object) -> None:
    with pytest.raises(Unfit):
        fitted(value, default)


def test_words_of_variables() -> None:
    assert read_word(" 0.5 ", 1.0) == 0.5
    assert read_word("off", True) is False
    with pytest.raises(Unfit, match="a whole number"):
        read_word("many", 3)
