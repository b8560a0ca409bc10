"""The application over a real folder of runs: routes, streams, files, following."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from tests.api.runs import make_run, open_run
from tests.api.serving import TOKEN, Served, local, served
from trema.api.app import create_app
from trema.api.events import EventStream, Feed
from trema.api.follow import Follow
from trema.api.models import Changes, RunChange
from trema.api.running import Running
from trema.api.static_files import PACKAGED
from trema.journal.folder import RunFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[str]:
    return [make_run(folder / ".trema", name) for name in ("first", "second")]


@pytest.fixture(scope="module")
def client(folder: Path, runs: list[str]) -> Iterator[TestClient]:
    head = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(create_app(local(folder)), "http://127.0.0.1", headers=head) as found:
        wait_for(lambda: len(found.get("/api/runs").json()["runs"]) == len(runs))
        yield found


def wait_for(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def get(client: TestClient, place: str, **parameters: Any) -> Any:
    answer = client.get(f"/api/{place}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


# reading --------------------------------------------------------------------------------------


def test_the_list_and_a_run(client: TestClient, runs: list[str]) -> None:
    page = get(client, "runs", sort="name", order="asc")
    assert [row["id"] for row in page["runs"]] == runs
    assert page["total"] == 2
    detail = get(client, f"runs/{runs[0]}")
    assert detail["row"] == page["runs"][0]
    assert detail["sources"] == ["train.py"]
    cards = get(client, f"runs/{runs[0]}/findings")
    assert cards["order"] == [card["key"] for card in cards["cards"]]
    assert get(client, f"runs/{runs[0]}/findings", after=cards["revision"])["cards"] == []
    assert get(client, "runs", search="second", limit=1)["runs"][0]["name"] == "second"


def test_series_and_their_points(client: TestClient, runs: list[str]) -> None:
    listed = get(client, f"runs/{runs[0]}/series", fact="metric")["series"]
    assert {series["fact"] for series in listed} == {"metric"}
    key = listed[0]["key"]
    both = get(client, f"runs/{runs[0]}/points", key=[key, f"{key}:2"])["series"]
    assert both[0]["steps"] == [0, 1, 2, 3]
    assert both[1]["steps"] == [2, 3]
    assert both[0]["position"] == both[1]["position"] == 4


def test_the_other_pages(client: TestClient, runs: list[str]) -> None:
    run = f"runs/{runs[0]}"
    assert get(client, f"{run}/network")["layers"][0]["name"] == "0"
    heat = get(client, f"{run}/heat", fact="gradient-norm", columns=5)
    assert len(heat["edges"]) == len(heat["cells"][0]) + 1
    assert get(client, f"{run}/cell", layer="0", step=3)["layer"] == "0"
    assert "nn.Sequential" in get(client, f"{run}/source", path="train.py")["text"]
    assert get(client, f"{run}/events", limit=3)["events"]
    compared = get(client, "compare", run=runs)
    assert [row["id"] for row in compared["runs"]] == runs
    checks = get(client, "checks")
    assert get(client, f"checks/{checks[0]['id']}") == checks[0]
    assert get(client, "alerts") == {"alerts": []}
    status = get(client, "status")
    assert (status["mode"], status["writable"], status["problems"]) == ("local", True, [])


@pytest.mark.parametrize(
    ("format", "type"), [("json", "application/json"), ("csv", "text/csv"), ("html", "text/html")]
)
def test_a_run_is_exported(client: TestClient, runs: list[str], format: str, type: str) -> None:
    answer = client.get(f"/api/runs/{runs[0]}/export", params={"format": format})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(type)
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="trema-{runs[0]}.{format}"'
    )
    assert answer.content
    if format == "json":
        answer.json()


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("runs/nothing", 404, "nothing"),
        ("runs/nothing/export", 404, "nothing"),
        ("runs/nothing/points?key=" + "0" * 32, 404, "nothing"),
        ("runs?after=nothing", 404, "nothing"),
        ("checks/dead-unit", 404, "dead-unit"),
        ("nothing", 404, "openapi.json"),
        ("runs?limit=0", 422, "limit should be greater than or equal to 1 but got '0'"),
        ("runs?sort=size", 422, "sort should be 'started'"),
        ("runs?search=" + "x" * 300, 422, "search should have at most 255 characters"),
        ("runs/{run}/points", 422, "key"),
        ("runs/{run}/points?key=loss", 422, "key.0 should be a key of the list of series"),
        ("runs/{run}/points?" + "&".join(["key=" + "0" * 32] * 65), 422, "at most 64 items"),
        ("runs/{run}/points?start=5&end=4&key=" + "0" * 32, 422, "end should be at least start, 5"),
        ("runs/{run}/heat?fact=loss", 422, "fact should be"),
        ("runs/{run}/cell?layer=0", 422, "step is missing: give it"),
        ("runs/{run}/source?path=../x", 404, "x"),
        ("runs/..%5Cx", 422, "without control characters"),
        ("compare?run={run}", 422, "run should have at least 2 items"),
        ("runs/{run}/export?format=pickle", 422, "format"),
        ("stream?cursor=" + "x" * 300, 422, "cursor"),
    ],
)
def test_mistakes_are_told(
    client: TestClient, runs: list[str], path: str, status: int, told: str
) -> None:
    answer = client.get(f"/api/{path.format(run=runs[0])}")
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "expected"}
    assert told in answer.json()["error"]


def test_a_wrong_method_names_the_right_one(client: TestClient) -> None:
    answer = client.get("/api/prune")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# writing --------------------------------------------------------------------------------------


def test_people_mute_tag_and_archive(client: TestClient, runs: list[str]) -> None:
    run = runs[1]
    new = {"scope": "run", "run": run, "check": "input-scale", "reason": "meant"}
    answer = client.post("/api/mutes", json=new)
    assert answer.status_code == 201, answer.text
    mute = answer.json()
    assert get(client, "mutes")["mutes"] == [mute]
    assert client.delete(f"/api/mutes/{mute['id']}").status_code == 204
    assert get(client, "mutes")["mutes"] == []
    assert client.put(f"/api/runs/{run}/tags", json={"tags": ["b", "a"]}).status_code == 200
    assert get(client, "runs", tag="a")["total"] == 1
    assert client.put(f"/api/runs/{run}/archived", json={"archived": True}).json()["archived"]
    assert get(client, "runs")["total"] == 1
    assert get(client, "runs", archived=True)["total"] == 1
    client.put(f"/api/runs/{run}/archived", json={"archived": False})
    assert client.post("/api/mutes", json={**new, "check": "no-such"}).status_code in (404, 422)
    assert client.delete("/api/mutes/nothing").status_code == 404


def test_runs_are_deleted_with_their_folder(folder: Path, client: TestClient) -> None:
    run = make_run(folder / ".trema", "third")
    wait_for(lambda: client.get(f"/api/runs/{run}").status_code == 200)
    dry = client.post("/api/prune", json={"keep": 2}).json()
    assert dry["dry"] is True
    assert len(dry["runs"]) == 1
    assert client.delete(f"/api/runs/{run}").status_code == 204
    assert not RunFolder(folder / ".trema" / "runs" / run).path.exists()
    assert client.get(f"/api/runs/{run}").status_code == 404


# live -----------------------------------------------------------------------------------------


def events_of(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


@pytest.mark.timeout(60)
def test_a_stream_tells_what_changes(tmp_path: Path) -> None:
    with served(local(tmp_path)) as site, site.client() as client:
        with client.stream("GET", "/api/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            events = events_of(answer)
            assert next(events)["all"] is True
            session = open_run(tmp_path / ".trema")
            assert session.folder is not None
            event = next(events)
            assert [run["id"] for run in event["runs"]] == [session.folder.id]
            session.finish("finished", 0)
            while event["runs"][0]["state"] != "finished":
                event = next(events)
            client.delete(f"/api/runs/{session.folder.id}")
            while not event["removed"]:
                event = next(events)
            assert event["removed"] == [session.folder.id]
            cursor = event["cursor"]
        again = client.get("/api/changes", params={"cursor": cursor}).json()
        assert again["all"] is False


@pytest.mark.timeout(60)
def test_streams_share_one_look_and_miss_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    with served(local(tmp_path)) as site:
        real = site.running.queries.changes

        def counted(cursor: str | None) -> Changes:
            nonlocal looks
            looks += 1
            return real(cursor)

        monkeypatch.setattr(site.running.queries, "changes", counted)
        seen: list[set[str]] = [set() for _ in range(5)]
        made: list[str] = []

        def listen(place: int) -> None:
            with site.client() as client, client.stream("GET", "/api/stream") as answer:
                for event in events_of(answer):
                    seen[place] |= {run["id"] for run in event["runs"]}
                    if len(seen[place]) >= 4:
                        return

        threads = [threading.Thread(target=listen, args=(place,)) for place in range(5)]
        for thread in threads:
            thread.start()
        wait_for(lambda: looks >= 5)  # all listen
        start, before = time.monotonic(), looks
        for number in range(4):
            session = open_run(tmp_path / ".trema", f"run {number}")
            session.finish("finished", 0)
            assert session.folder is not None
            made.append(session.folder.id)
        for thread in threads:
            thread.join(20)
        assert seen == [set(made)] * 5
        assert looks - before <= 2 * (time.monotonic() - start) + 6


def test_a_server_ends_with_streams_open(tmp_path: Path) -> None:
    with served(local(tmp_path)) as site:
        client = site.client()
        stream = client.stream("GET", "/api/stream")
        answer = stream.__enter__()
        events = events_of(answer)
        next(events)
        start = time.monotonic()
    assert list(events) == []  # it ended as streams end, not in the middle
    assert time.monotonic() - start < 5  # about 0.3 alone
    client.close()


def test_small_answers_are_not_kept_back(tmp_path: Path) -> None:
    with served(local(tmp_path)) as site, site.client() as client:
        seconds = []
        for _ in range(30):
            start = time.perf_counter()
            client.get("/api/checks")
            seconds.append(time.perf_counter() - start)
    # the system would wait about 40 ms for an acknowledgement; else it takes 2
    assert min(seconds) < 0.02


def test_a_busy_stream_ends_with_its_token() -> None:
    """A run in training changes twice a second, so that the stream is never silent."""

    class Busy:
        number = 0

        def changes(self, cursor: str | None) -> Changes:
            self.number += 1
            run = RunChange(id="run", revision=self.number, state="running")
            return Changes(cursor=str(self.number), runs=[run], removed=[], all=False)

    good = True
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        nonlocal good
        sent.append(message.get("body", b""))
        good = len(sent) < 5  # then it is revoked

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def listen() -> None:
        feed = Feed(Busy(), interval=0.02)
        stream = EventStream(feed, None, place=nullcontext(), allowed=lambda: good, heartbeat=0.3)
        await asyncio.wait_for(stream({}, receive, send), 5)
        await feed.stop()

    asyncio.run(listen())
    assert len(sent) > 5
    assert sent[-1] == b""


def test_what_adds_up_in_a_letter_box() -> None:
    from trema.api.events import merged

    def changes(cursor: str, *runs: tuple[str, int], removed: tuple[str, ...] = ()) -> Changes:
        found = [RunChange(id=id, revision=number, state="running") for id, number in runs]
        return Changes(cursor=cursor, runs=found, removed=list(removed), all=False)

    both = merged(changes("1", ("a", 1), ("b", 1)), changes("2", ("a", 2), removed=("b",)))
    assert both == changes("2", ("a", 2), removed=("b",))
    again = merged(both, changes("3", ("b", 3)))
    assert again == changes("3", ("a", 2), ("b", 3))


def test_what_was_told_is_not_told_again() -> None:
    from trema.api.events import News

    def changes(*runs: tuple[str, int], removed: tuple[str, ...] = ()) -> Changes:
        found = [RunChange(id=id, revision=number, state="running") for id, number in runs]
        return Changes(cursor="1", runs=found, removed=list(removed), all=False)

    news = News()
    assert news.of(changes(("a", 1))) == changes(("a", 1))
    assert news.of(changes(("a", 1))) is None
    assert news.of(changes(("a", 1), ("b", 1))) == changes(("b", 1))
    assert news.of(changes(removed=("a",))) == changes(removed=("a",))
    assert news.of(changes(removed=("a",))) is None
    assert news.of(changes(("a", 1))) == changes(("a", 1))
    assert news.of(changes(removed=("a",))) == changes(removed=("a",))


def test_following_goes_on_after_a_failure() -> None:
    calls: list[int] = []
    good = threading.Event()

    def step() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("the disk\x1b is away")
        good.set()

    follow = Follow({"reading the journals": step, "other": lambda: None}, pause=0.2)
    follow.start()
    wait_for(lambda: follow.problems)
    assert follow.problems == [r"reading the journals failed (OSError: the disk\x1b is away)"]
    assert good.wait(10)
    wait_for(lambda: not follow.problems)
    follow.stop()


def test_a_failure_to_follow_is_a_line_of_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object) -> int:
        raise OSError("no disk")

    monkeypatch.setattr("trema.store.following.Follower.step", broken)
    with served(local(tmp_path)) as site, site.client() as client:
        wait_for(lambda: client.get("/api/status").json()["problems"])
        assert "no disk" in client.get("/api/status").json()["problems"][0]


# the page -------------------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path: Path) -> Iterator[httpx.Client]:
    from dataclasses import replace

    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><html>the page</html>")
    (static / "assets" / "index-Ab3_d9-x.js").write_text("run()")
    (static / "assets" / "plain.css").write_text("b {}")
    (static / "assets" / "secret.py").write_text("secret")
    (static / "link.js").symlink_to(tmp_path / "outside.js")
    (tmp_path / "outside.js").write_text("outside")
    with served(replace(local(tmp_path), static=static)) as site, site.client(None) as client:
        yield client


def test_the_page_and_its_assets(page: httpx.Client) -> None:
    index = page.get("/")
    assert "the page" in index.text
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert index.headers["cache-control"] == "no-store"
    asset = page.get("/assets/index-Ab3_d9-x.js")
    assert asset.headers["content-type"].startswith("text/javascript")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert page.get("/assets/plain.css").headers["cache-control"] == "no-store"
    head = page.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(index.content)
    assert page.post("/").status_code == 405


@pytest.mark.parametrize("path", ["/assets", "/assets/", "/assets/secret.py", "/link.js", "/x.js"])
def test_other_files_are_not_there(page: httpx.Client, path: str) -> None:
    assert page.get(path).status_code == 404


def test_a_page_that_is_not_built_says_how(tmp_path: Path) -> None:
    from dataclasses import replace

    static = tmp_path / "none"
    with served(replace(local(tmp_path), static=static)) as site, site.client(None) as client:
        answer = client.get("/")
        assert "npm run build" in answer.text
        assert answer.headers["content-type"].startswith("text/plain")
        static.mkdir()
        (static / "index.html").write_text("<html>built</html>")
        assert "built" in client.get("/").text


def test_the_built_page_keeps_to_the_policy() -> None:
    index = PACKAGED / "index.html"
    if not index.exists():
        pytest.skip("needs the built page: make web")
    text = index.read_text(encoding="utf-8")
    assert "<style" not in text
    assert "style=" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_the_application_works_below_a_prefix(folder: Path, runs: list[str]) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    inner = create_app(local(folder))
    outer = Starlette(routes=[Mount("/plugin/trema", app=inner)])
    running = Running.open(local(folder))
    inner.state.running = running  # a host starts what it mounts
    try:
        with TestClient(outer, "http://127.0.0.1") as client:
            assert client.get("/plugin/trema/api/checks").status_code == 401
            head = {"Authorization": f"Bearer {TOKEN}"}
            assert client.get("/plugin/trema/api/checks", headers=head).status_code == 200
            assert client.get("/plugin/trema/nothing.js").status_code == 404
    finally:
        running.store.close()


def test_the_served_fixture_is_a_server(tmp_path: Path) -> None:
    with served(local(tmp_path)) as site:
        assert isinstance(site, Served)
        with site.client() as client:
            assert client.get("/api/runs").json()["runs"] == []
