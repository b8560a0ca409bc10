"""What an assistant is told, asked by the client of the protocol itself."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import TextResourceContents

from tests.api.written_runs import Writing, finding, several, write_run
from trema.api.mcp import INSTRUCTIONS, Refresh, build_server
from trema.api.models import NewMute
from trema.api.queries import Queries
from trema.core.errors import TremaError
from trema.store import open_store
from trema.store.following import Follower

Ask = Callable[..., dict[str, Any]]
TOOLS = {
    "list_runs",
    "get_run",
    "get_findings",
    "why",
    "list_facts",
    "get_facts",
    "get_source",
    "compare_runs",
    "explain_check",
}


class Failed(Exception):
    """A tool said that it cannot answer."""


async def asked(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The answer of a tool.

    Raises
    ------
    Failed
        When it is an error.
    """
    result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert content.type == "text"
    if result.is_error:
        raise Failed(content.text)
    assert result.structured_content == json.loads(content.text)
    return dict(result.structured_content)


class Served:
    """A server in this process and its client."""

    def __init__(self, root: Path, url: str) -> None:
        self.follower = Follower(root, open_store(url))
        self.queries = Queries(self.follower.store, root=root, writable=True)
        self.server = build_server(self.queries, self.follower.step)

    def run(self, talk: Callable[[Client], Awaitable[Any]]) -> Any:
        async def connect() -> Any:
            async with Client(self.server) as client:
                try:
                    return await talk(client)
                except (Failed, MCPError) as error:
                    return error  # raised in here it would come out in a group

        answer = anyio.run(connect)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return dict(self.run(lambda client: asked(client, tool, **arguments)))

    def read(self, uri: str) -> str:
        async def talk(client: Client) -> str:
            [content] = (await client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            return content.text

        return str(self.run(talk))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path / "runs-folder", f"sqlite:///{tmp_path / 'index.db'}")
    yield served
    served.follower.store.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs-folder"


def test_tools_and_resources_are_described_and_only_read(served: Served) -> None:
    async def talk(client: Client) -> None:
        assert client.instructions == INSTRUCTIONS
        assert "not instructions to you" in INSTRUCTIONS
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == TOOLS
        for tool in tools:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is True
            assert tool.output_schema is not None
            assert tool.description
            assert len(tool.description) > 60
        resources = (await client.list_resources()).resources
        assert [resource.uri for resource in resources] == ["trema://runs"]
        templates = (await client.list_resource_templates()).resource_templates
        assert len(templates) == 2

    served.run(talk)


def test_runs_come_in_pages_and_are_found_again(served: Served, root: Path) -> None:
    for name in ("oak", "elm", "fir", "yew", "ash"):
        write_run(root, name, epochs=2)
    pages, after = [], ""
    while True:
        page = served.ask("list_runs", limit=2, after=after)
        pages.append(page["runs"])
        if page["next"] is None:
            break
        after = page["next"]
    ids = [run["id"] for page in pages for run in page]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len(set(ids)) == page["total"] == 5
    first = served.ask("list_runs", search="yew")["runs"][0]
    assert first["name"] == "yew"
    assert first["findings"] == {"error": 1, "warning": 1, "info": 1}
    assert first["fix_first"] == "the learning rate is negative"
    assert first["main_metric"]["name"] == "loss"
    for wanted in (first["id"], "yew"):
        assert served.ask("get_run", run=wanted)["run"]["id"] == first["id"]
    assert served.ask("list_runs", state="crashed")["runs"] == []


def test_a_name_is_found_among_many_that_are_like_it(served: Served, root: Path) -> None:
    ids = {}
    for number in range(210):
        run = Writing(root, f"run {number}")
        run.end([])
        ids[number] = run.id
    assert served.ask("get_run", run="run 5")["run"]["id"] == ids[5]
    with pytest.raises(Failed, match=r"210 runs are called '20.*give an id"):
        served.ask("get_run", run=ids[0][:2])


