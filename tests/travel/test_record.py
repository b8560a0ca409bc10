"""The recorder and its reader on arrays with known answers: no framework, no training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trema import travel
from trema.core.errors import NotFound, RunNotFound, UnknownOption, UsageError
from trema.travel.record.compress import basis_of, folded
from trema.travel.record.files import frame_files, head_file
from trema.travel.record.head import (
    Head,
    Refused,
    checked_outputs,
    kind_of,
    label_numbers,
    meaning_of,
)
from trema.travel.record.options import RecordOptions
from trema.travel.record.reader import open_folder
from trema.travel.record.rows import Rows
from trema.travel.record.schedule import Schedule, thinned
from trema.travel.record.sources import sources_of
from trema.travel.record.writer import Frame, Recorder, Samples

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 3


def rows(array: NDArray[Any]) -> Rows:
    made = Rows(len(array))
    made.add(array[: len(array) // 2])
    made.add(array[len(array) // 2 :])
    return made


def recorder(folder: Path, *, width: int = 6, **options: Any) -> Recorder:
    return Recorder(
        folder,
        {"train": Samples(np.arange(40), LABELS), "unlabelled": Samples(np.array([3, 9, 27]))},
        layer="fc",
        kind="softmax",
        width=width,
        outputs=3,
        options=RecordOptions(**options),
    )


def add(made: Recorder, number: int, scale: float = 1.0) -> tuple[NDArray[Any], Head]:
    generator = np.random.default_rng(number)
    width = 6
    x = (generator.normal(size=(40, width)) * scale).astype(np.float32)
    head = Head.of(generator.normal(size=(3, width)), generator.normal(size=3))
    frames = {
        name: Frame(rows(part), rows(part @ head.weights.T + head.biases))
        for name, part in (("train", x), ("unlabelled", x[[3, 9, 27]]))
    }
    made.add(number, frames, head, 0.25)
    return x, head


def test_what_was_written_is_read(tmp_path: Path) -> None:
    made = recorder(tmp_path / "travel")
    written = [add(made, number) for number in (0, 1, 5)]
    read = travel.open_recording(tmp_path)
    assert read.epochs == [0, 1, 5]
    assert read.splits == ["train", "unlabelled"]
    assert read.kind == "softmax"
    assert read.seconds == 0.75
    np.testing.assert_array_equal(read.labels(), LABELS)
    assert read.labels("unlabelled") is None
    np.testing.assert_array_equal(read.indices("unlabelled"), [3, 9, 27])
    weights, biases = read.heads
    for at, (x, head) in enumerate(written):
        frame = read.representations()[at]
        assert isinstance(frame, np.memmap)
        assert frame.dtype == np.float16
        np.testing.assert_allclose(frame, x, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(weights[at], head.weights)
        np.testing.assert_array_equal(biases[at], head.biases)
        np.testing.assert_allclose(
            read.logits()[at], x @ head.weights.T + head.biases, rtol=2e-3, atol=2e-3
        )


def test_several_splits_are_read_as_one(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    written = [add(made, number)[0] for number in (0, 1)]
    both = travel.open_recording(tmp_path)
    for at, x in enumerate(written):
        frame = both.representations("train,unlabelled")[at]
        assert isinstance(frame, np.memmap)
        np.testing.assert_allclose(frame, np.concatenate([x, x[[3, 9, 27]]]), atol=1e-2)
        np.testing.assert_array_equal(
            both.logits("unlabelled, train")[at],
            np.concatenate([both.logits("unlabelled")[at], both.logits()[at]]),
        )
    labels = both.labels("train,unlabelled")
    assert labels is not None
    np.testing.assert_array_equal(labels, [*LABELS, -1, -1, -1])
    np.testing.assert_array_equal(both.indices("train,unlabelled"), [*range(40), 3, 9, 27])
    assert both.split_of("unlabelled,train").tolist() == ["unlabelled"] * 3 + ["train"] * 40
    with pytest.raises(UsageError, match="each split once"):
        both.labels("train,train")
    with pytest.raises(UsageError, match="but not 'pool'"):
        both.labels("train,pool")


def test_a_joined_frame_follows_what_it_was_made_of(tmp_path: Path) -> None:
    add(recorder(tmp_path), 0)
    read = travel.open_recording(tmp_path)
    before = np.array(read.representations("train,unlabelled")[0])
    file = tmp_path / "joined" / "train+unlabelled" / "0.repr.npy"
    made = file.stat().st_mtime_ns
    read.representations("train,unlabelled")
    assert file.stat().st_mtime_ns == made
    file.unlink()
    file.write_bytes(b"half")
    np.testing.assert_array_equal(read.representations("train,unlabelled")[0], before)
    source = frame_files(tmp_path, "unlabelled", 0)[0]
    np.save(source, np.ones((3, 6), np.float16))
    later = file.stat().st_mtime_ns + 1
    os.utime(source, ns=(later, later))
    np.testing.assert_array_equal(read.representations("train,unlabelled")[0][40:], 1)


def test_the_pool_has_no_labels(tmp_path: Path) -> None:
    """A data set gives labels for a pool too, which are nobody's answer."""
    given = {"train": Samples(np.arange(3), np.array([[1, 0], [1, 1], [0, 1]]))}
    given["unlabelled"] = Samples(np.arange(2), np.zeros((2, 2), dtype=np.int64))
    given["test"] = Samples(np.arange(2))
    made = Recorder(tmp_path, given, layer="fc", kind="multilabel", width=3, outputs=2)
    assert made.recorded == []
    read = open_folder(tmp_path)
    labels = read.labels("train,unlabelled,test")
    assert labels is not None
    np.testing.assert_array_equal(labels[:3], given["train"].labels)
    np.testing.assert_array_equal(labels[3:], -1)
    assert read.labels("unlabelled,test") is None
    assert read.labels("unlabelled") is None


