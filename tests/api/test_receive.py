"""What clients send: taken in once, bounded, and refused with a sentence where it cannot be."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException

from tests.api.serving import Served, local, served, team
from trema.api.access import create_token
from trema.api.unpacking import unpack
from trema.api.validating import NAME, broken_bound, read_lines
from trema.core.nesting import DEPTH
from trema.store.base import SeriesKey

LOSS = SeriesKey(fact="loss")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(team(tmp_path)) as running:
        yield running


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with writer(server) as client:
        yield client


def writer(server: Served, name: str = "ann") -> httpx.Client:
    return server.client(create_token(server.running.store, name, scope="write")[1])


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def loss(step: int, value: Any = 1.0, **fields: Any) -> dict[str, Any]:
    return {"kind": "facts", "t": 1.0, "step": step, "values": {"loss": {"": value}}, **fields}


def begun(client: httpx.Client, run: str = "run", **metadata: Any) -> None:
    answer = client.put(f"/api/runs/{run}", json={"metadata": {"name": run, **metadata}})
    assert answer.json() == {"run": run, "journals": [], "dropped": 0}


def send(client: httpx.Client, data: bytes, start: int = 0, **query: Any) -> httpx.Response:
    headers = query.pop("headers", {})
    parameters = {"start": start, **query}
    return client.post("/api/runs/run/journals/0", params=parameters, content=data, headers=headers)


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert all(word in error for word in words), error
    assert len(error) < 400


def test_a_batch_twice_is_a_batch_once(client: httpx.Client, server: Served) -> None:
    begun(client)
    data = lines(loss(0), loss(1))
    for _ in range(2):
        answer = send(client, data, head="ab")
        assert answer.json() == {
            "run": "run",
            "journals": [{"rank": 0, "cursor": len(data), "head": "ab"}],
            "dropped": 0,
        }
    assert client.get("/api/runs/run/journals").json()["journals"] == answer.json()["journals"]
    assert server.running.store.series("run", LOSS).steps.tolist() == [0, 1]


def test_a_gap_and_another_journal_are_conflicts(client: httpx.Client) -> None:
    begun(client)
    size = len(lines(loss(0)))
    send(client, lines(loss(0)), head="ab")
    for start in (1, size + 5):
        answer = send(client, lines(loss(1)), start=start)
        refused(answer, 409, "from byte")
        assert answer.json()["expected"] == size
    answer = send(client, lines(loss(1)), start=size, head="cd")
    refused(answer, 409, "not the one")
    assert answer.json()["expected"] is None
    assert send(client, lines(loss(1)), start=size, head="ab").status_code == 200


def test_bytes_can_be_left_out_and_readers_are_told(client: httpx.Client, server: Served) -> None:
    begun(client)
    assert send(client, b"", skip=1000).json()["journals"][0]["cursor"] == 1000
    assert send(client, b"", skip=1000).json()["journals"][0]["cursor"] == 1000  # once
    (event,) = server.running.store.events("run")
    assert event.record["part"] == "sync"
    assert "1,000 bytes" in event.record["error"]
    refused(send(client, lines(loss(0)), start=1000, skip=5), 422, "skip")
    refused(send(client, b"", start=1000), 422, "expected lines")


def test_packed_lines(client: httpx.Client, server: Served) -> None:
    begun(client)
    data = lines(*(loss(step) for step in range(100)))
    packed = gzip.compress(data)
    gzipped: dict[str, Any] = {"headers": {"Content-Encoding": "gzip"}}
    for bad in (packed[:-9], packed[:20], packed + b"x", packed[:50] + b"\x00" + packed[51:], data):
        refused(send(client, bad, **gzipped), 422, "gzip")
    refused(send(client, packed, headers={"Content-Encoding": "br"}), 422, "gzip")
    refused(send(client, packed), 422, "does not end")
    bomb = gzip.compress(b"\n" * 200 * 2**20)
    assert len(bomb) < 2**20
    refused(send(client, bomb, **gzipped), 413, "unpacked")
    assert send(client, packed, **gzipped).status_code == 200
    assert server.running.store.series("run", LOSS).position == 100


def test_unpacking_stops_at_the_limit() -> None:
    data = gzip.compress(b"x" * 1000)
    assert unpack(data, 1000) == b"x" * 1000
    with pytest.raises(HTTPException) as raised:
        unpack(data, 999)
    assert raised.value.status_code == 413


HOSTILE: list[tuple[bytes, str]] = [
    (lines({"kind": "facts", "step": 1, "values": {"loss": {"x" * 1001: 1.0}}}), "name"),
    (lines({"kind": "finding", "finding": {"id": "a", "check": "c" * 2000}}), "name"),
    (lines({"kind": "info", "info": {"layers": [{"name": "n" * 10**6}]}}), "name"),
    (b'{"kind":"log","x":' + b"[" * 70 + b"]" * 70 + b"}\n", "nested"),
    (lines({"kind": "log", "text": "x" * 9 * 2**20}), "bytes"),
]


@pytest.mark.parametrize(("record", "word"), HOSTILE)
def test_a_record_past_a_bound_is_dropped_and_the_rest_stays(
    client: httpx.Client, server: Served, record: bytes, word: str
) -> None:
    begun(client)
    answer = send(client, lines(loss(0)) + record + lines(loss(1)))
    assert answer.json()["dropped"] == 1
    store = server.running.store
    assert store.series("run", LOSS).steps.tolist() == [0, 1]
    (event,) = store.events("run", kinds=["error"])
    assert word in event.record["error"]
    assert client.get("/api/runs/run").status_code == 200


ODD: list[bytes] = [
    b"not json\n",
    b"[1, 2]\n",
    b"null\n",
    b"\n",
    b"\xff\xfe\n",
    b"[" * 100_000 + b"\n",
    lines({"kind": 5}),
    lines({"kind": "facts", "step": "x", "values": []}),
    lines({"kind": "facts", "step": 10**30, "values": {"loss": {"": "text"}}}),
    b'{"kind":"facts","step":7,"values":{"loss":{"":' + b"9" * 5000 + b"}}}\n",
    lines({"kind": "end", "state": {"a": 1}, "exit_code": 1e400, "findings": "x"}),
    lines({"kind": "nobody-knows", "x": 1}),
    lines({"kind": "log", "text": "\x00\ud800\u202e<script>alert(1)</script>"}),
]


@pytest.mark.parametrize("record", ODD)
def test_odd_records_are_passed_over(client: httpx.Client, server: Served, record: bytes) -> None:
    begun(client)
    answer = send(client, lines(loss(0)) + record + lines(loss(1)))
    assert answer.status_code == 200, answer.text
    assert server.running.store.series("run", LOSS).steps.tolist() == [0, 1]
    for place in ("", "/findings", "/events", "/series"):
        assert client.get(f"/api/runs/run{place}").status_code == 200


def test_an_odd_end_leaves_the_list_readable(client: httpx.Client) -> None:
    begun(client)
    odd = {"id": "\ud800\0", "check": "\0", "severity": "\ud800", "title": "\ud800"}
    end = {"kind": "end", "t": 1.0, "segment": 0, "state": "\ud800", "findings": [odd]}
    assert send(client, lines({"kind": "run", "t": 1.0}, end)).status_code == 200
    [row] = client.get("/api/runs").json()["runs"]
    assert row["state"] == "?"
    for page in ("", "/findings", "/export", "/export?format=html"):
        assert client.get(f"/api/runs/run{page}").status_code == 200


def test_numbers_that_are_none_come_back(client: httpx.Client, server: Served) -> None:
    begun(client)
    data = lines(loss(0, "nan"), loss(1, "-inf"))
    data += b'{"kind":"facts","step":2,"values":{"loss":{"":NaN}}}\n'
    assert send(client, data).status_code == 200
    values = server.running.store.series("run", LOSS).values.tolist()
    assert [str(value) for value in values] == ["nan", "-inf", "nan"]


def test_a_check_that_the_server_does_not_know_stays_readable(client: httpx.Client) -> None:
    begun(client)
    document = {
        "id": "f1",
        "check": "made-elsewhere",
        "severity": "error",
        "title": "a title",
        "message": "a message",
    }
    assert send(client, lines({"kind": "finding", "finding": document})).status_code == 200
    (card,) = client.get("/api/runs/run/findings").json()["cards"]
    assert (card["check"], card["title"]) == ("made-elsewhere", "a title")


def test_too_much_at_once(client: httpx.Client) -> None:
    begun(client)
    refused(send(client, b"\n" * 100_001), 413, "lines")
    refused(send(client, b"x" * (17 * 2**20)), 413)
    refused(send(client, lines(loss(0))[:-1]), 422, "does not end")
    assert send(client, lines(loss(0))).status_code == 200


@pytest.mark.parametrize("start", [-1, 2**60, "x"])
def test_a_place_that_is_none(client: httpx.Client, start: Any) -> None:
    begun(client)
    refused(send(client, lines(loss(0)), start=start), 422, "start")


@pytest.mark.parametrize(
    "run", ["..", ".", "...", "a b", "x" * 81, "a%00b", "%2e%2e", "a\u202eb", "a%5Cb", "<script>"]
)
def test_an_id_that_is_no_folder_name(client: httpx.Client, run: str) -> None:
    assert client.put(f"/api/runs/{run}", json={"metadata": {}}).status_code in (404, 405, 422)
    assert client.put("/api/runs/..%2Fup", json={"metadata": {}}).status_code in (404, 405, 422)
    assert client.get("/api/runs").json()["runs"] == []


def test_ids_that_clients_make(client: httpx.Client) -> None:
    for run in ("20261121-070615-42074f", "größe_1.2"):
        begun(client, run)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("a/b", "a-b"),
        ("\x1b[31mred\u202e", "[31mred"),
        ("\ud800", "?"),
        (["x"], "run"),
        (None, "run"),
        ("x" * 500, "x" * 120),
    ],
)
def test_names_are_made_harmless(client: httpx.Client, name: Any, kept: str) -> None:
    body = json.dumps({"metadata": {"name": name}})
    answer = client.put("/api/runs/run", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert client.get("/api/runs/run").json()["row"]["name"] == kept


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ('{"metadata": {"name": "' + "x" * 10 * 2**20 + '"}}', 413, "body"),
        ('{"metadata": {"name": "' + "x" * 2000 + '"}}', 422, "name"),
        ('{"metadata": {"note": "' + "x" * 70_000 + '"}}', 413, "metadata"),
        ('{"metadata": {"loss": NaN}}', 422, "NaN"),
        ('{"metadata": ' + '{"a":' * 100 + "1" + "}" * 101, 422, "nested"),
        ('{"metadata": []}', 422, "metadata"),
        ('{"other": {}}', 422, "metadata"),
        ("[" * 100_000, 422, "JSON"),
        ("{", 422, "JSON"),
        ("", 422, ""),
    ],
)
def test_metadata_past_a_bound(client: httpx.Client, body: str, status: int, word: str) -> None:
    begun(client, "other")
    headers = {"Content-Type": "application/json"}
    refused(client.put("/api/runs/run", content=body, headers=headers), status, word)
    assert [run["id"] for run in client.get("/api/runs").json()["runs"]] == ["other"]


def test_packed_metadata(client: httpx.Client) -> None:
    body = gzip.compress(json.dumps({"metadata": {"name": "packed"}}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert client.put("/api/runs/run", content=body, headers=headers).status_code == 200
    assert client.get("/api/runs/run").json()["row"]["name"] == "packed"


def test_sources(client: httpx.Client, server: Served) -> None:
    begun(client)
    store = server.running.store

    def put(path: str, text: str = "x = 1\n") -> httpx.Response:
        return client.put("/api/runs/run/sources", json={"path": path, "text": text})

    for path in ("train.py", "a/b/c.py", "<cell 3>", "..x/y"):
        assert put(path).status_code == 204
    bad = (
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "./a",
        "C:\\x",
        "C:/x",
        "a\\b",
        "a\x00b",
        ".",
    )
    for path in bad:
        refused(put(path), 422, "relative path")
    refused(put("a\x00b"), 422, "relative path")
    refused(put(""), 422, "path")
    refused(put("x" * 1001), 422, "path")
    refused(put("large.py", "x" * 1_000_001), 422, "text")
    assert put("large.py", "\u202e" * 1_000_000).status_code == 204
    assert sorted(store.sources("run")) == ["..x/y", "<cell 3>", "a/b/c.py", "large.py", "train.py"]
    assert put("train.py", "x = 2\n").status_code == 204
    assert store.source("run", "train.py") == "x = 2\n"
    for number in range(495):
        store.put_source("run", f"{number}.py", "")
    refused(put("one-more.py"), 422, "500 files")
    assert put("train.py").status_code == 204


def test_who_may_send(client: httpx.Client, server: Served) -> None:
    begun(client)
    store = server.running.store
    reading = create_token(store, "reader", scope="read")[1]
    with server.client(reading) as reader:
        assert reader.get("/api/runs/run/journals").status_code == 200
        refused(send(reader, lines(loss(0))), 403, "token")
        refused(reader.put("/api/runs/run", json={"metadata": {}}), 403, "token")
    with server.client(None) as nobody:
        refused(nobody.get("/api/runs/run/journals"), 401)
    with writer(server, "bob") as bob:
        refused(bob.put("/api/runs/run", json={"metadata": {}}), 409, "ann")
        refused(send(bob, lines(loss(0))), 409, "another name")
        source = {"path": "a.py", "text": ""}
        refused(bob.put("/api/runs/run/sources", json=source), 409, "another name")
    with writer(server, "ann") as again:  # a token may be replaced by one of the same name
        assert send(again, lines(loss(0))).status_code == 200


def test_an_unknown_run(client: httpx.Client) -> None:
    refused(client.get("/api/runs/none/journals"), 404)
    refused(send(client, lines(loss(0))), 404)
    refused(client.put("/api/runs/none/sources", json={"path": "a", "text": ""}), 404)


def test_a_server_that_shows_a_folder_takes_nothing(tmp_path: Path) -> None:
    with served(local(tmp_path)) as server, server.client() as client:
        refused(client.put("/api/runs/run", json={"metadata": {}}), 403, "trema server")


def test_bounds_of_records() -> None:
    deep: Any = 1
    for _ in range(DEPTH - 1):
        deep = [deep]
    assert broken_bound({"a": deep}) == ""
    assert "nested" in broken_bound({"a": [deep]})
    assert broken_bound({"message": "x" * 10**5, "name": "x" * NAME}) == ""
    assert "name" in broken_bound({"a": [{"name": "x" * (NAME + 1)}]})
    read = read_lines(lines({"kind": "log"}, {"kind": "k" * 2000}, 5))
    assert (len(read.records), read.dropped) == (1, 1)