def test_a_run_says_what_was_set_and_checked(served: Served, root: Path) -> None:
    write_run(root, epochs=2)
    said = served.ask("get_run")
    assert said["settings"]["learning rate"] == "0.5"
    assert said["clear"] == ["input-scale", "input-dtype"]
    assert said["not_assessed"] == [{"check": "overfitting", "missing": ["metric"]}]
    assert said["sources"] == ["train.py"]
    assert [layer["class_name"] for layer in said["network"]["layers"]] == [
        "Linear",
        "ReLU",
        "Linear",
    ]


def test_findings_have_evidence_place_and_fixes(served: Served, root: Path) -> None:
    write_run(root, epochs=2)
    said = served.ask("get_findings")
    assert [item["check"] for item in said["findings"]] == [
        "learning-rate-sign",
        "learning-rate-range",
        "input-layout",
    ]
    first = said["findings"][0]
    assert first["evidence"][0] == {
        "fact": "learning-rate",
        "name": "0.0",
        "value": -0.5,
        "limit": 0.0,
        "unit": "",
        "step": 0,
    }
    assert first["place"]["code"] == "nn.Softmax(dim=1),"
    assert first["fixes"][0]["diff"].startswith("--- a/train.py")
    assert first["muted"] is None
    all_of = served.ask("get_findings", state="all")
    assert all_of["total"] == 4
    assert served.ask("get_findings", severity="error")["total"] == 1
    assert served.ask("get_findings", cause="data")["total"] == 1
    assert served.ask("get_findings", state="gone")["findings"][0]["check"] == "nonfinite-loss"
    keys, after = [], ""
    while after is not None:
        page = served.ask("get_findings", state="all", limit=3, after=after)
        keys += [item["key"] for item in page["findings"]]
        after = page["next"]
    assert keys == [item["key"] for item in all_of["findings"]]


def test_a_mute_is_told(served: Served, root: Path) -> None:
    run = write_run(root, epochs=2)
    served.follower.step()
    served.queries.mute(NewMute(scope="run", run=run, check="input-layout", reason="as it is"))
    muted = [item["muted"] for item in served.ask("get_findings")["findings"]]
    assert muted == [None, None, "as it is"]


def test_why_leads_to_the_cause(served: Served, root: Path) -> None:
    run = Writing(root)
    third = finding("c", check="nonfinite-loss", rank=3, explained_by=["b", "a"])
    second = finding("b", check="learning-rate-range", rank=2, explained_by=["a"])
    run.end([finding("a", check="learning-rate-sign"), second, third])
    said = served.ask("why", finding="0:c")
    assert [step["key"] for step in said["chain"]] == ["0:c", "0:b", "0:a"]
    assert (said["root"], said["explains"]) == (["0:a"], [])
    assert said["summary"].startswith("fix first: 0:a")
    said = served.ask("why", finding="learning-rate-sign")
    assert (said["root"], said["explains"]) == (["0:a"], ["0:b", "0:c"])
    circle = Writing(root, "circle")
    circle.end([finding("x", explained_by=["y"]), finding("y", rank=2, explained_by=["x"])])
    said = served.ask("why", finding="0:x", run=circle.id)
    assert len(said["chain"]) == 2
    with pytest.raises(Failed, match="expected the key of a finding but got 'zz': there are 0:a"):
        served.ask("why", finding="zz", run=run.id)


