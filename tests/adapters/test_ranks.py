"""Real training on two processes: what healthy ranks and faulty ones show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trema.cli.folders import document_of
from trema.journal.folder import list_runs

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("ranks_program.py")
WATCHED = ("-m", "trema", "run")


class Ranks:
    """Runs the program on two processes with one parent, as a launcher does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.codes: list[int] = []
        self.errors: list[str] = []
        self.printed: list[str] = []

    def run(self, case: str, *options: str, by: tuple[str, ...] = WATCHED, **extra: str) -> None:
        store = self.folder / f"store-{len(list(self.folder.iterdir()))}"
        command = [sys.executable, *by, str(PROGRAM), case, str(store), *options]
        started = []
        for rank in (0, 1):
            environment = {
                **os.environ,
                "RANK": str(rank),
                "WORLD_SIZE": "2",
                "OMP_NUM_THREADS": "1",
                **extra,
            }
            started.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    cwd=self.folder,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        told = [process.communicate(timeout=200) for process in started]
        self.codes = [process.returncode for process in started]
        self.printed, self.errors = [out for out, _ in told], [err for _, err in told]

    def document(self) -> dict[str, Any]:
        """What the only run shows."""
        (run,) = list_runs(self.folder / ".trema")
        return document_of(run)


@pytest.fixture
def ranks(tmp_path: Path) -> Ranks:
    return Ranks(tmp_path)


def found(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in document["findings"]}


def test_a_healthy_run_is_one_run_and_silent(ranks: Ranks) -> None:
    ranks.run("healthy")
    document = ranks.document()
    assert ranks.codes == [0, 0]
    assert document["findings"] == []
    assert document["failed_checks"] == []
    assert document["run"]["ranks"] == [0, 1]
    assert (document["run"]["state"], document["run"]["steps"]) == ("finished", 40)
    assert {"ranks-diverge", "ranks-same-data", "ranks-uneven", "set-epoch-missing"} <= set(
        document["clear"]
    )
    assert "nothing found" in ranks.errors[0]
    assert ranks.errors[1] == ""  # only rank 0 speaks
    (run,) = list_runs(ranks.folder / ".trema")
    assert [path.name for path in run.journals()] == ["rank-0.jsonl", "rank-1.jsonl"]
    assert "module." not in run.journal(0).read_text("utf-8")


@pytest.mark.parametrize("case", ["find-unused", "static", "own-seeds", "sharded"])
def test_other_healthy_programs_are_silent(ranks: Ranks, case: str) -> None:
    ranks.run(case)
    document = ranks.document()
    assert ranks.codes == [0, 0], ranks.errors
    assert document["findings"] == []
    assert document["failed_checks"] == []


@pytest.mark.parametrize(("case", "by"), [("healthy", ()), ("accumulate", WATCHED)])
def test_results_are_the_same_with_trema_and_without(
    ranks: Ranks, case: str, by: tuple[str, ...]
) -> None:
    ranks.run(case, by=())
    plain = ranks.printed
    assert plain[0].startswith("rank 0: ")
    ranks.run(case, *(() if by else ("watch",)), by=by)
    assert ranks.printed == plain
    document = ranks.document()
    assert (document["findings"], document["failed_checks"]) == ([], [])


