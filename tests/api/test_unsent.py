"""What waits to be sent, as the list of a team server and that of the machine itself show it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx

from tests.journal.conftest import serve, team
from tests.journal.serving import Team
from trema.api.queries import Queries
from trema.journal.folder import RunFolder, create_run
from trema.journal.sending import Sender
from trema.journal.writer import Journal
from trema.store import open_store
from trema.store.index import index_runs

__all__ = ["serve", "team"]


def make_run(root: Path) -> RunFolder:
    """A run with about 300 kB of journal."""
    run = create_run(root, "train")
    log = Journal(run.journal(0))
    for step in range(3000):
        log.write("log", step=step, values={"loss": step / 2})
    log.write("end", state="finished", exit_code=0, findings=[])
    log.close()
    return run


def row_of(team: Team) -> dict[str, Any]:
    """The run as the server lists it."""
    headers = {"Authorization": f"Bearer {team.token}"}
    with httpx.Client(base_url=team.url, headers=headers) as client:
        assert client.get("/api/status").json()["folder"] is None
        (row,) = client.get("/api/runs").json()["runs"]
    assert isinstance(row, dict)
    return row


def test_the_list_shows_what_waits(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path)
    size = run.journal(0).stat().st_size
    sender = Sender(team.client(), run)
    sender._batch = sender._ceiling = 50_000
    assert sender.send_next() is not None
    first = row_of(team)
    assert (first["unsent"], first["host"], first["state"]) == (
        size,
        socket.gethostname(),
        "running",
    )
    seen = [first["unsent"]]
    while sender.send_next() is not None:
        seen.append(row_of(team)["unsent"])
    assert seen == sorted(seen, reverse=True)
    assert size > seen[len(seen) // 2] > 0
    last = row_of(team)
    assert (last["unsent"], last["state"], last["steps"]) == (0, "finished", 3000)


def test_so_does_that_of_the_machine(tmp_path: Path, team: Team) -> None:
    run = make_run(tmp_path)
    url = f"sqlite:///{tmp_path / 'index.db'}"
    index_runs(tmp_path, url)
    store = open_store(url)
    queries = Queries(store, root=tmp_path)
    assert queries.status().folder == str(tmp_path)
    assert queries.run(run.id).row.unsent is None  # nobody sends it
    sender = Sender(team.client(), run)
    sender._batch = sender._ceiling = 50_000
    sender.send_next()
    sender.send_next()
    sender.note()
    waits = queries.run(run.id).row.unsent
    assert waits is not None
    assert 0 < waits < run.journal(0).stat().st_size
    while sender.send_next() is not None:
        pass
    sender.note()
    assert queries.run(run.id).row.unsent == 0
    store.close()