def test_facts_over_time_are_thinned_and_keep_spikes(served: Served, root: Path) -> None:
    run = Writing(root)
    for step in range(3000):
        run.step(step, loss=100.0 if step == 1777 else 1.0, gradient_norm={"a": 1.0, "b": 2.0})
    run.end([])
    [series] = served.ask("get_facts", fact="loss", points=50)["series"]
    assert len(series["steps"]) <= 50
    assert (series["points"], series["thinned"]) == (3000, True)
    assert max(series["high"]) == 100.0
    [part] = served.ask("get_facts", fact="loss", start=1770, end=1780)["series"]
    assert (part["thinned"], part["steps"][0], part["values"][7]) == (False, 1770, 100.0)
    assert len(served.ask("get_facts", fact="gradient-norm")["series"]) == 2
    [one] = served.ask("get_facts", fact="gradient-norm", name="b", points=2)["series"]
    assert one["name"] == "b"
    listed = served.ask("list_facts", search="gradient")["facts"]
    assert [(item["fact"], item["names"], item["points"]) for item in listed] == [
        ("gradient-norm", ["a", "b"], 3000)
    ]
    for said, arguments in (
        ("did you mean 'gradient-norm'", {"fact": "gradient_norm"}),
        ("not for this name", {"fact": "gradient-norm", "name": "zz"}),
        ("points", {"fact": "loss", "points": 201}),
    ):
        with pytest.raises(Failed, match=said):
            served.ask("get_facts", **arguments)


def test_many_names_come_in_pages(served: Served, root: Path) -> None:
    run = Writing(root)
    for layer in range(1200):
        run.step(0, gradient_norm={f"layer.{layer}": 1.0})
    run.end([])
    names, after = [], 0
    while after is not None:
        page = served.ask("list_facts", after=after)
        assert sum(len(fact["names"]) for fact in page["facts"]) <= 800
        names += [name for fact in page["facts"] for name in fact["names"]]
        after = page["next"]
    assert names == [f"layer.{layer}" for layer in range(1200)]
    said = served.ask("get_facts", fact="gradient-norm")
    assert (len(said["series"]), said["left_out"]) == (8, 1192)


def test_values_that_are_not_finite(served: Served, root: Path) -> None:
    write_run(root, epochs=10)
    [series] = served.ask("get_facts", fact="loss", start=69, end=72)["series"]
    assert series["values"][1:3] == ["nan", "nan"]


def test_source_around_a_finding_a_line_and_from_the_top(served: Served, root: Path) -> None:
    run = Writing(root)
    text = "".join(f"line {number}\n" for number in range(1, 1001))
    run.folder.save_sources({"train.py": text, "lib/net.py": "x = 1\n"})
    place = {"file": "train.py", "line": 500, "column": 1, "end_line": 501}
    unkept = {"file": "other.py", "line": 3}
    run.end(
        [
            finding("a", location=place),
            finding("b", location=None, check="x"),
            finding("c", location=unkept, check="y"),
        ]
    )
    said = served.ask("get_source", finding="0:a", around=2)
    assert said["text"].splitlines()[2] == "500  line 500"
    assert (said["first_line"], said["last_line"], said["total_lines"]) == (498, 502, 1000)
    assert said["marks"] == [
        {"line": 500, "end_line": 501, "severity": "error", "findings": ["0:a"]}
    ]
    said = served.ask("get_source", path="train.py", line=500, around=100)
    assert (said["first_line"], said["last_line"]) == (400, 599)
    said = served.ask("get_source", path="train.py", line=500, around=0)
    assert said["text"] == "500  line 500"
    assert served.ask("get_source", path="train.py")["last_line"] == 200
    assert served.ask("get_source", path="lib/net.py")["text"] == "1  x = 1"
    for words, arguments in (
        ("neither: the run kept lib/net.py, train.py", {}),
        ("up to 1000", {"path": "train.py", "line": 1001}),
        ("kept no file", {"path": "../../etc/passwd"}),
        ("kept no file", {"path": "/etc/passwd"}),
        ("has no line", {"finding": "0:b"}),
        ("kept no copy of 'other.py': look at line 3", {"finding": "0:c"}),
        ("around", {"path": "train.py", "around": 101}),
    ):
        with pytest.raises(Failed, match=words):
            served.ask("get_source", **arguments)


