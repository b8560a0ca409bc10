"""The command line in processes of its own, on tiny programs without a framework."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from trema.cli import split_run
from trema.journal.user import UserAction, append_action

pytestmark = pytest.mark.slow

HEALTHY = """
import trema
run = trema.start()
for step in range(20):
    run.log(step=step, loss=1.0 / (step + 1))
"""
BROKEN = HEALTHY.replace("1.0 / (step + 1)", "float('nan') if step > 4 else 1.0")


def trema(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trema", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def script(folder: Path, text: str, name: str = "train.py") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


def validated(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    text = files("trema").joinpath("schema/findings.schema.json").read_text(encoding="utf-8")
    jsonschema.validate(document, json.loads(text))
    return document


def test_import_loads_no_framework_and_no_extra() -> None:
    heavy = {"torch", "keras", "jax", "sqlalchemy", "fastapi", "pydantic", "rich", "typer"}
    code = f"import sys, trema; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_healthy_script_keeps_its_output_and_gets_a_summary(tmp_path: Path) -> None:
    done = trema("run", "--json", "f.json", script(tmp_path, HEALTHY), cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == ""
    assert "nothing found" in done.stderr
    assert "not assessed without" in done.stderr
    assert "trema show train" in done.stderr
    document = validated(tmp_path / "f.json")
    assert document["run"]["steps"] == 20
    assert document["run"]["state"] == "finished"
    assert document["findings"] == []


def test_a_finding_is_printed_once_and_fails_when_asked(tmp_path: Path) -> None:
    name = script(tmp_path, BROKEN)
    done = trema("run", "--fail-on", "error", "--json", "f.json", name, cwd=tmp_path)
    assert done.returncode == 3
    document = validated(tmp_path / "f.json")
    assert [finding["check"] for finding in document["findings"]] == ["nonfinite-loss"]
    assert document["findings"][0]["location"]["line"] == 5
    assert done.stderr.count("trema explain nonfinite-loss") == 1
    assert trema("run", name, cwd=tmp_path).returncode == 0


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    done = trema("run", "--quiet", script(tmp_path, BROKEN), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_stop_on_ends_training(tmp_path: Path) -> None:
    text = BROKEN.replace("range(20)", "range(10**9)")
    done = trema(
        "run", "--stop-on", "error", "--json", "f.json", script(tmp_path, text), cwd=tmp_path
    )
    assert done.returncode == 130
    assert "--stop-on: nonfinite-loss" in done.stderr
    assert "Traceback" not in done.stderr
    assert validated(tmp_path / "f.json")["run"]["state"] == "interrupted"


def test_stop_on_ends_training_in_the_background(tmp_path: Path) -> None:
    text = BROKEN.replace("range(20)", "range(10**6)")
    ignored = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # as nohup does
    done = trema("run", "--stop-on", "error", script(tmp_path, ignored + text), cwd=tmp_path)
    assert done.returncode == 130
    assert "--stop-on: nonfinite-loss" in done.stderr


def test_stop_on_ends_training_though_an_interrupt_is_lost(tmp_path: Path) -> None:
    text = BROKEN.replace("range(20)", "range(10**6)")
    # as when it comes while a finalizer runs, of which Python ignores what is raised
    lost = """\
import signal
def lose(*_):
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGINT, lose)
"""
    done = trema("run", "--stop-on", "error", script(tmp_path, lost + text), cwd=tmp_path)
    assert done.returncode == 130
    assert "--stop-on: nonfinite-loss" in done.stderr


def test_a_script_without_training_says_what_to_do(tmp_path: Path) -> None:
    done = trema("run", "--json", "f.json", script(tmp_path, "print('hi')"), cwd=tmp_path)
    assert done.stdout == "hi\n"
    assert "no training seen" in done.stderr
    assert validated(tmp_path / "f.json")["run"]["segments"] == 0


def test_the_script_sees_what_python_would_show_it(tmp_path: Path) -> None:
    text = """
