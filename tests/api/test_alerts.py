"""Watching: what is news, to whom, and that each is told once."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.receivers import Hook, open_hook, wait_for
from tests.api.written_runs import Writing, finding, several, write_run
from trema.api.alerts import Watcher, when
from trema.api.alerts_rules import Rule, Webhook
from trema.api.models import EpochMark, NewMute
from trema.api.queries import Queries
from trema.store import open_store
from trema.store.following import Follower
from trema.store.sql import SqlStore

ALL = ("finding", "crashed", "finished")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with open_hook() as opened:
        yield opened


class Watch:
    """A process that follows a folder and watches it."""

    def __init__(self, root: Path, url: str, hook: Hook, **changes: object) -> None:
        self.store: SqlStore = open_store(url)
        self.follower = Follower(root, self.store)
        self.queries = Queries(self.store, root=root)
        settings: dict[str, object] = {"name": "team", "on": ALL, "level": "error"}
        rule = Rule(by=Webhook(url=hook.url()), **{**settings, **changes})  # type: ignore[arg-type]  # by name
        self.watcher = Watcher(self.queries, [rule], base_url="http://x/", waits=())

    def step(self) -> None:
        self.follower.step()
        self.watcher.step()

    def close(self) -> None:
        self.watcher.close()
        self.store.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'index.db'}"


def said(hook: Hook) -> list[str]:
    """Kind, run and check of what was told."""
    told = [json.loads(body) for _, _, body in hook.got]
    return [
        " ".join(filter(None, (t["kind"], t["run"]["name"], (t["finding"] or {}).get("check"))))
        for t in told
    ]


def test_news_is_told_and_old_things_are_not(tmp_path: Path, url: str, hook: Hook) -> None:
    old = Writing(tmp_path, "old", started=1000.0)
    journal = old.folder.journal(0)
    old.find(finding("a"))
    old.end([finding("a")], state="crashed", exit_code=1)
    lines = journal.read_text().splitlines()
    aged = [json.dumps({**json.loads(line), "t": 2000.0}) for line in lines]
    journal.write_text("\n".join(aged) + "\n")
    watch = Watch(tmp_path, url, hook)
    watch.step()
    run = Writing(tmp_path, "new")
    run.describe()
    watch.step()
    assert hook.got == []
    run.find(finding("a"))
    watch.step()
    wait_for(lambda: said(hook) == ["finding new double-softmax"])
    run.find(finding("a", count=2))
    run.find(finding("b", severity="warning"))
    watch.step()
    run.find(finding("b", severity="critical", check="split-overlap"))
    watch.step()
    wait_for(lambda: len(hook.got) == 2)
    run.end([finding("a"), finding("b", severity="critical", check="split-overlap")])
    watch.step()
    watch.step()
    watch.close()
    assert said(hook)[1:] == ["finding new split-overlap", "finished new"]
    first = json.loads(hook.got[0][2])
    assert first["url"] == f"http://x/#/run/{run.id}?finding=0%3Aa"
    [alert] = watch.watcher.describe().alerts
    assert (alert.name, alert.by, alert.error) == ("team", "webhook", None)
    assert alert.last is not None


def test_a_run_that_began_before_and_goes_on(tmp_path: Path, url: str, hook: Hook) -> None:
    run = Writing(tmp_path, "long", started=time.time() - 7200)
    run.find(finding("a"))
    watch = Watch(tmp_path, url, hook)
    watch.step()
    run.find(finding("b", check="split-overlap"))
    watch.step()
    watch.close()
    assert said(hook) == ["finding long split-overlap"]


def test_each_is_told_once_over_all_processes(tmp_path: Path, url: str, hook: Hook) -> None:
    watches = [Watch(tmp_path, url, hook) for _ in range(3)]
    for watch in watches:
        watch.step()
    run = Writing(tmp_path, "train")
    run.describe()
    for number in range(8):
        run.find(finding(f"f{number}"))
    run.end([finding(f"f{number}") for number in range(8)], state="crashed", exit_code=1)
    threads = [threading.Thread(target=watch.step) for watch in watches for _ in range(2)]
    for thread in threads[::2]:
        thread.start()
    for thread in threads[::2]:
        thread.join()
    later = Watch(tmp_path, url, hook)  # a server that was started anew
    later.step()
    for watch in (*watches, later):
        watch.close()
    assert sorted(said(hook)) == ["crashed train", *["finding train double-softmax"] * 8]


def test_muted_explained_and_gone_findings_are_not_told(
    tmp_path: Path, url: str, hook: Hook
) -> None:
    watch = Watch(tmp_path, url, hook, level="warning")
    run = Writing(tmp_path, "train")
    watch.step()
    new = NewMute(scope="run", run=run.id, check="input-scale", reason="known")
    watch.queries.mute(new)
    for document in [finding("m", check="input-scale"), *several()]:
        run.find(document)
    watch.step()
    run.end([finding("m", check="input-scale"), *several()], state="interrupted")
    watch.step()
    watch.close()
    assert said(hook) == ["finding train learning-rate-sign", "finished train"]


def test_a_symptom_is_told_when_its_cause_is_too_mild_to_be(
    tmp_path: Path, url: str, hook: Hook
) -> None:
    watch = Watch(tmp_path, url, hook, level="error", on=("finding",))
    watch.step()
    run = Writing(tmp_path, "train")
    cause = finding("c", severity="info", check="input-scale")
    symptom = finding("s", check="nonfinite-loss", explained_by=["c"], rank=2)
    run.end([cause, symptom])
    watch.step()
    watch.close()
    assert said(hook) == ["finding train nonfinite-loss"]


def test_a_killed_run_and_one_that_comes_back(tmp_path: Path, url: str, hook: Hook) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tests.api.written_runs import Writing;"
        "run = Writing(Path(sys.argv[1]), 'train'); run.describe(); print('ready', flush=True);"
        "time.sleep(60)"
    )
    repository = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=repository
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    watch = Watch(tmp_path, url, hook, on=("crashed",))
    watch.step()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    def told_after_a_step() -> bool:
        watch.step()
        return bool(hook.got)

    wait_for(told_after_a_step, 20)
    told = json.loads(hook.got[0][2])
    assert (told["kind"], told["run"]["state"]) == ("crashed", "killed")
    for _ in range(3):
        watch.step()
    watch.close()
    assert len(hook.got) == 1


def test_a_failure_is_seen(tmp_path: Path, url: str, hook: Hook) -> None:
    hook.answers = [(404, {})]
    watch = Watch(tmp_path, url, hook, on=("finding",))
    watch.step()
    write_run(tmp_path)
    watch.step()
    wait_for(lambda: watch.watcher.problems)
    watch.close()
    [alert] = watch.watcher.describe().alerts
    assert (alert.error, alert.last) == ("webhook to 127.0.0.1 answered 404", None)
    assert watch.watcher.problems == [f"alert 'team': {alert.error}"]


def test_a_database_that_fails_once_costs_no_alert(
    tmp_path: Path, url: str, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(tmp_path, url, hook, on=("finished",))
    watch.step()
    run = write_run(tmp_path)
    watch.follower.step()
    with monkeypatch.context() as patch:
        patch.setattr(watch.queries, "run", lambda run: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            watch.watcher.step()
    watch.watcher.step()
    wait_for(lambda: hook.got)
    watch.close()
    assert json.loads(hook.got[0][2])["run"]["id"] == run


def test_a_run_that_is_deleted_in_between(tmp_path: Path, url: str, hook: Hook) -> None:
    watch = Watch(tmp_path, url, hook)
    watch.step()
    run = write_run(tmp_path)
    watch.follower.step()
    watch.store.delete_run(run)
    watch.watcher.step()
    watch.close()
    assert hook.got == []


def test_between_which_times_a_finding_was_first_seen(tmp_path: Path, url: str, hook: Hook) -> None:
    write_run(tmp_path)
    watch = Watch(tmp_path, url, hook)
    watch.follower.step()
    [row] = watch.queries.runs().runs
    cards = {card.id[0]: card for card in watch.queries.cards(row.id).cards}
    marks = [EpochMark(segment=0, epoch=n, step=n, time=100.0 + n) for n in range(6)]
    row = row.model_copy(update={"started": 90.0, "updated": 200.0})
    assert when(cards["c"], row, marks) == (90.0, 100.0)  # before training
    assert when(cards["a"], row, marks) == (90.0, 100.0)
    assert when(cards["b"], row, marks) == (103.0, 104.0)
    assert when(cards["d"], row, marks) == (105.0, 200.0)
    assert when(cards["a"], row, []) == (90.0, 200.0)
    watch.close()