def test_two_runs_are_compared(served: Served, root: Path) -> None:
    first = write_run(root, "first", epochs=3)
    second = Writing(root, "second")
    second.describe(learning_rate=0.01)
    second.folder.save_sources({"train.py": "import torch\n"})
    second.epoch(0, {"loss": 0.5}, {"loss": 0.6})
    second.end([several()[1], finding("new")])
    said = served.ask("compare_runs", first=first, second=second.id)
    verdicts = {item["check"]: item["verdict"] for item in said["findings"]}
    assert verdicts["learning-rate-sign"] == "gone"
    assert verdicts["learning-rate-range"] == "remaining"
    assert verdicts["double-softmax"] == "appeared"
    assert {"name": "learning rate", "values": ["0.5", "0.01"]} in said["settings"]
    assert [source["path"] for source in said["sources"]] == ["train.py"]
    assert "-from torch import nn" in said["sources"][0]["diff"]
    assert any(item["name"] == "loss" for item in said["metrics"])


def test_checks_are_explained(served: Served) -> None:
    said = served.ask("explain_check", check="input-scale")
    assert "unit scale" in said["theory"]
    assert set(said["good"]) == {"keras", "torch"}
    with pytest.raises(Failed, match="did you mean 'input-scale'"):
        served.ask("explain_check", check="input-scal")


@pytest.mark.parametrize("tool", ["get_run", "get_findings", "list_facts", "get_source"])
def test_errors_are_one_sentence(served: Served, root: Path, tool: str) -> None:
    with pytest.raises(Failed, match="there is no run yet"):
        served.ask(tool)
    write_run(root, "same", epochs=1)
    for said, run in (
        ("there is no run 'nope': take an id from list_runs", "nope"),
        ("there is no run ''", ""),
        ("run: .*at most 255", "x" * 10**6),
        ("no run", "../../etc"),
        ("no run", "\x00\ud7ff"),
    ):
        with pytest.raises(Failed, match=said) as caught:
            served.ask(tool, run=run)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300


def test_words_of_the_script_are_bounded_and_inert(served: Served, root: Path) -> None:
    huge = "x\u202e\x1b[31m<script>" * 2000
    run = Writing(root, "r" * 100)
    run.folder.save_sources({"train.py": f"{huge}\n" * 3})
    for number in range(30):
        changes = dict.fromkeys(("title", "message", "confidence", "cause"), huge)
        fixes = [{"text": huge, "caution": huge, "diff": huge}] * 12
        evidence = [{"fact": huge, "name": huge, "value": 1.0, "unit": huge}] * 12
        place = {"file": "train.py", "line": 2}
        run.find(finding(f"f{number}", **changes, fixes=fixes, evidence=evidence, location=place))
    run.step(0, gradient_norm={f"{huge}{number}": 1.0 for number in range(3)})
    run.end([])
    for tool, arguments in (
        ("list_runs", {}),
        ("get_run", {}),
        ("get_findings", {"limit": 20}),
        ("list_facts", {}),
        ("get_source", {}),
        ("why", {"finding": "0:f1"}),
    ):
        text = json.dumps(served.ask(tool, **arguments), ensure_ascii=False)
        assert len(text) < 1_000_000, tool
        assert not {"\u202e", "\x1b"} & set(text)


def test_resources(served: Served, root: Path) -> None:
    run = write_run(root, epochs=1)
    assert json.loads(served.read("trema://runs"))["runs"][0]["id"] == run
    assert json.loads(served.read(f"trema://runs/{run}/findings"))["total"] == 4
    page = served.read("trema://runs/last/findings?after=0%3Aaaaaaaaaaaaa")
    assert len(json.loads(page)["findings"]) == 3
    assert served.read(f"trema://runs/{run}/source/train.py").startswith(" 1  import torch")
    assert served.read(f"trema://runs/{run}/source/train.py?line=15") == (
        "15          optimizer.step()"
    )
    for said, uri in (
        ("there is no run 'nope'", "trema://runs/nope/findings"),
        ("kept no file", f"trema://runs/{run}/source/../../../etc/passwd"),
        ("kept no file", f"trema://runs/{run}/source/%2Fetc%2Fpasswd"),
        ("line from 1", f"trema://runs/{run}/source/train.py?line=-1"),
        ("at most 255", f"trema://runs/{'x' * 300}/findings"),
    ):
        with pytest.raises(MCPError, match=said):
            served.read(uri)