import sys, pickle
class A: pass
assert sys.modules["__main__"].A is A
pickle.loads(pickle.dumps(A()))
print(__name__, __file__, sys.argv, sys.path[0])
"""
    inner = tmp_path / "inner"
    inner.mkdir()
    script(inner, text)
    words = ("inner/train.py", "--json", "x", "-m", "--", "y")
    watched = trema("run", "--quiet", *words, cwd=tmp_path)
    plain = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, text=True, capture_output=True, check=True
    )
    assert watched.stdout == plain.stdout


def test_a_module_gets_its_own_arguments(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    script(package, "", "__init__.py")
    script(package, "import sys; print(__package__, sys.argv[1:])", "__main__.py")
    done = trema("run", "--quiet", "-m", "pack", "--lr", "3", cwd=tmp_path)
    assert done.stdout == "pack ['--lr', '3']\n"


@pytest.mark.parametrize(
    ("text", "code", "shown"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit('sorry')", 1, "sorry"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("def f():\n    1 / 0\nf()", 1, "ZeroDivisionError"),
        ("x = = 1", 1, "SyntaxError"),
    ],
)
def test_exit_codes_are_the_scripts_own(tmp_path: Path, text: str, code: int, shown: str) -> None:
    done = trema("run", "--fail-on", "info", script(tmp_path, text), cwd=tmp_path)
    assert done.returncode == code
    assert shown in done.stderr
    assert "trema/cli" not in done.stderr  # no frame of Trema in the traceback


def test_a_crash_is_recorded(tmp_path: Path) -> None:
    trema("run", "--json", "f.json", script(tmp_path, HEALTHY + "1 / 0"), cwd=tmp_path)
    run = validated(tmp_path / "f.json")["run"]
    assert (run["state"], run["exit_code"], run["steps"]) == ("crashed", 1, 20)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "nowhere.py"),
        ("run",),
        ("run", "."),
        ("run", "-m", "no_such_module"),
        ("run", "--confirm", "x.py"),
        ("run", "--json", "no/such/folder/f.json", "train.py"),
        ("show", "nothing"),
        ("explain", "no-such-check"),
        ("prune",),
    ],
)
def test_mistakes_are_told_without_a_traceback(tmp_path: Path, words: tuple[str, ...]) -> None:
    script(tmp_path, HEALTHY)
    done = trema(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_an_unwritable_folder_does_not_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    name = script(tmp_path, HEALTHY + "print('done')")
    done = trema("run", "--dir", "file", "--json", "f.json", name, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "nothing is kept" in done.stderr
    assert validated(tmp_path / "f.json")["run"]["steps"] == 20


def test_runs_show_prune_and_hostile_names(tmp_path: Path) -> None:
    hostile = "[red]\x1b[31m/../\u202ename"
    name = script(tmp_path, BROKEN)
    assert trema("run", "--name", hostile, name, cwd=tmp_path).returncode == 0
    listed = trema("runs", cwd=tmp_path)
    assert listed.returncode == 0
    assert "[red]" in listed.stdout
    assert "\x1b" not in listed.stdout
    assert "\u202e" not in listed.stdout
    shown = trema("show", "last", "--json", cwd=tmp_path)
    (tmp_path / "s.json").write_text(shown.stdout, encoding="utf-8")
    assert len(validated(tmp_path / "s.json")["findings"]) == 1
    assert "nonfinite-loss" in trema("show", "last", cwd=tmp_path).stdout
    data = {"scope": "project", "check": "nonfinite-loss", "reason": "meant\x1b[31m"}
    append_action(tmp_path / ".trema", UserAction(kind="mute", data=data))
    muted = trema("show", "last", cwd=tmp_path).stdout
    assert "muted: nonfinite-loss: meant" in muted
    assert "\x1b" not in muted
    shown = trema("show", "last", "--json", cwd=tmp_path)
    (tmp_path / "s.json").write_text(shown.stdout, encoding="utf-8")
    document = validated(tmp_path / "s.json")
    assert (document["findings"], document["muted"][0]["by"]) == ([], "user")
    assert "nothing was deleted" in trema("prune", "--keep", "0", cwd=tmp_path).stdout
    assert "deleted 1 run" in trema("prune", "--keep", "0", "--yes", cwd=tmp_path).stdout
    assert "no runs" in trema("runs", cwd=tmp_path).stdout


def test_a_killed_run_keeps_every_record(tmp_path: Path) -> None:
    text = """
import os, signal, time, trema
run = trema.start("killed")
for step in range(2000):
    run.log(step=step, loss=1.0 if step < 1000 else float("nan"))
    time.sleep(0.001)
