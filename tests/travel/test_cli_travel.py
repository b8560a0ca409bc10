"""``trema travel`` on a small recording: what it prints, keeps and refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trema import travel
from trema.cli import main
from trema.cli.travel_anomalies import flags_in_words
from trema.journal.folder import create_run
from trema.travel.abnormality import Scores
from trema.travel.record.head import Head
from trema.travel.record.options import RecordOptions
from trema.travel.record.rows import Rows
from trema.travel.record.writer import Frame, Recorder, Samples

SAMPLES = 120
#: Where the samples stand in the data of the user.
INDICES = np.arange(SAMPLES) * 10
LABELS = np.arange(SAMPLES) % 3
CENTRES = np.random.default_rng(7).normal(size=(3, 6)) * 2
#: Samples that carry a wrong label: places 4 and 7.
GIVEN = LABELS.copy()
GIVEN[[4, 7]] = (GIVEN[[4, 7]] + 1) % 3


def record(folder: Path, epochs: range, *, broken: bool = False, lost: int = 0) -> None:
    """``broken``: the last epoch is; ``lost``: so many samples are not finite in the last two."""
    recorder = Recorder(
        folder,
        {"train": Samples(INDICES, GIVEN), "test": Samples(np.arange(30), LABELS[:30])},
        layer="fc",
        kind="softmax",
        width=6,
        outputs=3,
        options=RecordOptions(),
    )
    for epoch in epochs:
        generator = np.random.default_rng(epoch)
        x = generator.normal(size=(SAMPLES, 6)) * 0.4 + CENTRES[LABELS] * (epoch + 1) / 3
        head = Head.of(CENTRES * (epoch + 1) / 3, None)
        if broken and epoch == epochs[-1]:
            x = x * np.nan
        if epoch in epochs[-2:]:
            x[:lost] = np.nan
        frames = {}
        for name, part in (("train", x), ("test", x[:30] + 0.1)):
            frames[name] = Frame(Rows(len(part)), Rows(len(part)))
            frames[name].representations.add(part)
            frames[name].logits.add(part @ head.weights.T + head.biases)
        recorder.add(epoch, frames, head, 0.01)


@pytest.fixture
def run() -> Path:
    made = create_run(Path(os.environ["TREMA_DIR"]), "digits")
    record(made.path / "travel", range(5))
    return made.path / "travel"


def trema(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command of ``trema travel`` prints."""
    with pytest.raises(SystemExit) as ended:
        main(["travel", *words])
    assert ended.value.code in (0, None), capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["travel", *words])
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    return told


def test_a_movie_is_built_once_and_kept(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trema(capsys, "build", "digits", "--method", "pca")
    assert "pca: 5 epochs × 120 train samples" in out
    file = run / "movies" / "pca" / "movie.json"
    before = file.stat().st_mtime_ns
    about = json.loads(trema(capsys, "build", "last", "--method", "pca", "--json"))
    assert about["epochs"] == [0, 1, 2, 3, 4]
    assert about["samples"] == SAMPLES
    assert file.stat().st_mtime_ns == before
    movie = travel.load(run / "movies" / "pca")
    assert movie.positions.shape == (5, SAMPLES, 2)
    trema(capsys, "build", "digits", "--method", "pca", "--split", "test")
    assert travel.load(run / "movies" / "pca-test").positions.shape == (5, 30, 2)
    assert "pca: 5 epochs" in trema(capsys, "build", str(run), "--method", "pca")


def test_samples_without_a_place_are_counted_with_their_epochs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, range(4), lost=3)
    out = trema(capsys, "build", str(tmp_path), "--method", "pca")
    assert "not finite and without a place: 3 samples, in 2 epochs" in out
    about = json.loads(trema(capsys, "build", str(tmp_path), "--method", "pca", "--json"))
    assert about["excluded"] == 6


