"""Sending runs: whatever the way to the server does, nothing is lost and nothing doubled."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journal.serving import PASS, Fault, Proxy, Team, answering, drawn
from trema.core.errors import UsageError
from trema.journal.client import Client, parse_server, read_token
from trema.journal.folder import RunFolder, create_run
from trema.journal.lines import next_piece
from trema.journal.sending import Sender, Trouble
from trema.journal.sent import read_sent, unsent, whole_size
from trema.journal.writer import Journal
from trema.store import open_store
from trema.store.base import Store
from trema.store.index import index_runs
from trema.testing.store import contents, finding


def log_steps(log: Journal, start: int, stop: int) -> None:
    for step in range(start, stop):
        values = {"loss": {"": step / 2 if step % 7 else float("nan")}}
        log.write("facts", step=step, phase="train", epoch=0, values=values)


def make_run(root: Path, *, ranks: int = 1, steps: int = 300, name: str = "train") -> RunFolder:
    run = create_run(root, name)
    run.save_sources({"train.py": "import trema\n", "model/net.py": "x = 1\n"})
    for rank in range(ranks):
        log = Journal(run.journal(rank), rank=rank)
        log.write("run", id=run.id)
        log_steps(log, 0, steps)
        log.write("finding", finding=finding(f"f{rank}")["finding"])
        log.write("epoch", step=steps - 1, epoch=0)
        log.write("end", state="finished", exit_code=0, findings=[])
        log.close()
    return run


def said(store: Store) -> list[str]:
    """What a store says of its runs, whatever the batches in which they came."""
    found = []
    for item in contents(store):
        if isinstance(item, tuple) and len(item) == 6:
            item = item[:-1]  # the revision counts batches
        found.append(sorted(map(repr, item)) if isinstance(item, list) else repr(item))
    return [str(item) for item in found]


def reference(root: Path, tmp_path: Path) -> list[str]:
    """What the index says that is made from the journals themselves."""
    url = f"sqlite:///{tmp_path / 'reference.db'}"
    index_runs(root, url)
    store = open_store(url)
    try:
        return said(store)
    finally:
        store.close()


def send_all(sender: Sender, *, attempts: int = 500) -> None:
    for _ in range(attempts):
        if not attempt(sender):
            return
    raise AssertionError("it never ended")


def attempt(sender: Sender) -> bool:
    """Send what comes next; whether there may be more."""
    try:
        return sender.send_next() is not None
    except Trouble as trouble:
        if trouble.lasting:
            raise
        return True


# what is sent -----------------------------------------------------------------------------------


def test_a_run_arrives_whole_with_all_ranks_and_sources(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, ranks=3)
    sender = Sender(team.client(), run)
    send_all(sender)
    assert said(team.store) == reference(tmp_path, tmp_path)
    assert team.store.run(run.id).origin == "tests"
    assert team.store.source(run.id, "model/net.py") == "x = 1\n"
    assert sorted(team.store.sources(run.id)) == ["model/net.py", "train.py"]
    sender.note()
    note = json.loads((run.path / "sync.json").read_text())
    assert note["server"] == team.url
    assert note["ranks"]["2"]["sent"] == note["ranks"]["2"]["size"] == run.journal(2).stat().st_size
    assert team.token not in (run.path / "sync.json").read_text()
    assert unsent(run) == 0


def test_a_growing_journal_is_sent_on_and_a_torn_end_waits(tmp_path: Path, team: Team) -> None:
    run = create_run(tmp_path, "train")
    log = Journal(run.journal(0))
    log_steps(log, 0, 10)
    sender = Sender(team.client(), run)
    send_all(sender)
    log_steps(log, 10, 500)
    with run.journal(0).open("ab") as file:
        file.write(b'{"kind": "facts", "step": 99')
    send_all(sender)
    assert said(team.store)[1:] == reference(tmp_path, tmp_path)[1:]  # but for the state
    sender.note()
    assert unsent(run) == 0  # what is torn is not unsent


def test_source_stays_when_asked_to(
    tmp_path: Path, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREMA_SYNC_SOURCE", "0")
    run = make_run(tmp_path)
    send_all(Sender(team.client(), run))
    assert team.store.sources(run.id) == []


def test_a_link_out_of_the_run_is_not_followed(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path)
    (tmp_path / "secret").write_text("secret")
    (run.path / "source" / "link.py").symlink_to(tmp_path / "secret")
    (run.path / "source" / "folder").symlink_to(tmp_path)
    send_all(Sender(team.client(), run))
    assert sorted(team.store.sources(run.id)) == ["model/net.py", "train.py"]


def test_nothing_of_a_run_that_is_a_link_is_sent(tmp_path: Path, team: Team) -> None:
    (tmp_path / "home" / "keys").mkdir(parents=True)
    (tmp_path / "home" / "keys" / "key").write_text("secret")
    (tmp_path / "home" / "log").write_text('{"kind": "log", "text": "secret"}\n')
    run = make_run(tmp_path)
    shutil.rmtree(run.path / "source")
    (run.path / "source").symlink_to(tmp_path / "home" / "keys")
    run.journal(1).symlink_to(tmp_path / "home" / "log")
    send_all(Sender(team.client(), run))
    assert team.store.sources(run.id) == []
    assert list(team.store.journals(run.id)) == [0]


def test_two_senders_of_one_run_at_once(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, steps=4000)
    threads = [
        threading.Thread(target=send_all, args=(Sender(team.client(), run),)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said(team.store) == reference(tmp_path, tmp_path)


def test_a_killed_run_is_told_as_killed(tmp_path: Path, team: Team) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = create_run(tmp_path, "train")
    log_steps(Journal(run.journal(0)), 0, 10)
    data = {**run.metadata, "pid": gone.pid}
    (run.path / "run.json").write_text(json.dumps(data))
    send_all(Sender(team.client(), run))
    assert team.store.run(run.id).state == "killed"
    assert "alive" not in team.store.run(run.id).metadata


def test_the_server_knows_how_much_waits(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, steps=3000)
    sender = Sender(team.client(), run)
    sender._batch = sender._ceiling = 50_000
    told = []
    while sender.send_next() is not None:
        told.append(team.store.run(run.id).metadata["unsent"])
    assert told[0] == run.journal(0).stat().st_size
    assert told[-1] == 0
    assert sorted(told, reverse=True) == told
    assert len(set(told)) < 8  # as it halves


# a faulty way to the server ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_faults_lose_and_double_nothing(
    tmp_path: Path, serve: Callable[[str], Team], sqlite_url: str, seed: int
) -> None:
    _through_faults(tmp_path, serve(sqlite_url), seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 106))
def test_faults_lose_and_double_nothing_on_postgresql(
    tmp_path: Path, serve: Callable[[str], Team], postgres_url: str, seed: int
) -> None:
    _through_faults(tmp_path, serve(postgres_url), seed)


def _through_faults(tmp_path: Path, team: Team, seed: int) -> None:
    """A run that grows while it is sent, by senders that are replaced now and then."""
    dice = random.Random(seed)
    run = create_run(tmp_path, "train")
    logs = [Journal(run.journal(rank), rank=rank) for rank in range(2)]
    step = 0
    with Proxy(team.port, drawn(seed)) as proxy:
        sender = Sender(team.client(proxy.port), run)
        sender._batch = sender._ceiling = 4000
        for _ in range(60):
            if dice.random() < 0.5:
                steps = dice.randrange(1, 120)
                for log in logs:
                    log_steps(log, step, step + steps)
                step += steps
            if dice.random() < 0.1:  # the process was killed and trema sync goes on
                sender = Sender(team.client(proxy.port), run)
                sender._batch = sender._ceiling = 4000
            attempt(sender)
        for log in logs:
            log.write("end", state="finished", exit_code=0, findings=[])
        run.save_sources({"train.py": "x = 1\n"})
        send_all(sender, attempts=3000)
        assert sum(proxy.met.values()) > proxy.met["pass"] > 0
    assert said(team.store) == reference(tmp_path, tmp_path)
    assert team.store.source(run.id, "train.py") == "x = 1\n"


@pytest.mark.parametrize("kind", ["lost", "cut-answer", "cut-body"])
def test_an_unclear_end_is_cleared_up_by_asking(tmp_path: Path, team: Team, kind: str) -> None:
    run = make_run(tmp_path, steps=5)
    asked: list[str] = []

    def fault(line: str, length: int) -> Fault:
        asked.append(line.split(" ")[0])
        return Fault(kind, amount=0.5) if "GET" not in asked and line[:4] == "POST" else PASS

    with Proxy(team.port, fault) as proxy:
        sender = Sender(team.client(proxy.port), run, sources=False)
        sender.send_next()
        with pytest.raises(Trouble) as raised:
            sender.send_next()
        assert not raised.value.lasting
        send_all(sender)
    # a kept connection may have been given up by the server: one more attempt, then it asks
    assert asked[: asked.index("GET")] in (["PUT", "POST"], ["PUT", "POST", "POST"])
    assert said(team.store) == reference(tmp_path, tmp_path)


def test_a_server_that_starts_again(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, steps=10)
    sender = Sender(team.client(), run)
    sender.send_next()
    team.stop()
    with pytest.raises(Trouble) as raised:
        sender.send_next()
    assert not raised.value.lasting
    team.start()
    send_all(sender)
    assert said(team.store) == reference(tmp_path, tmp_path)


def test_a_server_that_lost_everything_gets_everything(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, steps=10)
    sender = Sender(team.client(), run)
    send_all(sender)
    team.store.delete_run(run.id)
    log = Journal(run.journal(0))
    log_steps(log, 10, 20)
    log.write("end", state="finished", exit_code=0, findings=[])
    send_all(sender)
    assert said(team.store) == reference(tmp_path, tmp_path)
    assert sorted(team.store.sources(run.id)) == ["model/net.py", "train.py"]


def test_a_server_that_takes_little_gets_little(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, steps=400)

    def fault(line: str, length: int) -> Fault:
        return Fault("refuse", status=413) if length > 900 else PASS

    with Proxy(team.port, fault) as proxy:
        sender = Sender(team.client(proxy.port), run)
        send_all(sender)
        assert 0 < proxy.met["refuse"] < 12
    assert said(team.store) == reference(tmp_path, tmp_path)
    assert sender.sent.ranks[0].skipped == 0


def test_a_line_too_large_for_the_server_is_left_out_and_told(tmp_path: Path, team: Team) -> None:
    run = create_run(tmp_path, "train")
    log = Journal(run.journal(0))
    log_steps(log, 0, 50)
    log.write("log", step=50, text=random.Random(1).randbytes(90_000).hex())
    log_steps(log, 51, 100)

    def fault(line: str, length: int) -> Fault:
        return Fault("refuse", status=413) if length > 40_000 else PASS

    with Proxy(team.port, fault) as proxy:
        sender = Sender(team.client(proxy.port), run)
        send_all(sender)
    sender.note()
    assert json.loads((run.path / "sync.json").read_text())["ranks"]["0"]["skipped"] == 1
    assert team.store.journals(run.id)[0].cursor == run.journal(0).stat().st_size
    (told,) = team.store.events(run.id, kinds=["error"])
    assert "too large to be sent" in told.record["error"]
    (key,) = team.store.series_keys(run.id)
    assert team.store.series(run.id, key).steps.tolist() == [*range(50), *range(51, 100)]


def test_a_small_line_is_never_left_out(tmp_path: Path, team: Team) -> None:
    """A server that calls everything too large is wrongly set up: it must not cost the run."""
    run = make_run(tmp_path)
    refusing = True

    def fault(line: str, length: int) -> Fault:
        return Fault("refuse", status=413) if refusing and line.startswith("POST") else PASS

    with Proxy(team.port, fault) as proxy:
        sender = Sender(team.client(proxy.port), run)
        for _ in range(50):
            attempt(sender)
        with pytest.raises(Trouble, match="refused by the proxy"):
            sender.send_next()
        assert team.store.journals(run.id) == {}
        refusing = False
        send_all(sender)
    assert said(team.store) == reference(tmp_path, tmp_path)
    assert sender.sent.ranks[0].skipped == 0


def test_a_line_too_large_to_be_read_is_left_out(tmp_path: Path, team: Team) -> None:
    run = create_run(tmp_path, "train")
    log_steps(Journal(run.journal(0)), 0, 5)
    with run.journal(0).open("ab") as file:
        for _ in range(10):
            file.write(b"x" * 2**20)
    sender = Sender(team.client(), run)
    send_all(sender)
    before = team.store.journals(run.id)[0].cursor
    assert whole_size(run.journal(0)) == before  # it may still be being written
    with run.journal(0).open("ab") as file:
        file.write(b"\n")
    log_steps(Journal(run.journal(0)), 5, 10)
    send_all(sender)
    assert sender.sent.ranks[0].skipped == 1
    assert team.store.journals(run.id)[0].cursor == run.journal(0).stat().st_size
    (key,) = team.store.series_keys(run.id)
    assert team.store.series(run.id, key).steps.tolist() == list(range(10))


def test_what_the_server_asks_to_wait_is_heeded(tmp_path: Path) -> None:
    run = make_run(tmp_path, steps=2)

    def fault(line: str, length: int) -> Fault:
        return Fault("refuse", status=429, headers="Retry-After: 7\r\n")

    with Proxy(1, fault) as proxy:
        client = Client(parse_server(f"http://127.0.0.1:{proxy.port}"))
        with pytest.raises(Trouble) as raised:
            Sender(client, run).send_next()
        client.close()
    assert raised.value.after == 7.0
    assert not raised.value.lasting


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_waiting_does_not_help_is_told(tmp_path: Path, status: int) -> None:
    run = make_run(tmp_path, steps=2)
    with Proxy(1, lambda line, length: Fault("refuse", status=status)) as proxy:
        client = Client(parse_server(f"http://127.0.0.1:{proxy.port}"))
        with pytest.raises(Trouble) as raised:
            Sender(client, run).send_next()
        client.close()
    assert raised.value.lasting
    assert raised.value.everywhere


def test_another_journal_of_the_same_id_is_not_mixed_in(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, steps=10)
    send_all(Sender(team.client(), run))
    before = said(team.store)
    run.journal(0).unlink()
    log_steps(Journal(run.journal(0)), 0, 500)
    with pytest.raises(Trouble, match="another journal") as raised:
        send_all(Sender(team.client(), run))
    assert raised.value.lasting
    assert said(team.store) == before


def test_a_cursor_within_a_line_is_not_believed(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, steps=10)
    answer = json.dumps({"run": run.id, "journals": [{"rank": 0, "cursor": 5, "head": ""}]})
    text = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode()
    with answering(text) as port:
        with pytest.raises(Trouble, match="no line begins") as raised:
            send_all(Sender(team.client(port), run))
        assert raised.value.lasting


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + b'["a"',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}",
    ],
)
def test_what_is_no_answer_of_a_server_is_no_success(
    tmp_path: Path, team: Team, answer: bytes
) -> None:
    run = make_run(tmp_path, steps=3)
    with answering(answer) as port, pytest.raises(Trouble) as raised:
        Sender(team.client(port), run).send_next()
    assert not raised.value.lasting


# the address and the token ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "url", "exposed"),
    [
        ("http://localhost:6120/", "http://localhost:6120", False),
        ("http://127.3.0.1", "http://127.3.0.1", False),
        ("http://[::1]:80/a/b/", "http://[::1]/a/b", False),
        ("https://host:443", "https://host", False),
        ("http://host", "http://host", True),
        ("http://10.0.0.1:99", "http://10.0.0.1:99", True),
        (" https://größe.example ", "https://xn--grsse-kua.example", False),
    ],
)
def test_addresses(given: str, url: str, exposed: bool) -> None:
    server = parse_server(given, "secret")
    assert (server.url, server.exposed) == (url, exposed)
    assert "secret" not in repr(server)


@pytest.mark.parametrize(
    "bad",
    [
        *("", "host", "host:80", "ftp://host", "http://", "http://h:99999", "http://h/?q=1"),
        *("file:///x", "http://h\r\nX: 1/", "http://h/a b"),
    ],
)
def test_what_is_no_address_is_told(bad: str) -> None:
    with pytest.raises(UsageError, match="expected a server such as"):
        parse_server(bad)


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError) as raised:
        parse_server("https://user:hunter2@host")
    assert "hunter2" not in str(raised.value)


def test_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREMA_TOKEN", raising=False)
    assert read_token() is None
    monkeypatch.setenv("TREMA_TOKEN", " abc\n")
    assert read_token() == "abc"
    file = tmp_path / "token"
    file.write_text("def\n")
    assert read_token(file) == "def"
    for bad in ("", "two words", "ü", "a\r\nX-Header: b"):
        file.write_text(bad)
        with pytest.raises(UsageError) as raised:
            read_token(file)
        assert "Header" not in str(raised.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read_token(tmp_path / "none")


# pieces -----------------------------------------------------------------------------------------


def test_pieces_are_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    path.write_bytes(b"a\nbb\nccc\ndddddddd\ne")
    starts, found = 0, []
    while (piece := next_piece(path, starts, 5)) is not None:
        found.append((piece.data, piece.single))
        starts = piece.end
    assert found == [(b"a\nbb\n", False), (b"ccc\n", True), (b"dddddddd\n", True)]
    assert next_piece(path, 99, 5) is None


def test_the_newest_note_of_each_rank_counts(tmp_path: Path) -> None:
    run = make_run(tmp_path, ranks=2, steps=3)
    size = run.journal(1).stat().st_size
    assert unsent(run) is None
    note = {"server": "http://a", "ranks": {"0": {"sent": 10}, "1": {"sent": size}}, "time": 1.0}
    (run.path / "sync-1.json").write_text(json.dumps({**note, "problem": "away"}))
    note |= {"ranks": {"0": {"sent": run.journal(0).stat().st_size}}, "time": 2.0}
    (run.path / "sync.json").write_text(json.dumps(note))
    assert unsent(run) == 0
    sent = read_sent(run)
    assert sent is not None
    assert sent.problem == "away"
    (run.path / "sync.json").write_text(json.dumps({**note, "server": "http://b", "ranks": []}))
    assert unsent(run) == run.journal(0).stat().st_size + size
    for bad in ("", "[]", "{", '{"server": 1}', "[" * 10_000, '{"server": "x", "ranks": {"a": 1}}'):
        (run.path / "sync.json").write_text(bad)
        read_sent(run)


def test_a_batch_that_breaks_off_again_and_again_gets_smaller(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path, steps=3000)

    def fault(line: str, length: int) -> Fault:
        return Fault("cut-body", amount=0.5) if length > 9000 else PASS

    with Proxy(team.port, fault) as proxy:
        send_all(Sender(team.client(proxy.port), run))
    assert said(team.store) == reference(tmp_path, tmp_path)


# TLS --------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that no authority signed, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    file = tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    key = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(tmp_path / "key.pem")]
    command = [openssl, "req", "-x509", *key, *subject, "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + (tmp_path / "key.pem").read_text())
    return file


def test_certificates_are_checked(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, steps=3)
    with answering(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\n{}", certificate) as port:
        for name, trusted, expected in (
            ("localhost", False, "certificate is not accepted"),
            ("localhost", True, "does not know the token"),
            ("127.0.0.1", True, "certificate is not accepted"),  # it is for another name
        ):
            if trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            client = Client(parse_server(f"https://{name}:{port}", "token"))
            with pytest.raises(Trouble, match=expected):
                Sender(client, run).send_next()
            client.close()
