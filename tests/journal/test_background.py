"""Trainings in processes of their own that send while they run, and ``trema sync`` after them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journal.serving import PASS, Fault, Proxy, Team, hanging
from tests.journal.test_sync import make_run, reference, said
from trema.journal.folder import RunFolder, list_runs
from trema.journal.sent import unsent, whole_size

pytestmark = pytest.mark.slow

SCRIPT = """
import sys, time
import trema
run = trema.start(console=True)
for step in range(int(sys.argv[1])):
    run.log(step=step, loss=1.0 / (step + 1))
    time.sleep(float(sys.argv[2]))
print("loss", 1.0 / (step + 1))
"""


def environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TREMA_")}
    return {**plain, **more}


def python(
    folder: Path, program: str, *words: str, **more: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """The finished process and the seconds it took."""
    (folder / "train.py").write_text(program, encoding="utf-8")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "dev", "train.py", *words],
        cwd=folder,
        env=environment(**more),
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done, time.monotonic() - began


def trema(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trema", *words],
        cwd=folder,
        env=environment(**more),
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def only_run(folder: Path) -> RunFolder:
    (run,) = list_runs(folder / ".trema")
    return run


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("trema: ")]


def summary(text: str) -> list[str]:
    """What is printed beside the line about sending and the figures of time."""
    lines = [line for line in text.splitlines() if not line.startswith(("trema: ", "kept in"))]
    return [line for line in lines if "Trema took" not in line]


def test_a_run_arrives_while_it_is_written(tmp_path: Path, team: Team) -> None:
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    training = subprocess.Popen(
        [sys.executable, "train.py", "600", "0.01"],
        cwd=tmp_path,
        env=environment(TREMA_SERVER=team.url, TREMA_TOKEN=team.token),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    seen: list[int] = []
    while training.poll() is None:
        for run in team.store.runs():
            seen += [sum(state.cursor for state in team.store.journals(run.id).values())]
        time.sleep(0.2)
    _, errors = training.communicate()
    assert training.returncode == 0
    assert own_lines(errors.decode()) == []
    assert len(set(seen)) > 3  # piece by piece
    assert said(team.store) == reference(tmp_path / ".trema", tmp_path)
    assert team.store.run(only_run(tmp_path).id).state == "finished"
    assert team.store.source(only_run(tmp_path).id, "train.py") == SCRIPT
    assert unsent(only_run(tmp_path)) == 0


@pytest.mark.parametrize("server", ["absent", "hanging"])
def test_a_server_that_is_not_there_changes_nothing(tmp_path: Path, server: str) -> None:
    plain, least = python(tmp_path, SCRIPT, "100", "0.01")
    with hanging() as port:
        place = port if server == "hanging" else unused_port()
        url = f"http://127.0.0.1:{place}"
        done, took = python(tmp_path, SCRIPT, "100", "0.01", TREMA_SERVER=url, TREMA_DIR="other")
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    assert summary(done.stderr) == summary(plain.stderr)
    (told,) = own_lines(done.stderr)
    assert f"not sent to {url}" in told
    assert "trema sync" in told
    assert took < least + 6
    (run,) = list_runs(tmp_path / "other")
    assert whole_size(run.journal(0)) == run.journal(0).stat().st_size
    assert (run.path / "sync.json").exists() or server == "hanging"


def test_the_wait_at_the_end_can_be_chosen(tmp_path: Path) -> None:
    with hanging() as port:
        url = f"http://127.0.0.1:{port}"
        done, took = python(tmp_path, SCRIPT, "5", "0", TREMA_SERVER=url, TREMA_SYNC_WAIT="0.2")
    assert len(own_lines(done.stderr)) == 1
    assert took < 3


@pytest.mark.parametrize(
    "ending", ["raise ValueError('bad')", "sys.exit(7)", "import os; os._exit(9)"]
)
def test_other_ends(tmp_path: Path, team: Team, ending: str) -> None:
    program = SCRIPT + ending + "\n"
    plain, _ = python(tmp_path, program, "20", "0", TREMA_DIR="plain")
    more = {"TREMA_SERVER": team.url, "TREMA_TOKEN": team.token}
    done, _ = python(tmp_path, program, "20", "0", **more)
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    if "_exit" in ending:
        return
    run = only_run(tmp_path)
    assert team.store.run(run.id).state in ("crashed", "finished")
    assert unsent(run) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_run_is_completed_by_sync(tmp_path: Path, team: Team) -> None:
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    training = subprocess.Popen(
        [sys.executable, "train.py", "100000", "0.001"],
        cwd=tmp_path,
        env=environment(TREMA_SERVER=team.url, TREMA_TOKEN=team.token),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not team.store.runs() or not team.store.journals(team.store.runs()[0].id):
        assert training.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    training.send_signal(signal.SIGKILL)
    training.wait()
    run = only_run(tmp_path)
    left = unsent(run)
    assert left
    listed = trema(tmp_path, "runs")
    assert "unsent" in listed.stdout
    assert "trema sync" in listed.stdout
    done = trema(tmp_path, "sync", TREMA_SERVER=team.url, TREMA_TOKEN=team.token)
    assert (done.returncode, done.stderr) == (0, "")
    expected = reference(tmp_path / ".trema", tmp_path)
    assert said(team.store) == [item.replace("'running'", "'killed'") for item in expected]
    assert team.store.run(run.id).state == "killed"
    assert unsent(run) == 0


def test_a_run_crosses_a_bad_way_while_it_is_written(tmp_path: Path, team: Team) -> None:
    count = 0

    def fault(line: str, length: int) -> Fault:
        nonlocal count
        count += 1
        kinds = ("lost", "cut-body", "cut-answer", "refuse")
        return Fault(kinds[count // 3 % 4], amount=0.5, status=503) if count % 3 == 1 else PASS

    with Proxy(team.port, fault) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        more = {"TREMA_SERVER": url, "TREMA_TOKEN": team.token}
        done, _ = python(tmp_path, SCRIPT, "500", "0.01", **more)
        assert done.returncode == 0
        if unsent(only_run(tmp_path)):
            trema(tmp_path, "sync", **more)
    assert said(team.store) == reference(tmp_path / ".trema", tmp_path)


FORKING = """
import os, sys
import trema
run = trema.start()
for step in range(50):
    run.log(step=step, loss=1.0)