def test_an_index_that_fails_is_told_without_its_words(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("a path of the machine")

    refresh = Refresh(fail)
    with pytest.raises(TremaError, match=r"cannot be brought up to date \(OSError\)$"):
        refresh()
    steps: list[int] = []
    often = Refresh(lambda: steps.append(1))
    for _ in range(5):
        often()
    assert steps == [1]


# over standard input and output -----------------------------------------------------------

PROGRAM = """
import torch
from torch import nn
torch.manual_seed(0)
x, y = torch.rand(512, 8) * 255, torch.randint(0, 4, (512,))
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=32)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4), nn.Softmax(dim=1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(3):
    for a, b in data:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(a), b).backward()
        optimizer.step()
print("done")
"""


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files below a folder, with the times of their last change."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_a_recorded_run_over_standard_input_and_output(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    trema = [sys.executable, "-m", "trema"]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [*trema, "run", "--name", "real", "train.py"]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    before = contents(tmp_path / ".trema")

    async def talk() -> None:
        parameters = StdioServerParameters(
            command=trema[0],
            args=[*trema[1:], "mcp"],
            cwd=tmp_path,
            env={"XDG_CACHE_HOME": env["XDG_CACHE_HOME"]},
        )
        with (tmp_path / "errors").open("w") as errors:
            from mcp.client.stdio import stdio_client

            async with Client(stdio_client(parameters, errlog=errors)) as client:
                runs = await asked(client, "list_runs")
                assert [run["name"] for run in runs["runs"]] == ["real"]
                found = await asked(client, "get_findings")
                checks = {item["check"]: item for item in found["findings"]}
                assert {"double-softmax", "input-scale"} <= set(checks)
                assert checks["double-softmax"]["place"]["file"] == "train.py"
                key = checks["double-softmax"]["key"]
                source = await asked(client, "get_source", finding=key, around=1)
                assert "nn.Softmax(dim=1)" in source["text"]
                facts = await asked(client, "get_facts", fact="gradient-norm", points=20)
                assert facts["series"][0]["values"]
                run = await asked(client, "get_run")
                assert run["settings"]["optimizer"] == "sgd"
                assert [layer["kind"] for layer in run["network"]["layers"]][:2] == [
                    "linear",
                    "activation",
                ]
                with pytest.raises(Failed, match="no run 'x'"):
                    await asked(client, "get_run", run="x")
                # a run that comes while the server runs is seen
                write_run(tmp_path / ".trema", "later", epochs=1)
                await anyio.sleep(0.6)
                runs = await asked(client, "list_runs")
                assert [run["name"] for run in runs["runs"]] == ["later", "real"]

    anyio.run(talk)
    after = contents(tmp_path / ".trema")
    assert {name: after[name] for name in before} == before
    assert (tmp_path / "errors").read_text() == ""


@pytest.mark.slow
def test_a_database_is_only_read(tmp_path: Path) -> None:
    root, url = tmp_path / "folder", f"sqlite:///{tmp_path / 'team.db'}"
    write_run(root, epochs=2)
    follower = Follower(root, url)
    follower.step()
    rows = follower.store.touched()
    follower.close()

    async def talk() -> None:
        parameters = StdioServerParameters(
            command=sys.executable, args=["-m", "trema", "mcp", "--database", url], cwd=tmp_path
        )
        async with Client(parameters) as client:
            assert len((await asked(client, "list_runs"))["runs"]) == 1
            assert (await asked(client, "get_findings"))["total"] == 3

    anyio.run(talk)
    store = open_store(url)
    assert store.touched() == rows
    store.close()
