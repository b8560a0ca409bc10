"""Telling: a real HTTP receiver, a real SMTP receiver, real programs."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from email import message_from_string
from email.policy import default
from pathlib import Path

import pytest

from tests.api.receivers import Hook, open_hook, open_post, wait_for
from trema.api.alerts_news import News
from trema.api.alerts_outbox import Outbox
from trema.api.alerts_rules import Command, Mail, Rule, Webhook
from trema.api.alerts_send import SendFailed, send
from trema.api.models import Card, Counts, FixItem, LinkSet, Moment, Place, RunRow

HOSTILE = "<!channel> @all <b>\u202e\x1b[31m\nSubject: x"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with open_hook() as opened:
        yield opened


def row(name: str = "train", state: str = "running") -> RunRow:
    return RunRow(
        id="r1",
        name=name,
        framework="torch",
        state=state,
        exit_code=1 if state == "crashed" else None,
        started=1.0,
        updated=2.0,
        seconds=3725.0,
        steps=1000,
        epochs=3,
        revision=1,
        counts=Counts(error=2, info=1),
        top="inputs are not scaled",
        sparkline=None,
        tags=[],
        archived=False,
        host=None,
        unsent=None,
    )


def news(name: str = "train", message: str = "inputs reach 255") -> News:
    moment = Moment(step=7, epoch=0)
    card = Card(
        key="0:abc",
        id="abc",
        check="input-scale",
        cause="data",
        kind="causal",
        severity="error",
        state="active",
        rank=1,
        explained_by=[],
        segment=0,
        ranks=[0],
        title="inputs are not scaled",
        message=message,
        confidence="measured",
        confirmation=None,
        where={},
        layer=None,
        parameter=None,
        location=Place(file="train.py", line=31),
        first=moment,
        last=moment,
        count=1,
        spans=[(0, 0)],
        history=[],
        evidence=[],
        fixes=[FixItem(text="divide by 255")],
        links=LinkSet(),
        mute=None,
        revision=1,
    )
    url = "http://127.0.0.1:6120/#/run/r1?finding=0%3Aabc"
    return News(kind="finding", row=row(name), mark=card.key, card=card, url=url)


def by(way: Webhook | Command | Mail) -> Rule:
    return Rule(name="team", on=("finding",), level="error", by=way)


# webhook ----------------------------------------------------------------------------------


def test_a_webhook_gets_text_and_fields(hook: Hook) -> None:
    send(by(Webhook(url=hook.url("/a?b=c"), headers={"Authorization": "Bearer s"})), news())
    [(path, headers, body)] = hook.got
    assert path == "/a?b=c"
    assert headers["Authorization"] == "Bearer s"
    assert headers["Content-Type"].startswith("application/json")
    said = json.loads(body)
    assert said["text"].splitlines() == [
        "Trema: error in train: inputs are not scaled",
        "inputs reach 255",
        "at train.py:31",
        "fix: divide by 255",
        "http://127.0.0.1:6120/#/run/r1?finding=0%3Aabc",
    ]
    assert (said["kind"], said["rule"], said["run"]["id"]) == ("finding", "team", "r1")
    assert said["finding"]["place"] == "train.py:31"
    assert (said["finding"]["epoch"], said["finding"]["step"]) == (0, 7)


def test_an_end_says_how_the_run_went() -> None:
    text = News(kind="crashed", row=row(state="crashed"), mark="x").text
    assert text.splitlines() == [
        "Trema: train has crashed",
        "3 epochs, 1,000 steps, 62 min",
        "findings: 2 error, 1 info",
        "to fix first: inputs are not scaled",
    ]


def test_words_of_the_script_are_inert_and_bounded(hook: Hook) -> None:
    send(by(Webhook(url=hook.url())), news(HOSTILE * 1000, "x" * 10**6 + HOSTILE))
    said = json.loads(hook.got[0][2])
    text = said["text"]
    assert not set("<>@\x1b\u202e") & set(text)
    assert r"\u202e" in text
    assert len(text) < 5000
    assert len(hook.got[0][2]) < 10_000


@pytest.mark.parametrize(("code", "again"), [(404, False), (410, False), (429, True), (503, True)])
def test_an_answer_that_refuses(hook: Hook, code: int, again: bool) -> None:
    hook.answers = [(code, {"Retry-After": "7"})]
    with pytest.raises(SendFailed, match=f"webhook to 127.0.0.1 answered {code}") as caught:
        send(by(Webhook(url=hook.url("/secret-path"))), news())
    assert (caught.value.again, caught.value.wait) == (again, 7.0)
    assert "secret" not in str(caught.value)


def test_a_redirect_is_followed_on_the_same_host_only(hook: Hook) -> None:
    hook.answers = [(307, {"Location": "/moved"})]
    send(by(Webhook(url=hook.url(), headers={"X-Key": "k"})), news())
    assert [(path, headers.get("X-Key")) for path, headers, _ in hook.got] == [
        ("/hook", "k"),
        ("/moved", "k"),
    ]
    assert hook.got[0][2] == hook.got[1][2]
    with open_hook() as other:
        for code, place in (
            (307, other.url()),
            (308, hook.url(host="localhost")),
            (302, "/moved"),
            (307, "file:///etc/passwd"),
        ):
            hook.answers = [(code, {"Location": place})]
            with pytest.raises(SendFailed):
                send(by(Webhook(url=hook.url(), headers={"X-Key": "k"})), news())
        assert other.got == []


def test_nobody_listens_or_answers(hook: Hook) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(SendFailed, match="cannot be reached") as caught:
            send(by(Webhook(url=f"http://127.0.0.1:{port}/")), news())
        assert caught.value.again
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        with pytest.raises(SendFailed, match="answer within") as caught:
            send(by(Webhook(url=url)), news(), timeout=0.2)
        assert caught.value.again


# command ----------------------------------------------------------------------------------


def program(text: str, *arguments: str) -> Rule:
    return by(Command(argv=(sys.executable, "-c", text, *arguments)))


def test_a_program_gets_arguments_environment_and_json(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    text = (
        "import json, os, sys; e = {k: v for k, v in os.environ.items() if 'TREMA_ALERT' in k};"
        "json.dump([sys.argv[1:], e, json.load(sys.stdin)], open(sys.argv[1], 'w'))"
    )
    send(program(text, str(out), "$(touch x); `id`"), news("a\0b; $(id)"))
    arguments, environment, said = json.loads(out.read_text())
    assert arguments == [str(out), "$(touch x); `id`"]
    assert environment["TREMA_ALERT_KIND"] == "finding"
    assert environment["TREMA_ALERT_SEVERITY"] == "error"
    assert environment["TREMA_ALERT_RUN_NAME"] == r"a\x00b; $(id)"
    assert said["finding"]["check"] == "input-scale"


def test_a_program_that_fails_or_is_not_there() -> None:
    with pytest.raises(SendFailed, match=r"ended with 3: .*it broke") as caught:
        send(program("import sys; print('it broke', file=sys.stderr); sys.exit(3)"), news())
    assert caught.value.again
    with pytest.raises(SendFailed, match=r"no-such-program cannot be started \(No such file"):
        send(by(Command(argv=("/no-such-program",))), news())


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "open(sys.argv[1], 'w').write(str(p.pid)); time.sleep(60)"
    )
    place = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(SendFailed, match="did not end within 2 s") as caught:
        send(program(text, str(place)), news(), timeout=2)
    assert not caught.value.again
    assert time.monotonic() - begun < 20
    child = Path(f"/proc/{place.read_text()}/stat")
    wait_for(lambda: not child.exists() or child.read_text().split()[2] == "Z")


# mail -------------------------------------------------------------------------------------


def letter(port: int, **changes: str) -> Rule:
    return by(
        Mail(
            to=("a@example.com", "b@example.com"),
            sender="trema@example.com",
            host="127.0.0.1",
            port=port,
            starttls=False,
        )
    )


def test_an_e_mail_is_sent() -> None:
    with open_post() as post:
        send(letter(post.port), news(HOSTILE))
        [(to, text)] = post.mails
    assert [line.split("<")[1].rstrip(">") for line in to] == ["a@example.com", "b@example.com"]
    mail = message_from_string(text, policy=default)
    assert mail["Subject"].startswith("Trema: error in <!channel> @all <b>")
    assert len(mail.get_all("Subject", [])) == 1
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "inputs reach 255" in mail.get_content()


def test_an_e_mail_that_is_refused_or_cannot_be_sent() -> None:
    with (
        open_post(refuse=b"550 no") as post,
        pytest.raises(SendFailed, match="refused the recipients"),
    ):
        send(letter(post.port), news())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(SendFailed, match=r"e-mail through 127.0.0.1 failed") as caught:
            send(letter(unused.getsockname()[1]), news())
        assert caught.value.again


# outbox -----------------------------------------------------------------------------------


def test_what_fails_is_tried_again_and_the_failure_seen(hook: Hook) -> None:
    hook.answers = [(500, {}), (500, {}), (500, {}), (500, {})]
    box = Outbox(by(Webhook(url=hook.url())), waits=(0.01, 0.01))
    box.put(news())
    wait_for(lambda: len(hook.got) == 3)
    time.sleep(0.05)
    assert (len(hook.got), box.error, box.last) == (3, "webhook to 127.0.0.1 answered 500", None)
    box.put(news())
    wait_for(lambda: box.error is None)
    assert len(hook.got) == 5
    assert box.last is not None
    assert abs(box.last - time.time()) < 5
    hook.answers = [(404, {})]
    box.put(news())
    wait_for(lambda: box.error)
    box.close()
    assert len(hook.got) == 6  # not tried again


def test_a_slow_receiver_holds_up_nobody_and_fills_no_memory(hook: Hook) -> None:
    import threading

    hook.wait = threading.Event()
    box = Outbox(by(Webhook(url=hook.url())), size=3)
    begun = time.monotonic()
    taken = [box.put(news()) for _ in range(10)]
    assert time.monotonic() - begun < 0.5
    assert 3 <= sum(taken) <= 4
    assert box.error is not None
    assert "3 alerts wait" in box.error
    hook.wait.set()
    box.close()
    assert len(hook.got) == sum(taken)


def test_closing_waits_no_longer_than_told(hook: Hook) -> None:
    hook.answers = [(500, {})]
    box = Outbox(by(Webhook(url=hook.url())), waits=(60.0,))
    box.put(news())
    wait_for(lambda: box.error)
    begun = time.monotonic()
    box.close(2.0)
    assert time.monotonic() - begun < 1.0