def test_new_epochs_are_added_and_leave_the_others(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trema(capsys, "build", "--method", "pca")
    first = travel.load(run / "movies" / "pca").positions
    record(run, range(5, 7))
    assert "pca: 7 epochs" in trema(capsys, "build", "--method", "pca")
    longer = travel.load(run / "movies" / "pca")
    assert longer.epochs == [0, 1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(longer.positions[:5], first)


def test_quality_of_own_and_unseen_samples(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trema(capsys, "quality", "--method", "pca", "--k", "5")
    assert "120 samples, k = 5, 5 epochs" in out
    about = json.loads(
        trema(capsys, "quality", "--method", "pca", "--k", "5", "--unseen", "test", "--json")
    )
    assert about["unseen"] is True
    assert about["queries"] == 30


def test_anomalies_name_samples_of_the_user(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trema(capsys, "anomalies", "--method", "pca", "--count", "3", "--threshold", "0.9")
    assert re.match(r"\d+ of 120 train samples are flagged: \d+ score above 0.9", out)
    assert len(out.splitlines()) == 4
    about = json.loads(trema(capsys, "anomalies", "--method", "pca", "--count", "200", "--json"))
    assert {row["sample"] for row in about["samples"]} == set(INDICES.tolist())
    scores = [row["score"] for row in about["samples"]]
    assert scores == sorted(scores, reverse=True)


def test_flags_are_counted_by_their_cause() -> None:
    scores = np.array([0.99, 0.995, 0.9, 0.1, np.nan])
    flags = np.array([True, True, True, False, False])
    found = Scores(scores, flags, {}, np.array([4]))
    assert flags_in_words(found, 0.98, "test") == (
        "3 of 5 test samples are flagged: 2 score above 0.98, 1 more since so many stand out "
        "(about 0.1 of the flags may be false)"
    )
    plain = flags_in_words(replace(found, flags=scores > 0.98), 0.98, "test")
    assert plain.endswith("2 score above 0.98")


def test_suggestions_are_answered_kept_and_undone(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = json.loads(trema(capsys, "suggest", "--method", "pca", "--count", "2", "--json"))
    assert {row["sample"] for row in first["samples"]} == {40, 70}  # the wrong labels
    assert all("margin" in row["reason"] or "label" in row["reason"] for row in first["samples"])
    out = trema(capsys, "suggest", "--method", "pca", "--accept", "40,70", "--reject", "0-20")
    assert "2 accepted, 3 rejected in 1 round\n" in out
    later = json.loads(trema(capsys, "suggest", "--method", "pca", "--json"))
    shown = {row["sample"] for row in later["samples"]}
    assert not shown & {0, 10, 20, 40, 70}
    assert later["accepted"] == [40, 70]
    assert "0 accepted, 0 rejected" in trema(capsys, "suggest", "--method", "pca", "--undo")
    other = json.loads(
        trema(
            capsys,
            "suggest",
            "--method",
            "pca",
            "--session",
            "odd",
            "--intention",
            "open",
            "--json",
        )
    )
    assert other["intention"] == "open"
    kept = sorted(path.stem for path in (run / "sessions" / "train").iterdir())
    assert kept == ["default", "odd"]


def test_answers_stay_when_an_epoch_is_recorded(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And each split has a session of its own under the same name."""
    pca = ("suggest", "--method", "pca")
    trema(capsys, *pca, "--accept", "40,70")
    trema(capsys, *pca, "--split", "test", "--reject", "3")
    record(run, range(5, 6))
    assert json.loads(trema(capsys, *pca, "--json"))["accepted"] == [40, 70]
    assert json.loads(trema(capsys, *pca, "--split", "test", "--json"))["rejected"] == [3]


def record_pool(folder: Path, epochs: int = 4) -> NDArray[np.int64]:
    """60 labelled samples and a pool of 60, of which places 3 and 8 are predicted wrongly; gives
    the pool's own indices. Its data set gives labels too, which are not to be believed."""
    indices = np.arange(60) * 2
    pool = Samples(indices, np.zeros(60, dtype=np.int64))
    recorder = Recorder(
        folder,
        {"train": Samples(np.arange(60), LABELS[:60]), "unlabelled": pool},
        layer="fc",
        kind="softmax",
        width=6,
        outputs=3,
    )
    classes = LABELS[:60].copy()
    for epoch in range(epochs):
        generator = np.random.default_rng(epoch)
        head = Head.of(CENTRES, None)
        frames = {}
        for name in ("train", "unlabelled"):
            x = generator.normal(size=(60, 6)) * 0.3 + CENTRES[classes]
            logits = x @ head.weights.T
            if name == "unlabelled":
                logits[[3, 8]] = np.roll(logits[[3, 8]], 1, axis=1)
            frames[name] = Frame(Rows(60), Rows(60))
            frames[name].representations.add(x)
            frames[name].logits.add(logits)
        recorder.add(epoch, frames, head, 0.0)
    return indices


def test_a_pool_is_searched_beside_labelled_neighbours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pool" / "travel"
    record_pool(folder)
    both = (str(folder), "--method", "pca", "--split", "train,unlabelled")
    first = json.loads(trema(capsys, "suggest", *both, "--count", "5", "--json"))
    assert first["intention"] == "mispredicted"
    assert {row["split"] for row in first["samples"]} == {"unlabelled"}
    shown = {row["sample"]: row for row in first["samples"]}
    for sample in (6, 16):
        assert "its neighbours are labelled" in shown[sample]["reason"]
        assert shown[sample]["label"] is None
    out = trema(capsys, "suggest", *both, "--accept", "unlabelled:6,unlabelled:16-18")
    assert "3 accepted" in out
    assert "sample unlabelled:" in out
    later = json.loads(trema(capsys, "suggest", *both, "--reject", "90", "--json"))
    assert later["accepted"] == ["unlabelled:6", "unlabelled:16", "unlabelled:18"]
    assert later["rejected"] == ["unlabelled:90"]  # only the pool goes so far
    assert "say which, as in train:6" in refused(capsys, "suggest", *both, "--accept", "6")
    assert "are not among" in refused(capsys, "suggest", *both, "--accept", "train:6")
    assert (folder / "sessions" / "train+unlabelled" / "default.json").is_file()
    record_more = travel.load(folder / "movies" / "pca-train+unlabelled")
    assert record_more.positions.shape == (4, 120, 2)
    trema(capsys, "export", *both, "-o", str(tmp_path / "both.csv"))
    with (tmp_path / "both.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["split"], row["indices"], row["labels"]) for row in rows[59:62]] == [
        ("train", "59", str(LABELS[59])),
        ("unlabelled", "0", "-1"),
        ("unlabelled", "2", "-1"),
    ]


def test_a_pool_by_itself_is_told_where_labels_are(
    run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "bare" / "travel"
    samples = {"unlabelled": Samples(np.arange(30)), "train": Samples(np.arange(30), LABELS[:30])}
    recorder = Recorder(folder, samples, layer="fc", kind="softmax", width=6, outputs=3)
    for epoch in range(3):
        x = np.random.default_rng(epoch).normal(size=(30, 6))
        frame = Frame(Rows(30), Rows(30))
        frame.representations.add(x)
        frame.logits.add(x[:, :3])
        recorder.add(epoch, dict.fromkeys(samples, frame), Head.of(np.eye(6)[:3], None), 0.0)
    pca = (str(folder), "--method", "pca", "--json")
    with pytest.raises(SystemExit):
        main(["travel", "suggest", *pca, "--split", "unlabelled"])
    assert "--split train,unlabelled searches" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["travel", "suggest", *pca])
    assert capsys.readouterr().err == ""


def test_another_split_is_judged_as_unseen(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pca = ("anomalies", "--method", "pca", "--unseen", "test", "--threshold", "0.9")
    out = trema(capsys, *pca, "--count", "4")
    assert re.match(r"\d+ of 30 test samples are flagged: \d+ score above 0.9", out)
    about = json.loads(trema(capsys, *pca, "--count", "99", "--json"))
    assert about["split"] == "test"
    recording = travel.open_recording(run)
    movie = travel.load(
        run / "movies" / "pca", recording.representations(), recording.heads, kind="softmax"
    )
    places = [movie.project(x, at) for at, x in enumerate(recording.representations("test"))]
    scored = travel.anomalies(movie, recording.logits(), 0.9).score(
        np.stack(places), recording.logits("test")
    )
    for row in about["samples"]:
        assert row["score"] == pytest.approx(scored.scores[row["sample"]], abs=1e-6)
        assert row["label"] == LABELS[row["sample"]]
    assert sorted(about["flagged"]) == np.flatnonzero(scored.flags).tolist()
    told = refused(capsys, "anomalies", "--method", "pca", "--unseen", "train")
    assert "does not hold but train is in it" in told


def test_unseen_samples_are_calibrated_by_held_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Test and validation lie farther out than the training: only by the latter are few flagged."""
    samples = {name: Samples(np.arange(120), LABELS) for name in ("train", "test", "validation")}
    folder = tmp_path / "held" / "travel"
    recorder = Recorder(
        folder, samples, layer="fc", kind="softmax", width=6, outputs=3, options=RecordOptions()
    )
    for epoch in range(4):
        frames = {}
        for at, name in enumerate(samples):
            draw = np.random.default_rng([epoch, at])
            x = draw.normal(size=(120, 6)) * (0.4 if name == "train" else 1.2) + CENTRES[LABELS]
            frames[name] = Frame(Rows(120), Rows(120))
            frames[name].representations.add(x)
            frames[name].logits.add(x @ CENTRES.T)
        recorder.add(epoch, frames, Head.of(CENTRES, None), 0.0)
    asked = ("anomalies", str(folder), "--method", "pca", "--json", "--unseen", "test")
    plain = json.loads(trema(capsys, *asked))
    calm = json.loads(trema(capsys, *asked, "--held", "validation"))
    assert calm["split"] == "test"
    assert len(calm["flagged"]) <= 10 < 30 < len(plain["flagged"])
    assert "expected --held with --unseen" in refused(
        capsys, "anomalies", str(folder), "--held", "test"
    )
    assert "leave out --held" in refused(capsys, *asked, "--held", "train")


def test_options_of_a_movie_are_checked_kept_and_told(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = ("build", "digits", "--method", "trema", "--device", "cpu")
    file = run / "movies" / "trema" / "movie.json"
    trema(capsys, *build, "--option", "neighbours=5")
    assert json.loads(file.read_text())["options"] == {"neighbours": 5}
    made = file.stat().st_mtime_ns
    trema(capsys, *build, "--option", "neighbours=5")
    assert file.stat().st_mtime_ns == made
    with pytest.raises(SystemExit):
        main(["travel", "anomalies"])
    assert "the movie was made with neighbours=5" in capsys.readouterr().err
    assert file.stat().st_mtime_ns == made
    with pytest.raises(SystemExit):
        main(["travel", *build])
    assert "was made with neighbours=5: it is made anew" in capsys.readouterr().err
    assert json.loads(file.read_text())["options"] == {}


def test_dvi_takes_one_more_epoch_too(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dvi = ("build", "--method", "dvi", "--device", "cpu", "--option", "passes=1")
    trema(capsys, *dvi)
    first = travel.load(run / "movies" / "dvi").positions
    record(run, range(5, 6))
    assert "dvi: 6 epochs" in trema(capsys, *dvi)
    np.testing.assert_array_equal(travel.load(run / "movies" / "dvi").positions[:5], first)


def test_loop_on_the_terminal(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("40\n70\n")
    typed = f"a {chosen}\nr 999999\nhm\n\nr all\n\nundo\na 0\n"  # the last is not sent
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    out = trema(capsys, "suggest", "--method", "pca", "--count", "4")
    assert "0 accepted, 0 rejected in 0 rounds" in out
    assert "there is no sample 999999" in out
    assert "2 accepted, 0 rejected in 1 round\n" in out
    assert "2 accepted, 4 rejected in 2 rounds" in out
    kept = json.loads((run / "sessions" / "train" / "default.json").read_text())
    assert kept["rounds"][0]["accepted"] == [4, 7]
    assert len(kept["rounds"][0]["ignored"]) == 2
    assert kept["rounds"][-1]["accepted"] == [0]
    assert "kept in" in out


def test_undo_takes_back_what_is_not_sent_first(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = "a 0-20\nr 10\nundo\na 30-10\na\n\na 500\n\nundo\nundo\nundo\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    out = trema(capsys, "suggest", "--method", "pca", "--count", "4")
    said = re.findall(r"^  ((?:not sent|taken back|the range|there is).*)$", out, re.M)
    assert said == [
        "not sent yet: 3 accepted",
        "not sent yet: 2 accepted, 1 rejected",
        "taken back, never sent: 2 accepted, 1 rejected",
        "the range 30-10 runs backwards: give 10-30",
        "not sent yet: nothing",
        "not sent yet: 1 accepted",
        "there is no feedback to undo",
    ]
    kept = json.loads((run / "sessions" / "train" / "default.json").read_text())
    assert kept["rounds"] == []


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_export(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    trema(capsys, "export", "--method", "pca", "--neighbours", "-o", str(target))
    positions = travel.load(run / "movies" / "pca").positions
    if suffix == "npz":
        with np.load(target, allow_pickle=False) as arrays:
            np.testing.assert_array_equal(arrays["positions"], positions)
            np.testing.assert_array_equal(arrays["indices"], INDICES)
            mean = arrays["margin_by_epoch"].mean(axis=0)
            np.testing.assert_allclose(mean, arrays["margin_mean"], atol=1e-4)
            assert arrays["loss_by_epoch"].shape == arrays["other_label_by_epoch"].shape
            assert (arrays["other_label_by_epoch"][:, 4] > 0.5).all()  # a wrong label
        return
    with target.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    assert [int(row["indices"]) for row in rows] == INDICES.tolist()
    assert [int(row["labels"]) for row in rows] == GIVEN.tolist()
    margins = [float(rows[5][f"margin_{epoch}"]) for epoch in range(5)]
    assert np.mean(margins) == pytest.approx(float(rows[5]["margin_mean"]), abs=1e-3)
    assert {"confidence_0", "loss_4", "other_label_2"} <= set(rows[0])
    assert float(rows[5]["y_3"]) == pytest.approx(float(positions[3, 5, 1]), rel=1e-5)


def test_export_tells_epochs_by_their_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = create_run(Path(os.environ["TREMA_DIR"]), "sparse")
    record(made.path / "travel", range(0, 12, 4))
    trema(capsys, "export", "sparse", "--method", "pca", "-o", str(tmp_path / "m.csv"))
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        told = [float(row["learned"]) for row in csv.DictReader(file)]
    recording = travel.open_recording(made.path)
    labels = recording.labels()
    assert labels is not None
    places = [recording.logits()[at].argmax(axis=1) for at in range(3)]
    for sample, learned in enumerate(told):
        right = [
            epoch
            for epoch, said in zip((0, 4, 8), places, strict=True)
            if said[sample] == labels[sample]
        ]
        assert learned == right[0] if right else np.isnan(learned)
    assert {0.0, 4.0} < set(told)


def test_epochs_that_diverged_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    made = create_run(Path(os.environ["TREMA_DIR"]), "diverged")
    record(made.path / "travel", range(4), broken=True)
    assert "pca: 3 epochs" in trema(capsys, "build", "diverged", "--method", "pca")


def test_last_is_the_newest_run_with_a_recording(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trema(capsys, "build", "last", "--method", "pca")
    bare = create_run(Path(os.environ["TREMA_DIR"]), "without")
    for made, began in ((run.parent, 1.0), (bare.path, 2.0)):
        about = json.loads((made / "run.json").read_text())
        (made / "run.json").write_text(json.dumps({**about, "started": began}))
    with pytest.raises(SystemExit) as ended:
        main(["travel", "build", "last", "--method", "pca"])
    assert ended.value.code in (0, None)
    told = capsys.readouterr()
    assert "pca: 5 epochs × 120 train samples" in told.out
    assert "the newest run has no recording; the newest that has one is digits" in told.err
    assert travel.open_recording("last").folder == run
    assert "nothing was recorded in" in refused(capsys, "build", "without")


def test_several_labels_are_told_by_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "several" / "travel"
    generator = np.random.default_rng(0)
    labels = (generator.random((60, 3)) > 0.5).astype(np.int64)
    recorder = Recorder(
        folder,
        {"train": Samples(np.arange(60), labels)},
        layer="fc",
        kind="multilabel",
        width=3,
        outputs=3,
    )
    for epoch in range(3):
        x = (2.0 * labels - 1.0) * (epoch + 1) + generator.normal(size=(60, 3)) * 0.1
        frame = Frame(Rows(60), Rows(60))
        frame.representations.add(x)
        frame.logits.add(x)
        recorder.add(epoch, {"train": frame}, Head.of(np.eye(3), None), 0.0)
    found = json.loads(trema(capsys, "anomalies", str(folder), "--method", "pca", "--json"))
    for row in found["samples"]:
        assert row["label"] == row["predicted"] == np.flatnonzero(labels[row["sample"]]).tolist()
    trema(capsys, "export", str(folder), "--method", "pca", "-o", str(tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["labels_1"]) for row in rows] == labels[:, 1].tolist()
    assert [int(row["predicted_1"]) for row in rows] == labels[:, 1].tolist()


def test_mistakes_are_one_sentence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = create_run(Path(os.environ["TREMA_DIR"]), "bare")
    assert "travel=data" in refused(capsys, "build", bare.name)
    assert "no run 'nothing'" in refused(capsys, "quality", "nothing")
    pca = ("digits", "--method", "pca")
    assert "not 'pool'" in refused(capsys, "build", *pca, "--split", "pool")
    assert "NAME=VALUE" in refused(capsys, "build", *pca, "--option", "x")
    assert "'pca' has no options" in refused(capsys, "build", *pca, "--option", "foo=1")
    ours = ("build", "digits", "--option")
    assert "no option 'neighbors': did you mean 'neighbours'?" in refused(
        capsys, *ours, "neighbors=3"
    )
    assert "a value like 15 but got --option neighbours=many" in refused(
        capsys, *ours, "neighbours=many"
    )
    assert "ends in .csv or .npz" in refused(capsys, "export", *pca, "-o", "a.txt")
    assert "no sample 5" in refused(capsys, "suggest", *pca, "--accept", "5")
    assert "neither a list" in refused(capsys, "suggest", *pca, "--accept", "missing.txt")
    assert "must be a word" in refused(capsys, "suggest", *pca, "--session", "../up")
    assert "unknown intention" in refused(capsys, "suggest", *pca, "--intention", "odd")