os.kill(os.getpid(), signal.SIGKILL)
"""
    name = script(tmp_path, text)
    done = subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    journal = next(tmp_path.glob(".trema/runs/*/rank-0.jsonl"))
    records = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    steps = [record["step"] for record in records if record["kind"] == "log"]
    assert steps == list(range(2000))
    document = json.loads(trema("show", "killed", "--json", cwd=tmp_path).stdout)
    assert document["run"]["state"] == "killed"
    assert document["run"]["steps"] == 2000
    assert [finding["check"] for finding in document["findings"]] == ["nonfinite-loss"]
    assert "killed" in trema("runs", cwd=tmp_path).stdout


def test_a_running_run_is_not_pruned(tmp_path: Path) -> None:
    name = script(tmp_path, HEALTHY + "print('on', flush=True)\nimport time; time.sleep(60)")
    with subprocess.Popen(
        [sys.executable, name], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "running" in trema("runs", cwd=tmp_path).stdout
        assert "nothing to delete" in trema("prune", "--keep", "0", "--yes", cwd=tmp_path).stdout
        process.kill()
    time.sleep(0.05)
    assert "killed" in trema("runs", cwd=tmp_path).stdout


def test_checks_explain_and_doctor(tmp_path: Path) -> None:
    listed = json.loads(trema("checks", "--format", "json", cwd=tmp_path).stdout)
    assert {"nonfinite-loss", "overfitting"} <= {check["id"] for check in listed}
    page = trema("explain", "overfitting", cwd=tmp_path).stdout
    for heading in ("Theory", "May be wrong when", "Bad · PyTorch", "Good · Keras", "Thresholds"):
        assert heading in page
    doctor = trema("doctor", cwd=tmp_path)
    assert doctor.returncode == 0
    assert "everything is in order" in doctor.stdout
    (tmp_path / "file").write_text("", encoding="utf-8")
    broken = trema("doctor", "--dir", "file", cwd=tmp_path)
    assert broken.returncode == 1
    assert "cannot be written" in broken.stdout


def test_arguments_behind_a_module_are_its_own() -> None:
    assert split_run(["run", "--name", "-m", "x.py", "-m"]) == ["run", "--name", "-m", "x.py", "-m"]
    assert split_run(["run", "-m", "a", "--json", "b"]) == ["run", "-m", "a", "--", "--json", "b"]
    assert split_run(["show", "-m"]) == ["show", "-m"]


def test_an_adapter_that_fails_does_not_fail_the_import(tmp_path: Path) -> None:
    script(tmp_path, "value = 3", "keras.py")  # not the framework: the adapter cannot attach
    text = "import keras; print(keras.value, type(keras.__spec__.loader).__module__)"
    done = trema("run", "--json", "f.json", script(tmp_path, text), cwd=tmp_path)
    assert done.returncode == 0
    assert "trema" not in done.stdout
    failed = validated(tmp_path / "f.json")["failed_checks"]
    assert [item["check"] for item in failed] == ["keras adapter"]


def test_the_demo_finds_its_three_bugs_at_their_lines(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = trema("demo", "--json", "f.json", "--no-browser", cwd=tmp_path)
    assert done.returncode == 0
    assert "trema show demo" in done.stderr
    document = validated(tmp_path / "f.json")
    source = (tmp_path / ".trema" / "demo" / "train.py").read_text(encoding="utf-8").splitlines()
    lines = {
        finding["check"]: source[finding["location"]["line"] - 1].strip()
        for finding in document["findings"]
    }
    assert lines == {
        "missing-softmax": "nn.Linear(64, 10),",
        "input-scale": "loss = criterion(model(x), y)",
        "split-overlap": "validation_data = TensorDataset(images[2400:], labels[2400:])",
    }


def test_the_index_is_brought_up_to_date_or_made_anew(tmp_path: Path) -> None:
    trema("run", "--quiet", script(tmp_path, HEALTHY), cwd=tmp_path)
    url = f"sqlite:///{tmp_path / 'index.db'}"
    said = [
        trema("index", *options, "--url", url, cwd=tmp_path).stdout.split()[2]
        for options in ((), (), ("--rebuild",))
    ]
    assert said[0] != "0"
    assert said[1] == "0"  # nothing new
    assert said[2] == said[0]
