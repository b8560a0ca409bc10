"""``trema alerts``: news is told without a page, until it is ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.api.receivers import open_hook, wait_for
from tests.api.written_runs import Writing, finding
from trema.cli import main


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_trema_alerts_tells_until_it_is_ended(tmp_path: Path, sign: signal.Signals) -> None:
    root = tmp_path / ".trema"
    root.mkdir()
    kept = tmp_path / "told.jsonl"
    text = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"
    with open_hook() as hook:
        (root / "alerts.toml").write_text(
            f'[[alert]]\nname = "hook"\nwebhook = {{ url = "{hook.url()}" }}\n'
            f'[[alert]]\nname = "program"\non = ["finished"]\n'
            f"command = [{sys.executable!r}, '-c', {text!r}, {str(kept)!r}]\n"
        )
        env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "no_proxy": "*"}
        process = subprocess.Popen(
            [sys.executable, "-m", "trema", "alerts"],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        begun = process.stdout.readline()
        assert begun.startswith(f"watching {root} for hook, program;")
        time.sleep(1.5)  # a first look at an empty folder
        run = Writing(root, "train")
        run.find(finding("a"))
        wait_for(lambda: len(hook.got) == 1, 20)
        run.end([finding("a")])
        wait_for(lambda: kept.exists() and kept.read_text().endswith("\n"), 20)
        process.send_signal(sign)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""
    assert out.splitlines() == [
        "told hook: error in train: softmax is applied twice",
        "told program: train has finished",
    ]


@pytest.mark.slow
def test_two_processes_tell_each_once(tmp_path: Path) -> None:
    root, kept = tmp_path / ".trema", tmp_path / "told"
    root.mkdir()
    text = "import os, sys; print(os.environ['TREMA_ALERT_CHECK'], file=open(sys.argv[1], 'a'))"
    (root / "alerts.toml").write_text(
        f"[[alert]]\ncommand = [{sys.executable!r}, '-c', {text!r}, {str(kept)!r}]\n"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "trema", "alerts"]
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        process.stdout.readline()
    time.sleep(1.5)
    run = Writing(root, "train")
    for number in range(6):
        run.find(finding(f"f{number}"))
    wait_for(lambda: kept.exists() and len(kept.read_text().splitlines()) >= 6, 30)
    time.sleep(2.5)  # as long as both need to look again
    told = []
    for process in both:
        process.terminate()
        told += process.communicate(timeout=30)[0].splitlines()
    assert kept.read_text().splitlines() == ["double-softmax"] * 6
    assert len(told) == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there are none: give --config FILE"),
        ("", "holds none"),
        ("x = 1", "unknown key 'x'"),
    ],
)
def test_trema_alerts_without_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "alerts.toml").write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["alerts", "--dir", str(tmp_path)])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
