"""``trema ui``, ``trema server`` and ``trema demo`` in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.runs import make_run
from trema.cli.ui import folder_of
from trema.core.errors import UsageError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

AT_ONCE = 5.0  # seconds: a second alone, more beside other tests

TRAINING = """
import time, trema
run = trema.start("endless")
for step in range(10**9):
    run.log(step=step, loss=1.0 / (step + 1))
    if step % 10 == 9:
        run.epoch()
    time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The index of these tests is kept apart, and no browser starts."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "TREMA_DATABASE", "TREMA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return folder


def trema(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trema", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


class Running:
    """A command that serves."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line)
            if line.startswith(("Ctrl-C", "ready")) or "server token revoke" in line:
                break
        text = "".join(self.lines)
        found = re.search(r"(http://\S+?)/#(/\S*)?\?token=([\w-]+)", text)
        assert found, text + (process.stderr.read() if process.stderr else "")
        self.base, self.route, self.token = found[1], found[2], found[3]

    def client(self) -> httpx.Client:
        head = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.base, headers=head, timeout=20, trust_env=False)

    def end(self, sign: signal.Signals = signal.SIGINT) -> tuple[int, float, str]:
        """Exit code, seconds until the end, what stands on stderr."""
        start = time.monotonic()
        self.process.send_signal(sign)
        code = self.process.wait(20)
        assert self.process.stderr is not None
        return code, time.monotonic() - start, self.process.stderr.read()


@contextmanager
def command(*words: str, cwd: Path, **environment: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "trema", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# trema ui -------------------------------------------------------------------------------------


def test_a_run_that_is_written_is_followed_until_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAINING)
    training = subprocess.Popen(
        [sys.executable, "-m", "trema", "run", "--quiet", "train.py"], cwd=tmp_path
    )
    try:
        with command("ui", str(tmp_path), cwd=tmp_path) as ui, ui.client() as client:

            def row(state: str) -> Any:
                rows = client.get("/api/runs").json()["runs"]
                return rows and rows[0]["state"] == state and rows[0]

            def points() -> int:
                listed = client.get(f"/api/runs/{first['id']}/series").json()["series"]
                return sum(series["points"] for series in listed)

            first = wait_for(lambda: row("running"))
            seen = wait_for(points)
            wait_for(lambda: points() > seen)
            training.kill()
            training.wait()
            last = wait_for(lambda: row("killed"))
            assert points() > seen
            assert last["exit_code"] is None
            detail = client.get(f"/api/runs/{last['id']}").json()
            assert detail["row"]["state"] == "killed"
            assert client.delete(f"/api/runs/{last['id']}").status_code == 204
    finally:
        training.kill()
        training.wait()


def test_a_folder_without_runs_is_served(tmp_path: Path) -> None:
    with command("ui", cwd=tmp_path) as ui:
        with ui.client() as client:
            assert client.get("/api/runs").json()["total"] == 0
            status = client.get("/api/status").json()
            assert status["folder"] == str(tmp_path / ".trema")
        assert ui.route == "/"
        assert "127.0.0.1" in ui.base
        code, seconds, errors = ui.end()
        assert (code, errors) == (0, "")
        assert seconds < AT_ONCE
    assert not (tmp_path / ".trema").exists()  # nothing is made by looking


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_with_pages_open(tmp_path: Path, sign: signal.Signals) -> None:
    with command("ui", cwd=tmp_path) as ui, ui.client() as client:
        with client.stream("GET", "/api/stream") as one, client.stream("GET", "/api/stream"):
            next(one.iter_lines())
            code, seconds, errors = ui.end(sign)
        assert code == (0 if sign == signal.SIGINT else -signal.SIGTERM)
        assert errors == ""
        assert seconds < AT_ONCE


def test_the_next_free_port_is_taken(tmp_path: Path) -> None:
    with command("ui", cwd=tmp_path) as one, command("ui", cwd=tmp_path) as two:
        assert one.base != two.base
        assert one.token != two.token
        port = one.base.rpartition(":")[2]
        done = trema("ui", "--port", port, cwd=tmp_path)
        assert done.returncode == 2
        assert "choose another" in done.stderr


def test_other_machines_are_a_warning(tmp_path: Path) -> None:
    words = ("ui", "--host", "0.0.0.0", "--port", str(free_port()))
    with command(*words, cwd=tmp_path) as ui:
        with ui.client() as client:
            assert client.get("/api/status").status_code == 200
            assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
            assert client.get("/", headers={"Host": "192.0.2.7"}).status_code != 421
        _, _, errors = ui.end()
    assert "other machines can reach" in errors


def test_a_browser_is_given_a_ticket_and_not_the_token(tmp_path: Path) -> None:
    told = tmp_path / "told"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {told}.new && mv {told}.new {told}\n')
    browser.chmod(0o755)
    with command("ui", cwd=tmp_path, BROWSER=f"{browser} %s") as ui, ui.client() as client:
        wait_for(told.exists)
        address = told.read_text().strip()
        assert ui.token not in address
        found = client.get(address.removeprefix(ui.base))
        assert found.headers["location"] == f"../#/?token={ui.token}"
        assert ui.token not in client.get(address).headers["location"]


def test_a_database_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / ".trema")
    url = f"sqlite:///{tmp_path / 'own.db'}"
    assert trema("index", "--url", url, cwd=tmp_path).returncode == 0
    with command("ui", url, cwd=tmp_path) as ui, ui.client() as client:
        assert [row["id"] for row in client.get("/api/runs").json()["runs"]] == [run]
        assert client.get("/api/status").json()["folder"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ui", "nowhere"), "expected a folder"),
        (("ui", "--host", "no.such.host.invalid"), "expected a host"),
        (("ui", "postgresql://127.0.0.1:1/none"), "cannot be used"),
        (("ui", "--alerts", "none.toml"), "none.toml"),
        (("server",), "TREMA_DATABASE"),
        (("server", "token", "list"), "TREMA_DATABASE"),
        (("server", "--database", "mysql://x/y"), "sqlite or postgresql"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = trema(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_of(None) == tmp_path / ".trema"
    assert folder_of(".") == tmp_path / ".trema"
    (tmp_path / ".trema").mkdir()
    assert folder_of(".trema") == tmp_path / ".trema"
    (tmp_path / "other" / "runs").mkdir(parents=True)
    assert folder_of("other") == tmp_path / "other"
    with pytest.raises(UsageError):
        folder_of("nowhere")


# trema server ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workers", "kind"), [(1, "sqlite"), (2, "sqlite"), (1, "postgresql"), (2, "postgresql")]
)
def test_a_team_server_and_its_tokens(
    tmp_path: Path, workers: int, kind: str, request: pytest.FixtureRequest
) -> None:
    database = f"sqlite:///{tmp_path / 'team.db'}"
    if kind == "postgresql":
        database = request.getfixturevalue("postgres_url")
    port = str(free_port())
    words = ("server", "--database", database, "--port", port, "--workers", str(workers))
    with command(*words, cwd=tmp_path) as server, server.client() as client:
        answers(client)
        status = client.get("/api/status").json()
        assert (status["mode"], status["writable"]) == ("server", True)
        made = trema("server", "token", "create", "--name", "ann", cwd=tmp_path,
                     TREMA_DATABASE=database)  # fmt: skip
        assert made.returncode == 0
        token = made.stdout.split("\n")[1]
        head = {"Authorization": f"Bearer {token}"}
        assert client.get("/api/status", headers=head).json()["writable"] is False
        listed = trema("server", "--database", database, "token", "list", cwd=tmp_path).stdout
        assert "ann" in listed
        assert token not in listed
        id = next(line.split()[0] for line in listed.splitlines() if "ann" in line)
        ended = trema("server", "token", "revoke", id, "--database", database, cwd=tmp_path)
        assert ended.returncode == 0
        time.sleep(1.2)
        assert all(client.get("/api/status", headers=head).status_code == 401 for _ in range(4))
        again = trema("server", "token", "revoke", id, "--database", database, cwd=tmp_path)
        assert again.returncode == 2
        with client.stream("GET", "/api/stream") as stream:
            next(stream.iter_lines())
            code, seconds, errors = server.end()
        assert code in (0, -signal.SIGINT)
        assert errors == ""
        assert seconds < AT_ONCE


def answers(client: httpx.Client) -> None:
    def try_it() -> bool:
        try:
            return client.get("/api/status").status_code == 200
        except httpx.TransportError:
            return False

    wait_for(try_it)


# trema demo -----------------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_the_demo_shows_its_page_and_ends_without_a_terminal(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = trema("demo", cwd=tmp_path)
    assert "missing-softmax" in done.stderr or "logits" in done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert "is not built" in done.stderr
    else:
        assert re.search(r"http://127\.0\.0\.1:\d+/#/run/[\w-]+\?token=[\w-]+", done.stdout)


@pytest.mark.timeout(400)
def test_the_demo_serves_its_page(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with command("demo", "--serve", cwd=tmp_path) as demo, demo.client() as client:
        run = demo.route.removeprefix("/run/")
        wait_for(lambda: client.get(f"/api/runs/{run}").status_code == 200)
        assert demo.end()[0] == 0
