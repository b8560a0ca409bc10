"""What keeps strangers out, against a real server: hosts, origins, tokens, sizes, rates, paths."""

from __future__ import annotations

import gzip
import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.api.serving import TOKEN, Served, local, served, team
from trema.api.access import TRUST, create_token, digest
from trema.api.app import create_app
from trema.api.limits import Rate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Served]:
    (folder / "secret.txt").write_text("secret")
    with served(local(folder)) as found:
        yield found


def raw(site: Served, text: str) -> tuple[int, bytes]:
    """The status and the rest of the answer to a request as it is written."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


# tokens -------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_told(site: Served) -> None:
    with site.client(None) as client:
        answer = client.get("/api/status")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "no token" in answer.json()["error"]


@pytest.mark.parametrize(
    "header",
    ["Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", "Bearer " + "x" * 9000],
)
def test_a_wrong_token_is_refused(site: Served, header: str) -> None:
    time.sleep(0.2)  # wrong tokens are counted by address
    with site.client(None, Authorization=header) as client:
        assert client.get("/api/runs").status_code == 401
        assert client.get("/api/stream").status_code == 401


def test_the_token_is_no_cookie_and_no_parameter(site: Served) -> None:
    with site.client(None, Cookie=f"token={TOKEN}") as client:
        assert client.get(f"/api/status?token={TOKEN}").status_code == 401


def test_the_right_token_may_read_and_write(site: Served) -> None:
    with site.client() as client:
        status = client.get("/api/status").json()
        assert (status["mode"], status["writable"]) == ("local", True)
        answer = client.post("/api/prune", json={"keep": 1000})
        assert answer.status_code == 200, answer.text


def test_a_token_that_reads_reaches_no_route_that_writes(tmp_path: Path) -> None:
    with served(team(tmp_path)) as site:
        paths = create_app(site.settings).openapi()["paths"]
        writes = [(m, path) for path, ways in paths.items() for m in ways if m != "get"]
        assert len(writes) >= 9
        _, read = create_token(site.running.store, "reader")
        with site.client(read) as client:
            for method, path in writes:
                answer = client.request(method.upper(), re.sub(r"\{\w+\}", "1", path), json={})
                assert answer.status_code == 403, (method, path)


def test_wrong_tokens_are_slowed_and_the_right_one_is_not(tmp_path: Path) -> None:
    with served(local(tmp_path, refused=1)) as site, site.client("wrong") as client:
        codes = [client.get("/api/status").status_code for _ in range(30)]
        assert codes[0] == 401
        late = client.get("/api/status")
        assert late.status_code == 429
        assert int(late.headers["retry-after"]) >= 1
        with site.client() as known:
            assert known.get("/api/status").status_code == 200


def test_stored_tokens_read_write_and_end(tmp_path: Path) -> None:
    with served(team(tmp_path)) as site:
        store = site.running.store
        reader, read = create_token(store, "reader")
        _, write = create_token(store, "writer", scope="write")
        assert read not in str(store.tokens())
        assert store.token(digest(read)) == reader
        with site.client(read) as client:
            assert client.get("/api/status").json()["writable"] is False
            refused = client.post("/api/prune", json={"keep": 5})
            assert refused.status_code == 403
            assert "may only read" in refused.json()["error"]
        with site.client(write) as client:
            assert client.get("/api/status").json()["writable"] is True
            assert client.post("/api/prune", json={"keep": 5}).status_code == 200
        assert store.revoke_token(reader.id)
        time.sleep(TRUST + 0.1)
        with site.client(read) as client:
            assert client.get("/api/status").status_code == 401
        with site.client(TOKEN) as client:  # that of a local server means nothing here
            assert client.get("/api/status").status_code == 401


# other sites --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/status", "/api/openapi.json", "/open/x"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1.evil.example", "[::2]:{port}",
     "localhost@evil.example", "10.0.0.1", "", "127.0.0.1:{port}\nHost: evil.example"],
)  # fmt: skip
def test_another_host_is_refused(site: Served, path: str, host: str) -> None:
    name = host.format(port=site.port)
    status, body = raw(
        site, f"GET {path} HTTP/1.1\nHost: {name}\nAuthorization: Bearer {TOKEN}\n\n"
    )
    assert status in (421, 400)  # two hosts are refused by the parser of HTTP
    assert b"<html" not in body.lower()


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}"])
def test_the_names_of_this_machine_are_served(site: Served, host: str) -> None:
    with site.client(Host=host.format(port=site.port)) as client:
        assert client.get("/api/status").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_requests_of_other_sites_are_refused(site: Served, headers: dict[str, str]) -> None:
    with site.client(**headers) as client:
        for answer in (
            client.get("/api/runs"),
            client.post("/api/prune", json={"keep": 0, "dry": False}),
            client.options("/api/prune"),
        ):
            assert answer.status_code == 403
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_requests_of_the_own_page_are_served(site: Served) -> None:
    with site.client(**{"Origin": site.base, "Sec-Fetch-Site": "same-origin"}) as client:
        assert client.post("/api/prune", json={"keep": 1000}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/status", "/api/nothing", "/api/runs/x%00"])
def test_every_answer_has_its_headers(site: Served, path: str) -> None:
    with site.client() as client:
        headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers
    assert headers["cache-control"] == "no-store"


# paths --------------------------------------------------------------------------------------

_UP = ("..", "%2e%2e", "..%2f..", "%2e%2e%2f%2e%2e", "..%5c..", "....//", "%252e%252e")


@pytest.mark.parametrize("up", _UP)
@pytest.mark.parametrize("before", ["", "assets/", "assets/../", "open/", "api/../"])
def test_no_path_leads_out_of_the_page(site: Served, folder: Path, before: str, up: str) -> None:
    for target in (f"{folder}/secret.txt", "api/access.py", "etc/passwd"):
        path = f"/{before}{up}/{up}/{target}"
        status, body = raw(site, f"GET {path} HTTP/1.1\nHost: 127.0.0.1:{site.port}\n\n")
        assert status in (303, 401, 404, 429), path
        assert b"secret" not in body
        assert b"hmac" not in body


@pytest.mark.parametrize("path", ["../../secret.txt", "/etc/passwd", "..\\..\\x", "a/../../../x"])
def test_no_source_leads_out_of_the_run(site: Served, path: str) -> None:
    with site.client() as client:
        for run in ("..", "%2e%2e", "..%2f..", quote("../../secret.txt", safe="")):
            answer = client.get(f"/api/runs/{run}/source", params={"path": path})
            assert answer.status_code in (404, 422)
            assert client.delete(f"/api/runs/{run}").status_code in (404, 405, 422)


# sizes and rates ------------------------------------------------------------------------------


def test_a_body_that_says_it_is_large_is_refused_at_once(site: Served) -> None:
    status, body = raw(
        site,
        f"POST /api/prune HTTP/1.1\nHost: 127.0.0.1:{site.port}\nAuthorization: Bearer {TOKEN}\n"
        "Content-Type: application/json\nContent-Length: 99999999999\n\n",
    )
    assert status == 413
    assert b"at most 1,048,576 bytes" in body


def test_a_body_in_chunks_is_counted(site: Served) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 65536
            yield b" " * 65536

    with site.client() as client:
        answer = client.post(
            "/api/mutes", content=endless(), headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 413


def test_a_large_name_is_refused_and_the_rest_stays(site: Served) -> None:
    with site.client() as client:
        huge = {"scope": "project", "check": "x" * 10_000_000}
        assert client.post("/api/mutes", json=huge).status_code == 413
        long = {"scope": "project", "check": "x" * 100_000}
        answer = client.post("/api/mutes", json=long)
        assert answer.status_code == 422
        assert len(answer.text) < 500
        assert client.get("/api/mutes").json() == {"mutes": []}


def test_a_packed_body_is_bounded_unpacked(tmp_path: Path) -> None:
    settings = team(tmp_path, journal=100_000)
    with served(settings) as site:
        _, token = create_token(site.running.store, "sender", scope="write")
        head = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
        with site.client(token) as client:
            made = client.put("/api/runs/run", json={"metadata": {"id": "run", "name": "run"}})
            assert made.status_code == 200, made.text
            place = "/api/runs/run/journals/0"
            bomb = gzip.compress(b"\n" * 50_000_000)
            assert len(bomb) < 100_000
            answer = client.post(place, params={"start": 0}, content=bomb, headers=head)
            assert answer.status_code == 413
            plain = client.post(place, params={"start": 0}, content=b"x" * 100_001)
            assert plain.status_code == 413
            small = gzip.compress(b'{"v": 1, "kind": "event"}\n')
            answer = client.post(place, params={"start": 0}, content=small, headers=head)
            assert answer.status_code == 200, answer.text


def test_one_client_cannot_take_the_server(tmp_path: Path) -> None:
    with served(team(tmp_path, rate=0.5, burst=5)) as site:
        tokens = [create_token(site.running.store, name)[1] for name in ("greedy", "other")]
        with site.client(tokens[0]) as greedy, site.client(tokens[1]) as other:
            answers = [greedy.get("/api/checks") for _ in range(20)]
            assert answers[0].status_code == 200
            assert answers[-1].status_code == 429
            assert int(answers[-1].headers["retry-after"]) >= 1
            assert other.get("/api/checks").status_code == 200
            time.sleep(2)
            assert greedy.get("/api/checks").status_code == 200


def test_streams_of_one_client_are_counted(tmp_path: Path) -> None:
    with served(local(tmp_path, client_streams=2)) as site, site.client() as client:
        with client.stream("GET", "/api/stream") as first, client.stream("GET", "/api/stream"):
            assert first.status_code == 200
            third = client.get("/api/stream")
            assert third.status_code == 429
            assert client.get("/api/changes").status_code == 200
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:  # the server sees that they left
            with client.stream("GET", "/api/stream") as again:
                if again.status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("the places were not given back")


def test_a_bucket_fills_again() -> None:
    now = 0.0
    rate = Rate(2, 4, lambda: now)
    assert [rate.take("a") for _ in range(4)] == [0, 0, 0, 0]
    assert rate.take("a") == pytest.approx(0.5)
    assert rate.take("b") == 0
    now = 0.5
    assert rate.take("a") == 0
    assert rate.empty("a")
    now = 100
    assert [rate.take("a") for _ in range(5)][3:] == [0, pytest.approx(0.5)]


# what it tells --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "should be JSON"),
        (b"{\xff", "cannot be read"),
        (b"[" * 200_000, "cannot be read"),
        (b'{"keep": NaN}', "keep"),
        (b'{"days": Infinity}', "days"),
        (b'{"keep": -1}', "keep should be greater than or equal to 0 but got -1"),
        (b'{"keep": "\\u001b[31m\\u202e"}', "\\x1b[31m\\u202e"),
        (b'{"other": 1}', "other is not known"),
        (b'"x"', "but got"),
    ],
)
def test_mistakes_are_told_in_one_harmless_sentence(
    site: Served, content: bytes, told: str
) -> None:
    with site.client() as client:
        answer = client.post(
            "/api/prune", content=content, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 422
    problem = answer.json()
    assert set(problem) == {"error", "expected"}
    assert told in problem["error"]
    assert "\x1b" not in problem["error"]
    assert "\n" not in problem["error"]
    assert "Traceback" not in answer.text


def test_a_failure_is_logged_and_not_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(local(tmp_path)) as site, site.client() as client:

        def broken() -> None:
            raise RuntimeError("the secret inside")

        monkeypatch.setattr(site.running.queries, "checks", broken)
        answer = client.get("/api/checks")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "the secret inside" in caplog.text


def test_a_ticket_opens_the_page_once(tmp_path: Path) -> None:
    from dataclasses import replace

    settings = replace(local(tmp_path), ticket="ticket", opens="run 1/é")
    with served(settings) as site, site.client(None) as client:
        assert client.get("/open/other").headers["location"] == "../"
        first = client.get("/open/ticket")
        assert first.status_code == 303
        assert first.headers["location"] == f"../#/run/run%201%2F%C3%A9?token={TOKEN}"
        assert first.headers["cache-control"] == "no-store"
        assert client.get("/open/ticket").headers["location"] == "../"


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root can be another user on Linux"
)
def test_a_ticket_is_of_no_use_to_another_user(tmp_path: Path) -> None:
    from dataclasses import replace

    code = (
        "import http.client, sys\n"
        "connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=10)\n"
        "connection.request('GET', '/open/ticket')\n"
        "print(connection.getresponse().getheader('location'))\n"
    )
    with served(replace(local(tmp_path), ticket="ticket")) as site:
        words = ["/usr/bin/env", "python3", "-I", "-c", code, str(site.port)]
        other = subprocess.run(words, user=65534, cwd="/", capture_output=True, text=True)
        assert other.returncode == 0, other.stderr
        assert other.stdout.strip() == "../"
        with site.client(None) as client:  # and it is still there for the one it is for
            assert TOKEN in client.get("/open/ticket").headers["location"]


def test_redirects_are_not_followed_elsewhere(site: Served) -> None:
    with site.client() as client:
        for path in ("//evil.example", "/\\evil.example", "/api//evil.example/", "/api/runs/"):
            answer: httpx.Response = client.get(f"{site.base}{path}")
            assert "evil.example" not in answer.headers.get("location", "")