@pytest.mark.parametrize("scale", [1e6, 1e-9])
def test_numbers_beyond_float16_stay_finite_and_exact(tmp_path: Path, scale: float) -> None:
    made = recorder(tmp_path)
    x, _ = add(made, 0, scale)
    frame = travel.open_recording(tmp_path).representations()[0]
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, x)


def test_a_later_batch_beyond_float16_keeps_the_earlier() -> None:
    made = Rows(4)
    made.add(np.array([[1.0], [2.0]]))
    made.add(np.array([[70_000.0], [np.nan]]))
    np.testing.assert_array_equal(made.array, [[1], [2], [70_000], [np.nan]])
    np.testing.assert_array_equal(made.nonfinite, [3])


def test_nonfinite_samples_are_counted_by_frame(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    add(made, 0)
    x = np.ones((40, 6), np.float32)
    x[7, 2], x[9, 0] = np.nan, np.inf
    head = Head.of(np.ones((3, 6)), None)
    frame = Frame(rows(x), rows(x @ head.weights.T))
    fine = Frame(rows(x[:3]), rows(x[:3] @ head.weights.T))
    made.add(1, {"train": frame, "unlabelled": fine}, head, 0.0)
    read = travel.open_recording(tmp_path)
    assert read.nonfinite() == {1: 2}
    assert read.nonfinite("unlabelled") == {}
    assert made.nonfinite == {1: 2}
    about = json.loads((tmp_path / "recording.json").read_text())
    assert about["frames"]["1"]["nonfinite"]["train"]["samples"] == [7, 9]
    assert read.broken() == []


def test_frames_without_any_finite_sample_can_be_left_out(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    add(made, 0)
    add(made, 1, np.nan)
    read = travel.open_recording(tmp_path)
    assert read.broken() == [1]
    assert read.without([1]).epochs == [0]
    assert len(read.without([1]).representations()) == 1


def test_a_frame_with_one_finite_sample_is_broken_too(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    add(made, 0)
    head = Head.of(np.ones((3, 6)), None)
    for number, left in ((1, 1), (2, 2)):
        x = np.full((40, 6), np.nan, np.float32)
        x[:left] = np.arange(left)[:, None]
        fine = Frame(rows(np.ones((3, 6), np.float32)), rows(np.ones((3, 3), np.float32)))
        made.add(number, {"train": Frame(rows(x), rows(x[:, :3])), "unlabelled": fine}, head, 0.0)
    read = travel.open_recording(tmp_path)
    assert read.broken() == [1]
    assert len(travel.build(read.without([1]).representations(), method="pca").positions) == 2


@pytest.mark.parametrize("missing", ["head", "repr", "logits"])
def test_half_an_epoch_is_none(tmp_path: Path, missing: str) -> None:
    made = recorder(tmp_path)
    add(made, 0)
    add(made, 1)
    places = frame_files(tmp_path, "unlabelled", 1)
    {"head": head_file(tmp_path, 1), "repr": places[0], "logits": places[1]}[missing].unlink()
    assert travel.open_recording(tmp_path).epochs == [0]


#: Records an epoch, and dies in the middle of a file of the second.
DYING = """
import io, os, sys
from tests.travel import test_record as case
from trema.travel.record import files

made = case.recorder(case.Path(sys.argv[1]))
case.add(made, 0)
whole, left = files._whole, int(sys.argv[2])

def killed(path, write):
    def half(file):
        content = io.BytesIO()
        write(content)
        file.write(content.getvalue()[: content.tell() // 2])
        file.flush()
        os._exit(9)

    global left
    left -= 1
    whole(path, write if left else half)

files._whole = killed
case.add(made, 1)
"""


@pytest.mark.parametrize(("files_begun", "name"), [(1, "repr"), (4, "logits"), (5, "npz")])
def test_a_process_killed_while_it_writes_leaves_whole_epochs_only(
    tmp_path: Path, files_begun: int, name: str
) -> None:
    """The first file of an epoch, the last array, and the head that makes it count."""
    command = [sys.executable, "-c", DYING, str(tmp_path), str(files_begun)]
    root = Path(__file__).parents[2]  # where the tests are a package
    ended = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert ended.returncode == 9, ended.stderr
    (part,) = tmp_path.glob("*/*.part")
    assert name in part.name
    read = travel.open_recording(tmp_path)
    assert read.epochs == [0]
    assert len(read.representations("unlabelled")) == 1
    again = recorder(tmp_path)
    assert not list(tmp_path.glob("*/*.part"))
    assert again.next_number(1) == 1
    x, _ = add(again, 1)
    assert travel.open_recording(tmp_path).epochs == [0, 1]
    np.testing.assert_allclose(travel.open_recording(tmp_path).representations()[1], x, atol=1e-2)


def test_budget_thins_whole_epochs_evenly(tmp_path: Path) -> None:
    plain = recorder(tmp_path / "plain")
    made = recorder(tmp_path / "thin", budget=5 * plain.frame_bytes)
    for number in range(20):
        add(made, number)
    read = travel.open_recording(tmp_path / "thin")
    assert read.epochs == made.recorded
    assert read.epochs[0] == 0
    assert read.epochs[-1] == 19
    gaps = np.diff(read.epochs[:-1])
    assert len(set(gaps.tolist())) == 1
    assert 3 <= len(read.epochs) <= 5
    left = {path.name for path in (tmp_path / "thin" / "train").glob("*.npy")}
    assert len(left) == 2 * len(read.epochs)


@given(st.integers(1, 200), st.integers(2, 50))
def test_thinning_keeps_both_ends_and_fits(count: int, room: int) -> None:
    kept: list[int] = []
    stride = 1
    for place in range(count):
        kept, stride = thinned([*kept, place], room, stride)
        assert kept[0] == 0
        assert kept[-1] == place
        assert len(kept) <= room
    gaps = np.diff(kept[:-1])
    assert gaps.size == 0 or gaps.max() == gaps.min()
    assert len(kept) >= min(count, room // 2)


def test_budget_too_small_for_two_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="budget"):
        recorder(tmp_path, budget=900)


def test_size_is_told_in_advance(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    assert made.announcement().endswith(
        f"{made.frame_bytes} bytes an epoch, epochs are thinned out beyond 4.3 GB"
    )
    stepwise = recorder(tmp_path / "steps", schedule=5).announcement()
    assert stepwise.endswith("a frame, frames are thinned out beyond 4.3 GB")
    line = made.announcement(20)
    assert line.endswith("for 20 of them")
    assert "40 train, 3 unlabelled samples × 6 numbers at `fc`" in line
    assert "\n" not in line
    before = made.frame_bytes
    add(made, 0)
    size = sum(path.stat().st_size for path in tmp_path.glob("*/0.*"))
    assert before <= size <= before + 2000  # headers of the files


def test_a_model_without_inner_layers_has_no_name(tmp_path: Path) -> None:
    samples = {"train": Samples(np.arange(2), np.array([0, 1]))}
    made = Recorder(tmp_path, samples, layer="", kind="softmax", width=3, outputs=2)
    assert "× 3 numbers at the model itself: " in made.announcement()


def test_log_schedule_is_dense_first_and_sparse_later() -> None:
    schedule = Schedule("log")
    due = [number for number in range(200) if schedule.due(number)]
    assert due[:8] == list(range(8))
    assert 20 <= len(due) <= 30
    assert max(np.diff(due)) == due[-1] - due[-2] > 20
    assert [n for n in range(10) if Schedule(3).due(n)] == [2, 5, 8]


def test_compressed_logits_stay_what_they_were(tmp_path: Path) -> None:
    made = recorder(tmp_path, compress=4)
    written = [add(made, number) for number in range(3)]
    read = travel.open_recording(tmp_path)
    weights, biases = read.heads
    assert weights.shape == (3, 3, 4)
    for at, (x, head) in enumerate(written):
        kept = np.asarray(read.representations()[at], dtype=np.float32)
        exact = x @ head.weights.T + head.biases
        np.testing.assert_allclose(kept @ weights[at].T + biases[at], exact, atol=1e-2)
        basis = read.basis(at)
        assert basis is not None
        np.testing.assert_allclose(basis @ basis.T, np.eye(4), atol=1e-5)
        np.testing.assert_allclose(weights[at] @ basis, head.weights, atol=1e-5)


def test_basis_keeps_the_largest_spread_and_turns_little() -> None:
    x = RNG.normal(size=(500, 12)) * np.array([9, 8, 7, 1, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1])
    head = Head.of(np.eye(12)[9:11], None)
    basis = basis_of(x, head, 6, None)
    for axis in (0, 1, 2, 9, 10):  # three of large spread, two that the head reads
        assert np.linalg.norm(basis[:, axis]) > 0.99
    moved = x + RNG.normal(size=x.shape) * 0.01
    after = basis_of(moved, head, 6, basis)
    # one direction of six is a free choice among equals, the others stay
    assert np.linalg.svd(after @ basis.T)[1][:5].min() > 0.999
    np.testing.assert_allclose(np.diag(after @ basis.T)[:1], 1, atol=0.05)
    np.testing.assert_allclose(folded(head, basis).weights @ basis, head.weights, atol=1e-6)


def test_compression_needs_room_for_the_head(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="give at least 4"):
        recorder(tmp_path, compress=2)
    assert recorder(tmp_path, compress=50).frame_bytes == recorder(tmp_path / "b").frame_bytes


def test_a_second_training_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    add(recorder(tmp_path), 0)
    again = recorder(tmp_path)
    assert again.next_number(0) == 1
    add(again, 1)
    assert travel.open_recording(tmp_path).epochs == [0, 1]
    with pytest.raises(Refused, match="other samples or another network"):
        recorder(tmp_path, width=7)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("recording.json", b"{", "damaged"),
        ("recording.json", b'{"format": 99}', "another version"),
        ("heads/0.npz", b"PK\x03\x04", "damaged"),
        ("train/0.repr.npy", b"", "damaged"),
        ("train/samples.npz", b"no zip", "damaged"),
    ],
)
def test_damaged_files_are_one_sentence(
    tmp_path: Path, file: str, content: bytes, words: str
) -> None:
    add(recorder(tmp_path), 0)
    (tmp_path / file).write_bytes(content)

    def read_all() -> tuple[Any, ...]:
        read = travel.open_recording(tmp_path)
        return read.representations(), read.labels(), read.heads

    with pytest.raises(UsageError, match=words) as caught:
        read_all()
    assert "\n" not in str(caught.value)


def test_array_of_another_shape_is_told(tmp_path: Path) -> None:
    add(recorder(tmp_path), 0)
    np.save(tmp_path / "train" / "0.repr.npy", np.zeros((40, 5), np.float16))
    with pytest.raises(UsageError, match=r"shape \(40, 6\)"):
        travel.open_recording(tmp_path).representations()


def test_nothing_recorded_says_how(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"travel=data"):
        travel.open_recording(tmp_path)
    with pytest.raises(RunNotFound):
        travel.open_recording("no such run")
    recorder(tmp_path)
    with pytest.raises(NotFound, match="no whole epoch"):
        travel.open_recording(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"schedule": "weekly"}, "schedule must be"),
        ({"schedule": 0}, "schedule must be"),
        ({"kind": "regression"}, "kind must be"),
        ({"budget": 0}, "budget must be"),
        ({"compress": 1}, "compress must be"),
        ({"samples": 1.5}, "samples must be"),
        (3, "must be a mapping"),
    ],
)
def test_options_that_cannot_be(options: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RecordOptions.of(options)
    with pytest.raises(UnknownOption, match="schedule"):
        RecordOptions.of({"shedule": "log"})


def test_kinds_of_heads() -> None:
    several = np.array([[1, 1, 0], [0, 0, 0]])
    assert kind_of(1, None, stated=None, sigmoid=False) == "sigmoid"
    assert kind_of(3, several, stated=None, sigmoid=False) == "multilabel"
    assert kind_of(3, np.eye(3), stated=None, sigmoid=False) == "softmax"
    assert kind_of(3, None, stated=None, sigmoid=True) == "multilabel"
    np.testing.assert_array_equal(label_numbers(np.eye(3)[[2, 0]], "softmax", 3), [2, 0])
    np.testing.assert_array_equal(label_numbers(np.array([[1.0], [0.0]]), "sigmoid", 1), [1, 0])
    np.testing.assert_array_equal(label_numbers(several, "multilabel", 3), several)
    with pytest.raises(Refused, match="not classes"):
        label_numbers(np.array([0.3, 2.5]), "sigmoid", 1)
    np.testing.assert_array_equal(
        label_numbers(np.array([np.nan, 2.0, -100.0]), "softmax", 3), [-1, 2, -1]
    )
    with pytest.raises(Refused, match="a label is 30 where 1 is the highest class"):
        label_numbers(np.array([0, 30]), "sigmoid", 1)  # years, as in a regression
    with pytest.raises(Refused, match="a label is 10 where 9"):
        label_numbers(np.array([0, 10]), "softmax", 10)
    with pytest.raises(Refused, match="every token"):
        checked_outputs((8, 20, 100), 8, "lm_head")
    with pytest.raises(Refused, match="4,096"):
        checked_outputs((8, 50_000), 8, "lm_head")
    assert checked_outputs((8, 4096), 8, "fc") == 4096


def test_the_kind_is_that_of_the_first_split_with_labels() -> None:
    """Bits without a final sigmoid are told by the labels only, wherever they come."""
    bits = np.array([[1, 1, 0], [0, 0, 0]])
    for bare in (None, np.full(4, -1), np.full((4, 3), np.nan), np.zeros(4)):
        splits = {"unlabelled": bare, "train": bits}
        found = meaning_of(splits, 3, stated=None, sigmoid=False)
        assert found.kind == "multilabel"
        np.testing.assert_array_equal(found.numbers["train"], bits)
    assert meaning_of({"a": None}, 3, stated=None, sigmoid=False).kind == "softmax"


@pytest.mark.parametrize(
    ("splits", "kept", "signed"),
    [
        ({"train": [-1, 1, 1]}, {"train": [0, 1, 1]}, True),
        ({"train": [[-1.0], [1.0]]}, {"train": [0, 1]}, True),
        ({"train": [-1, 1], "unlabelled": [-1, -1]}, {"train": [0, 1], "unlabelled": None}, True),
        ({"train": [-1, 0, 1]}, {"train": [-1, 0, 1]}, False),
        ({"train": [0, 1], "test": [-1, 1]}, {"test": [-1, 1]}, False),
        ({"train": [np.nan, -1.0, 1.0]}, {"train": [-1, -1, 1]}, False),
    ],
)
def test_minus_one_is_a_class_where_only_one_is_beside_it(
    splits: dict[str, Any], kept: dict[str, Any], signed: bool
) -> None:
    given = {name: np.array(labels) for name, labels in splits.items()}
    found = meaning_of(given, 1, stated=None, sigmoid=False)
    assert found.signed is signed
    for name, numbers in kept.items():
        np.testing.assert_equal(found.numbers[name], numbers)


def test_classes_read_from_signs_are_told(tmp_path: Path) -> None:
    samples = {"train": Samples(np.arange(2), np.array([0, 1]))}
    about: dict[str, Any] = {"layer": "fc", "kind": "sigmoid", "width": 3, "outputs": 1}
    told = Recorder(tmp_path / "a", samples, signed=True, **about).announcement()
    assert told.endswith("; labels −1 and 1 are read as classes 0 and 1")
    assert "labels" not in Recorder(tmp_path / "b", samples, **about).announcement()


def stack(samples: list[Any]) -> Any:
    return np.stack([s[0] for s in samples]), np.array([s[1] for s in samples])


class Listed:
    """A data set that is read sample by sample."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, at: int) -> tuple[NDArray[Any], int]:
        return np.full(2, at), at % 3


class Part:
    """What a subset of torch looks like."""

    def __init__(self, dataset: Any, indices: list[int]) -> None:
        self.dataset = dataset
        self.indices = indices


def test_samples_are_read_in_order_with_their_indices() -> None:
    found = sources_of(
        {"train": Listed(), "test": Part(Part(Listed(), [1, 3, 5, 6]), [3, 0])}, collate=stack
    )
    inputs = np.concatenate([x for x, _ in found["train"].batches(3)])
    np.testing.assert_array_equal(inputs[:, 0], np.arange(7))
    [(inputs, labels)] = found["test"].batches(8)
    np.testing.assert_array_equal(found["test"].indices, [6, 1])
    np.testing.assert_array_equal(inputs[:, 0], [6, 1])
    np.testing.assert_array_equal(labels, [0, 1])


X = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    "data",
    [
        (X.tolist(), [0, 1, 2, 0, 1, 2]),
        [X.tolist(), [0, 1, 2, 0, 1, 2]],
        (X, [0, 1, 2, 0, 1, 2]),
        {"train": (X.tolist(), np.arange(6) % 3)},
    ],
)
def test_nested_lists_are_arrays(data: Any) -> None:
    [(inputs, labels)] = sources_of(data, collate=stack)["train"].batches(8)
    np.testing.assert_array_equal(inputs, X)
    np.testing.assert_array_equal(labels, np.arange(6) % 3)
    [(inputs, labels)] = sources_of(X.tolist(), collate=stack)["train"].batches(8)
    np.testing.assert_array_equal(inputs, X)
    assert labels is None


@pytest.mark.parametrize("count", [2, 3])
def test_lists_of_samples_are_a_data_set(count: int) -> None:
    samples = [(X[at], at % 3) for at in range(count)]
    [(inputs, labels)] = sources_of(samples, collate=stack)["train"].batches(8)
    np.testing.assert_array_equal(inputs, X[:count])
    np.testing.assert_array_equal(labels, np.arange(count))


def test_fewer_samples_are_evenly_spaced() -> None:
    x = np.arange(100)[:, None]
    found = sources_of((x, x[:, 0] % 2), collate=stack, limit=5)["train"]
    np.testing.assert_array_equal(found.indices, [0, 24, 49, 74, 99])
    [(inputs, labels)] = found.batches(10)
    np.testing.assert_array_equal(inputs[:, 0], found.indices)
    np.testing.assert_array_equal(labels, found.indices % 2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (iter([1, 2]), "streams"),
        ((np.ones((5, 2)), np.ones(4)), "differ in length"),
        (np.ones((1, 2)), "at least two"),
        ({"my split": np.ones((5, 2)), "b": iter([])}, "split's name|streams"),
        ({"heads": Listed()}, "split's name"),
        ({}, r"expects samples but got an empty mapping: give arrays"),
        ({"train": {}}, "got an empty mapping"),
        ("train.csv", "got the text 'train.csv': read the file"),
        (Path("train.csv"), "got the text 'train.csv'"),
        (3, "expects samples but got int"),
        ((["a", "b"], [0, 1]), r"the tuple \(list, list\): give arrays"),
        ((Listed(), Listed()), r"the tuple \(Listed, Listed\)"),
        ((None, np.ones(4)), r"the tuple \(NoneType, ndarray\)"),
        (([[1.0], [2.0, 3.0]], [0, 1]), r"the tuple \(list, list\)"),
    ],
)
def test_data_that_cannot_be_recorded(data: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        sources_of(data, collate=stack)