child = os.fork()
if child == 0:
    for step in range(50, 90):
        run.log(step=step, loss=2.0)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
for step in range(50, 100):
    run.log(step=step, loss=1.0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_is_silent(tmp_path: Path, team: Team) -> None:
    more = {"TREMA_SERVER": team.url, "TREMA_TOKEN": team.token}
    done, _ = python(tmp_path, FORKING, **more)
    assert done.returncode == 0, done.stderr
    assert own_lines(done.stderr) == []
    assert said(team.store) == reference(tmp_path / ".trema", tmp_path)


SEVERAL = """
import os
import trema
for number in range(4):
    with trema.start(name=f"fold {number}", console=False) as run:
        for step in range(20):
            run.log(step=step, loss=1.0)
run = trema.start(name="last")
run.log(loss=1.0)
"""


def test_several_runs_of_one_process(tmp_path: Path, team: Team) -> None:
    more = {"TREMA_SERVER": team.url, "TREMA_TOKEN": team.token}
    done, _ = python(tmp_path, SEVERAL, **more)
    assert own_lines(done.stderr) == []
    assert len(team.store.runs()) == 5
    assert said(team.store) == reference(tmp_path / ".trema", tmp_path)


LATE = """
import os
import trema
first = trema.start()
first.finish()
os.environ["TREMA_SERVER"] = os.environ["LATER"]
second = trema.start(name="second")
second.log(loss=1.0)
"""


def test_a_server_named_after_the_first_run(tmp_path: Path, team: Team) -> None:
    done, _ = python(tmp_path, LATE, LATER=team.url, TREMA_TOKEN=team.token)
    assert own_lines(done.stderr) == []
    assert [(run.name, run.state) for run in team.store.runs()] == [("second", "finished")]


def test_ranks_send_their_own_journals(tmp_path: Path, team: Team) -> None:
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    more = {"TREMA_SERVER": team.url, "TREMA_TOKEN": team.token, "TREMA_RUN": "shared"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "train.py", "200", "0.005"],
            cwd=tmp_path,
            env=environment(RANK=str(rank), **more),
            stdout=subprocess.DEVNULL,
        )
        for rank in range(3)
    ]
    assert [rank.wait() for rank in ranks] == [0, 0, 0]
    run = only_run(tmp_path)
    assert sorted(path.name for path in run.path.glob("sync*.json")) == [
        "sync-1.json",
        "sync-2.json",
        "sync.json",
    ]
    assert unsent(run) == 0
    assert said(team.store) == reference(tmp_path / ".trema", tmp_path)


