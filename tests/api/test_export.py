"""A run as one file: nothing lost in JSON and CSV, nothing alive in HTML."""

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from tests.api.written_runs import SOURCE, Writing, finding, several, write_run
from trema.api.export import cell, export_csv, export_html, export_json
from trema.api.models import NewMute
from trema.api.queries import Queries
from trema.api.report_text import paragraphs
from trema.cli import main
from trema.core.errors import RunNotFound
from trema.store.following import Follower

HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\x1b\"'&`<b>`"


class Folder:
    """A folder of runs and queries over it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.follower = Follower(root, f"sqlite:///{root / 'index.db'}")
        self.queries = Queries(self.follower.store, root=root)

    def json(self, run: str, *, facts: bool = False) -> dict[str, object]:
        return dict(json.loads(b"".join(export_json(self.queries, run, facts=facts))))

    def csv(self, run: str) -> list[list[str]]:
        text = b"".join(export_csv(self.queries, run)).decode()
        return list(csv.reader(io.StringIO(text, newline="")))

    def html(self, run: str) -> str:
        return b"".join(export_html(self.queries, run)).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.follower.store.close()


def written(folder: Folder) -> str:
    run = write_run(folder.root)
    folder.follower.step()
    return run


# JSON and CSV -----------------------------------------------------------------------------


def test_json_is_the_findings_document_with_more(folder: Folder) -> None:
    run = written(folder)
    said = folder.json(run)
    schema = Path(__file__).parents[2] / "src/trema/schema/findings.schema.json"
    jsonschema.validate(said, json.loads(schema.read_text()))
    assert said["sources"] == ["train.py"]
    assert said["settings"]["learning rate"] == "0.5"  # type: ignore[index]  # a dict
    series = {(s["fact"], s["name"], s["phase"]): s for s in said["series"]}  # type: ignore[attr-defined]  # a list
    assert set(series) == {
        ("loss", "", "train"),
        ("learning-rate", "0.0", "train"),
        *(("metric", m, p) for m in ("loss", "accuracy") for p in ("train", "validation")),
    }
    loss = series["loss", "", "train"]
    assert loss["steps"] == list(range(300))
    assert loss["values"][70:72] == ["nan", "nan"]
    assert loss["values"][3] == math.exp(-3 / 90) + 0.05 * math.sin(3)
    whole = folder.json(run, facts=True)["series"]
    assert {s["fact"] for s in whole} >= {"gradient-norm", "output-max", "unit-max"}  # type: ignore[attr-defined]  # a list
    [units] = [s for s in whole if s["fact"] == "unit-max"]  # type: ignore[attr-defined]  # a list
    assert units["values"][10] == [0.0, 1.0]


def test_csv_has_every_number(folder: Folder) -> None:
    rows = folder.csv(written(folder))
    assert rows[0] == ["fact", "name", "phase", "segment", "rank", "step", "value"]
    loss = [row for row in rows if row[:2] == ["loss", ""]]
    assert len(loss) == 300
    assert loss[70] == ["loss", "", "train", "0", "0", "70", "nan"]
    assert float(loss[3][6]) == math.exp(-3 / 90) + 0.05 * math.sin(3)
    gradients = [row for row in rows if row[:2] == ["gradient-norm", "2.weight"]]
    assert [float(row[6]) for row in gradients[:2]] == [2.0, 1.0]
    assert not any(row[0] == "unit-max" for row in rows)


def test_csv_holds_no_formula(folder: Folder) -> None:
    names = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx", 'a"b', "a,b", "a\nb", "plain"]
    run = Writing(folder.root)
    for number, name in enumerate(names):
        run.epoch(number, {name: -1.5}, {})
    run.end([])
    folder.follower.step()
    rows = folder.csv(run.id)[1:]
    assert [row[1] for row in rows] == [
        "'=HYPERLINK(1)",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\tx",
        'a"b',
        "a,b",
        "a\nb",
        "plain",
    ]
    assert {row[6] for row in rows} == {"-1.5"}
    assert cell("") == ""


def test_an_unknown_run_is_told_before_anything_is_written(folder: Folder) -> None:
    for write in (export_json, export_csv, export_html):
        with pytest.raises(RunNotFound):
            next(write(folder.queries, "nope"))


# HTML -------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(text: str) -> Page:
    """The page, which is whole, runs nothing and loads nothing."""
    page = Page(text)
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "xlink:href")
            if name == "href":
                assert tag == "a"
                assert re.match(r"#finding-\d+$|https://", value or "")
    [policy] = [a for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
    assert policy["content"] is not None
    assert policy["content"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert text.count("<style>") == 1
    assert "url(" not in text
    return page


def test_the_page_shows_the_run(folder: Folder) -> None:
    run = written(folder)
    folder.queries.mute(NewMute(scope="run", run=run, check="input-layout", reason="as it is"))
    text = folder.html(run)
    page = checked(text)
    for words in (
        "the learning rate is negative",
        "Explained by",
        "no longer seen",
        "Muted for this run: as it is",
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.5)",
        "What helps, the cheapest first",
        "Why it matters",
        "May be wrong when",
        "epochs 4 to 25, first at step 40",
        "overfitting, without metric",
        "300 steps",
    ):
        assert words in re.sub(r"\s+", " ", page.text), words
    shown = [
        attributes for tag, attributes in page.tags if tag == "svg" and "aria-label" in attributes
    ]
    labels = [str(attributes["aria-label"]) for attributes in shown]
    assert any(
        label.startswith("loss by epoch: train ends at 0.0399; validation") for label in labels
    )
    assert any(label.startswith("loss by step by step: train") for label in labels)
    assert (
        len([label for label in labels if "epochs 4 to 9, epoch 12, epochs 20 to 25" in label]) == 1
    )
    assert text.count('class="lost"') >= 1  # the NaN
    assert len(text) < 300_000


def test_words_of_the_script_are_dead_in_the_page(folder: Folder) -> None:
    run = Writing(folder.root, HOSTILE)
    run.folder.save_sources({"train.py": f"x = 1  # {HOSTILE}\n" * 9})
    place = {"file": "train.py", "line": 3, "column": 4, "end_line": 3, "end_column": 30}
    words = dict.fromkeys(("title", "message", "confidence", "cause", "check", "state"), HOSTILE)
    bad = finding(
        "a",
        **words,
        severity='x" onload="alert(1)',
        location=place,
        where={"layer": HOSTILE, "parameter": HOSTILE},
        fixes=[{"text": HOSTILE, "caution": HOSTILE, "diff": f"+{HOSTILE}\n-{HOSTILE}"}],
        evidence=[{"fact": HOSTILE, "name": HOSTILE, "value": 1, "limit": 2, "unit": HOSTILE}],
        links={"documentation": "javascript:alert(1)", "search": 'https://x/"><script>'},
        confirmation={"verdict": HOSTILE},
    )
    run.find(bad)
    run.epoch(0, {HOSTILE: 1.0}, {HOSTILE: 2.0})
    run.end(
        [bad],
        clear=[HOSTILE],
        not_assessed=[{"check": HOSTILE, "missing": [HOSTILE]}],
        failed_checks=[{"check": HOSTILE, "error": HOSTILE}],
        muted=[{"check": HOSTILE, "where": HOSTILE, "reason": HOSTILE, "by": HOSTILE}],
        run={"notes": [HOSTILE], "inputs": HOSTILE, "outputs": HOSTILE},
    )
    folder.follower.step()
    text = folder.html(run.id)
    page = checked(text)
    assert not {"\u202e", "\x1b"} & set(text)
    assert r"\u202e" in page.text
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 0.0, math.inf, math.nan, 1e-30])
def test_odd_numbers_are_drawn(folder: Folder, value: float) -> None:
    run = Writing(folder.root)
    for epoch in range(4):
        run.epoch(epoch, {"a": value, "b": value * (epoch - 2), "c": 10.0 ** (4 * epoch)}, {})
        run.step(epoch, loss=value if epoch else -value, learning_rate=[1.0, 2.0])
    run.end([])
    folder.follower.step()
    text = folder.html(run.id)
    checked(text)
    for path in re.findall(r' d="([^"]*)"', text):
        assert not re.search("nan|inf|e[+]", path)


def test_a_run_without_anything(folder: Folder) -> None:
    run = Writing(folder.root)
    folder.follower.step()
    assert "Nothing found" in checked(folder.html(run.id)).text
    assert folder.json(run.id)["series"] == []
    assert len(folder.csv(run.id)) == 1


def test_large_runs_give_bounded_pages(folder: Folder) -> None:
    run = Writing(folder.root)
    for number in range(300):
        spans = [[2 * epoch, 2 * epoch] for epoch in range(900)]
        run.find(finding(f"f{number}", spans=spans))
    for epoch in range(40):
        run.epoch(epoch, {f"metric {n}": float(n) for n in range(60)}, {})
    for step in range(20_000):
        run.step(step, loss=float(step % 7))
    run.end([])
    folder.follower.step()
    text = folder.html(run.id)
    assert len(text) < 12_000_000
    assert "further metrics are left out" in text
    assert "100 further findings are left out" in text


# command line -----------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_run(tmp_path / ".trema", "my run", epochs=3)
    return tmp_path


def test_trema_export(here: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def exported(*arguments: str) -> bytes:
        with pytest.raises(SystemExit) as ended:
            main(["export", "last", *arguments])
        assert ended.value.code in (0, None)
        return capfdbinary.readouterr().out

    assert json.loads(exported())["run"]["name"] == "my run"
    facts = {s["fact"] for s in json.loads(exported("--facts"))["series"]}
    assert "gradient-norm" in facts
    assert exported("--format", "csv").startswith(b"fact,name,phase")
    assert exported("--format", "html") == b"written to trema-my run.html\n"
    checked((here / "trema-my run.html").read_text())
    assert exported("--format", "html", "-o", "-").startswith(b"<!doctype html>")
    exported("-o", "out.json")
    assert json.loads((here / "out.json").read_text())["schema"] == 1
    assert [path.name for path in here.iterdir() if path.name.startswith(".")] == [".trema"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_leads_no_export_elsewhere(here: Path) -> None:
    (here / "mine").write_text("mine")
    (here / f".out.json.{os.getpid()}").symlink_to(here / "mine")  # as others may in /tmp
    with pytest.raises(SystemExit):
        main(["export", "last", "-o", "out.json"])
    assert (here / "mine").read_text() == "mine"
    assert json.loads((here / "out.json").read_text())["schema"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "there is no run 'nope'"),
        (["last", "--format", "csv", "--facts"], "leave it out"),
        (["last", "-o", "no/such/folder/x.json"], "cannot be written (No such file"),
    ],
)
def test_trema_export_says_what_is_wrong(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_page_in_a_browser(here: Path) -> None:
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "trema", "export", "last", "--format", "html", "-o", "r.html"]
    subprocess.run(command, check=True, capture_output=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        said: list[str] = []
        address = (here / "r.html").as_uri()
        for width in (390, 1280):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", lambda message: said.append(message.text))
            page.on("request", lambda request: said.append(request.url))
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert page.locator("article.card").count() == 4
        assert said == [address, address]
        browser.close()


def test_the_source_in_the_page_is_that_of_the_run(folder: Folder) -> None:
    run = Writing(folder.root)
    run.describe()
    run.end(several())
    folder.follower.step()
    text = folder.html(run.id)
    marked = re.findall(r'<span class="hit"><i>(\d+)</i>(.*?)</span>', text)
    assert ("8", "    <b>nn.Softmax(dim=1)</b>,") in marked
    lines = SOURCE.splitlines()
    assert [number for number, _ in marked if not lines[int(number) - 1]] == []


def test_the_markdown_of_checks_becomes_html() -> None:
    text = "gives *logits*, **all** of `f(**a, **b)`: 3 * 4 * 5 <i>"
    assert paragraphs(f"{text}\n\n- a\n  b\n- c\n\n| x |\n|---|\n| `1` |") == (
        "<p>gives <em>logits</em>, <strong>all</strong> of <code>f(**a, **b)</code>: "
        "3 * 4 * 5 &lt;i&gt;</p><ul><li>a b</li><li>c</li></ul>"
        '<div class="table"><table><tr><th>x</th></tr>'
        "<tr><td><code>1</code></td></tr></table></div>"
    )