FAULTS = {
    "unwrapped": ("ranks-diverge", "nothing averages gradients"),
    "around": ("ranks-diverge", "training calls the module in it"),
    "changed": ("ranks-diverge", "they were equal when it was wrapped"),
    "no-sampler": ("ranks-same-data", "`RandomSampler`, which knows of no other rank"),
    "wrong-rank": ("ranks-same-data", "takes the part of rank 0"),
    "no-set-epoch": ("set-epoch-missing", "5 epochs began with seed and epoch unchanged"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_found(ranks: Ranks, case: str) -> None:
    ranks.run(case)
    check, words = FAULTS[case]
    document = ranks.document()
    assert list(found(document)) == [check]
    finding = found(document)[check]
    assert words in finding["message"]
    assert (finding["ranks"], finding["rank"], finding["state"]) == ([0, 1], 1, "active")
    assert (finding["location"] is None) == (case == "changed")


def test_uneven_data_are_told_though_the_program_fails(ranks: Ranks) -> None:
    ranks.run("uneven")
    document = ranks.document()
    assert (
        "rank 1 has 6 batches an epoch and rank 0 has 10"
        in (found(document)["ranks-uneven"]["message"])
    )
    assert document["run"]["state"] == "crashed"


def test_the_json_of_rank_0_holds_what_all_found(ranks: Ranks) -> None:
    ranks.run("nan", by=(*WATCHED, "--json", "document.json", "--fail-on", "critical"))
    assert ranks.codes == [3, 0]
    document = ranks.document()
    assert document["run"]["state"] == "finished"
    assert found(document)["nonfinite-input"]["ranks"] == [1]
    assert found(document)["nonfinite-loss"]["rank"] == 2
    told = json.loads((ranks.folder / "document.json").read_text("utf-8"))
    assert {"nonfinite-input", "nonfinite-loss"} == set(found(told))


def test_a_killed_rank_leaves_the_others_readable(ranks: Ranks) -> None:
    ranks.run("killed")
    assert ranks.codes == [1, -9]
    document = ranks.document()
    assert document["run"]["state"] in ("crashed", "killed")
    assert document["run"]["steps"] >= 20
    assert any("did not end by itself" in note for note in document["run"]["notes"])


def test_watch_joins_ranks_too_and_a_name_brings_them_together(ranks: Ranks) -> None:
    ranks.run("no-sampler", "watch", by=(), TREMA_RUN="together-1")
    (run,) = list_runs(ranks.folder / ".trema")
    assert run.id == "together-1"
    assert found(document_of(run))["ranks-same-data"]["ranks"] == [0, 1]


def test_trema_run_before_the_launcher_watches_every_process(ranks: Ranks) -> None:
    words = ["--name", "joint", "--json", "all.json", "--fail-on", "error"]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", str(PROGRAM)]
    store = str(ranks.folder / "store")
    done = subprocess.run(
        [sys.executable, *WATCHED, *words, *launcher, "no-sampler", store],
        cwd=ranks.folder,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 3, done.stderr
    (run,) = list_runs(ranks.folder / ".trema")
    assert run.name == "joint"
    told = json.loads((ranks.folder / "all.json").read_text("utf-8"))
    assert told["run"]["ranks"] == [0, 1]
    assert found(told)["ranks-same-data"]["ranks"] == [0, 1]


SPAWNING = """
import sys, torch, torch.distributed as dist, torch.multiprocessing as mp
from torch import nn
def work(rank, store):
    dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    net = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    generator = torch.Generator().manual_seed(rank)
    for step in range(20):
        x = torch.randn(16, 5 if step == 10 and rank else 8, generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), x[:, :2].argmax(1)).backward()
        optimizer.step()
if __name__ == "__main__":
    mp.spawn(work, (sys.argv[1],), nprocs=2)
"""


def test_spawned_ranks_write_the_run_of_their_parent(ranks: Ranks) -> None:
    script = ranks.folder / "spawning.py"
    script.write_text(SPAWNING, "utf-8")
    done = subprocess.run(
        [sys.executable, *WATCHED, "--json", "all.json", str(script), str(ranks.folder / "store")],
        cwd=ranks.folder,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1
    (run,) = list_runs(ranks.folder / ".trema")
    document = document_of(run)
    assert (document["run"]["ranks"], document["run"]["state"]) == ([0, 1], "crashed")
    crash = found(document)["crash-shape"]
    assert (crash["ranks"], crash["location"]["line"]) == ([1], 7)
    assert "layer `0` (`Linear`) takes 8 features" in crash["message"]
    assert found(json.loads((ranks.folder / "all.json").read_text("utf-8"))) == found(document)