def test_what_cannot_be_a_server_is_told_once(tmp_path: Path) -> None:
    done, _ = python(tmp_path, SEVERAL, TREMA_SERVER="https://me:secret@host")
    (told,) = own_lines(done.stderr)
    assert "TREMA_TOKEN" in told
    assert "secret" not in told
    assert done.returncode == 0


def test_a_wrong_token_is_told_at_once_and_not_waited_for(tmp_path: Path, team: Team) -> None:
    more = {"TREMA_SERVER": team.url, "TREMA_TOKEN": "ill-chosen"}
    done, took = python(tmp_path, SCRIPT, "20", "0", **more)
    assert took < 4
    first, last = own_lines(done.stderr)
    assert "does not know the token" in first
    assert "not sent" in last
    assert "ill-chosen" not in done.stderr
    note = json.loads((only_run(tmp_path).path / "sync.json").read_text())
    assert "token" in note["problem"]


# trema sync -------------------------------------------------------------------------------------


def test_sync_sends_every_run_once(tmp_path: Path, team: Team) -> None:
    root = tmp_path / ".trema"
    runs = [make_run(root, ranks=2, steps=50) for _ in range(3)]
    more = {"TREMA_SERVER": team.url, "TREMA_TOKEN": team.token}
    one = trema(tmp_path, "sync", runs[1].id, **more)
    assert one.returncode == 0, one.stderr
    assert [run.id for run in team.store.runs()] == [runs[1].id]
    token = tmp_path / "token"
    token.write_text(team.token)
    words = ("sync", "--server", team.url, "--token-file", str(token), "--dir", str(root))
    rest = trema(tmp_path, *words)
    assert rest.returncode == 0, rest.stderr
    assert rest.stdout.startswith("sent ")
    assert said(team.store) == reference(root, tmp_path)
    assert trema(tmp_path, *words).stdout == "all is sent\n"


def test_sync_tells_what_stays_unsent(tmp_path: Path, team: Team) -> None:
    make_run(tmp_path / ".trema", steps=50)
    done = trema(tmp_path, "sync", TREMA_SERVER=team.url, TREMA_TOKEN="wrong")
    assert done.returncode == 1
    (told,) = own_lines(done.stderr)
    assert "does not know the token" in told
    assert trema(tmp_path, "sync").returncode == 2
    assert trema(tmp_path, "sync", "none", TREMA_SERVER=team.url).returncode == 2


def test_sync_does_not_bring_back_what_was_deleted_there(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path / ".trema", steps=5)
    more = {"TREMA_SERVER": team.url, "TREMA_TOKEN": team.token}
    trema(tmp_path, "sync", **more)
    team.store.delete_run(run.id)
    done = trema(tmp_path, "sync", **more)
    assert done.returncode == 0
    assert "not on the server any more" in done.stderr
    assert team.store.runs() == []
    assert trema(tmp_path, "sync", run.id, **more).returncode == 0
    assert said(team.store) == reference(tmp_path / ".trema", tmp_path)


def test_sync_follows(tmp_path: Path, team: Team) -> None:
    more = {"TREMA_SERVER": team.url, "TREMA_TOKEN": team.token}
    following = subprocess.Popen(
        [sys.executable, "-m", "trema", "sync", "--follow"],
        cwd=tmp_path,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    run = make_run(tmp_path / ".trema", steps=50)
    end = time.monotonic() + 30
    while run.id not in [known.id for known in team.store.runs()] and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1)
    following.send_signal(signal.SIGINT)
    _, errors = following.communicate(timeout=20)
    assert following.returncode == 0, errors.decode()
    assert said(team.store) == reference(tmp_path / ".trema", tmp_path)


def test_doctor_tells_of_the_server(tmp_path: Path, team: Team) -> None:
    good = trema(tmp_path, "doctor", TREMA_SERVER=team.url, TREMA_TOKEN=team.token)
    assert f"ok    runs are sent to the team server {team.url}" in good.stdout
    wrong = trema(tmp_path, "doctor", TREMA_SERVER=team.url, TREMA_TOKEN="wrong")
    assert "does not know the token" in wrong.stdout
    assert wrong.returncode == 1
    away = trema(tmp_path, "doctor", TREMA_SERVER=f"http://127.0.0.1:{unused_port()}")
    assert "cannot be reached (connection refused)" in away.stdout
    assert "team server" not in trema(tmp_path, "doctor").stdout
