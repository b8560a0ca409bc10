"""The movie with the plainest of its methods: shapes, the way there and back, bad input."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trema import travel
from trema.core.errors import MissingExtra, NotFound, UsageError
from trema.travel.landscape import grid

RNG = np.random.default_rng(0)
#: Three classes that move apart, in eight dimensions, over four epochs.
LABELS = np.arange(90) % 3
CENTRES = RNG.normal(size=(3, 8))
FRAMES = np.stack(
    [RNG.normal(size=(90, 8)) * 0.3 + epoch * CENTRES[LABELS] for epoch in range(4)]
).astype(np.float32)
HEADS = (np.stack([CENTRES * epoch for epoch in range(4)]), np.zeros((4, 3)))


def movie(**options: Any) -> travel.Movie:
    given = {"labels": LABELS, "heads": HEADS, "method": "pca", **options}
    return travel.build(FRAMES, **given)


def test_positions_and_projection_agree() -> None:
    made = movie()
    assert made.positions.shape == (4, 90, 2)
    assert made.positions.dtype == np.float32
    for epoch in range(4):
        there = made.project(FRAMES[epoch], epoch)
        np.testing.assert_allclose(there, made.positions[epoch], atol=1e-4)
    assert made.invert(made.positions[3], 3).shape == (90, 8)


def test_way_back_is_nearest_point_of_the_plane() -> None:
    made = movie()
    back = made.invert(made.positions[2], 2)
    np.testing.assert_allclose(made.project(back, 2), made.positions[2], atol=1e-4)


def test_landscape_says_what_the_head_says() -> None:
    made = movie()
    picture = made.landscape(3, size=32)
    assert picture.classes.shape == picture.confidence.shape == (32, 32)
    assert picture.classes.dtype == np.uint8
    assert picture.confidence.dtype == np.float32
    left, right, bottom, top = picture.extent
    spots = made.positions[3]
    column = ((spots[:, 0] - left) / (right - left) * 32).astype(int)
    row = ((spots[:, 1] - bottom) / (top - bottom) * 32).astype(int)
    assert (picture.classes[row, column] == LABELS).mean() > 0.9
    assert made.boundaries(3, size=32).any()
    assert made.landscape(3, size=32) is picture
    assert made.landscape(0, size=32).extent == picture.extent


def test_heads_may_be_a_function() -> None:
    weights, biases = HEADS

    def heads(x: NDArray[Any], epoch: int) -> NDArray[Any]:
        return np.asarray(x @ weights[epoch].T + biases[epoch])

    np.testing.assert_array_equal(
        movie(heads=heads).landscape(2, 16).classes, movie().landscape(2, 16).classes
    )


def test_one_logit_is_two_classes() -> None:
    one = movie(heads=(np.ones((4, 1, 8)), np.zeros((4, 1))))
    assert set(np.unique(one.landscape(3, 16).classes)) <= {0, 1}


def test_what_is_not_finite_is_told_and_left_out() -> None:
    broken = FRAMES.copy()
    broken[1, 7, 3] = np.nan
    made = travel.build(broken, method="pca")
    assert [(bad.epoch, bad.sample) for bad in made.excluded] == [(1, 7)]
    assert np.isnan(made.positions[1, 7]).all()
    assert np.isfinite(np.delete(made.positions, 7, axis=1)).all()


@pytest.mark.parametrize("method", ["trema", "pca", "dvi", "timevis"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_is_too_large_is_left_out_as_what_is_not_finite(method: str, kind: type) -> None:
    large: NDArray[Any] = FRAMES[:3].astype(kind)
    large[1, 7, 3] = -2e16
    large[2, 9] = 1e300 if kind is np.float64 else 3e38
    nothing = FRAMES[:3].copy()
    nothing[1, 7] = nothing[2, 9] = np.nan
    options: Any = {} if method in ("trema", "pca") else {"passes": 1}
    made, same = (travel.build(frames, method=method, **options) for frames in (large, nothing))
    assert [(bad.epoch, bad.sample) for bad in made.excluded] == [(1, 7), (2, 9)]
    np.testing.assert_array_equal(made.positions, same.positions)
    asked: NDArray[Any] = FRAMES[2, :4].astype(kind)
    asked[1], asked[2] = large[2, 9], np.nan
    placed = made.project(asked, 2)
    assert np.isfinite(placed[[0, 3]]).all()
    assert np.isnan(placed[[1, 2]]).all()


@pytest.mark.parametrize("method", ["trema", "pca"])
def test_a_movie_of_numbers_just_within_the_limit(method: str) -> None:
    scale = np.float32(9.9e15 / np.abs(FRAMES).max())
    made = travel.build(FRAMES * scale, heads=HEADS, method=method)
    assert np.isfinite(made.positions).all()
    assert np.isfinite(made.project(FRAMES[2, :5] * scale * np.float32(0.99), 2)).all()
    assert np.isfinite(list(travel.quality(made, k=5).mean().values())[:4]).all()


def test_whole_numbers_may_be_too_large() -> None:
    whole = (FRAMES * 100).astype(np.int64)
    whole[0, 3, 1], whole[2, 5, 0] = -(2**63), 2**63 - 1
    made = travel.build(whole, method="pca")
    assert [(bad.epoch, bad.sample) for bad in made.excluded] == [(0, 3), (2, 5)]


def test_one_more_epoch_leaves_the_others(tmp_path: Path) -> None:
    made = movie()
    longer = made.extended(FRAMES[3] * 1.5, (CENTRES, np.zeros(3)))
    assert longer.positions.shape == (5, 90, 2)
    np.testing.assert_array_equal(longer.positions[:4], made.positions)
    assert longer.epochs == [0, 1, 2, 3, 4]


def test_one_more_epoch_has_the_number_that_is_said_or_goes_on_as_the_last() -> None:
    new = FRAMES[3] * 1.5, (CENTRES, np.zeros(3))
    by_steps = movie(epochs=[0, 100, 200, 300])
    assert by_steps.extended(*new).epochs == [0, 100, 200, 300, 400]
    assert movie(epochs=[1, 2, 4, 8]).extended(*new, epoch=16).epochs == [1, 2, 4, 8, 16]
    with pytest.raises(UsageError, match="expected an epoch after 300 but got 300"):
        by_steps.extended(*new, epoch=300)


@pytest.mark.parametrize(
    ("frame", "head", "words"),
    [
        (
            np.full((90, 8), np.nan),
            (CENTRES, np.zeros(3)),
            "no representation is finite at epoch 4",
        ),
        (FRAMES[3][:, :7], (CENTRES, np.zeros(3)), "same samples and features"),
        (FRAMES[3], None, "expected head="),
        (FRAMES[3], (CENTRES[:2], np.zeros(2)), "head of the same shape"),
    ],
)
def test_a_bad_epoch_more_is_one_sentence(frame: Any, head: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        movie().extended(frame, head)


def test_saved_and_loaded(tmp_path: Path) -> None:
    made = movie()
    made.save(tmp_path / "movie")
    again = travel.load(tmp_path / "movie", FRAMES, HEADS)
    np.testing.assert_array_equal(again.positions, made.positions)
    np.testing.assert_array_equal(again.project(FRAMES[1], 1), made.project(FRAMES[1], 1))
    with pytest.raises(NotFound, match="no movie"):
        travel.load(tmp_path / "nothing")


@pytest.mark.parametrize("frames", [FRAMES[:, :80], FRAMES[:3], FRAMES[:, :, :7]])
def test_a_movie_of_other_samples_is_refused(frames: NDArray[Any], tmp_path: Path) -> None:
    movie(heads=None).save(tmp_path)
    with pytest.raises(UsageError, match=r"of shape \(4, 90, 8\) but these are of shape"):
        travel.load(tmp_path, frames)


NEGATED = (-HEADS[0], HEADS[1])
LAST = FRAMES.copy()
LAST[3, 5, 2] += 1.0
LOST = FRAMES.copy()
LOST[1, 5, 2] = np.nan
SHIFTED = (HEADS[0], HEADS[1] + np.eye(4, 3, -2, dtype=np.float32))


@pytest.mark.parametrize(
    ("frames", "heads", "words"),
    [
        (FRAMES[:, ::-1], HEADS, "other representations than these at epoch 10"),
        (FRAMES[::-1], HEADS, "other representations than these at epoch 10"),
        (np.zeros_like(FRAMES), HEADS, "other representations than these at epoch 10"),
        (LAST, HEADS, "other representations than these at epoch 40"),
        (LOST, HEADS, "other representations than these at epoch 20"),
        (FRAMES, NEGATED, "other heads than these at epoch 20"),  # those of the first are zeros
        (FRAMES, SHIFTED, "other heads than these at epoch 30"),
        (None, NEGATED, "other heads than these at epoch 20"),
    ],
)
def test_a_movie_of_other_numbers_is_refused(
    frames: Any, heads: Any, words: str, tmp_path: Path
) -> None:
    movie(epochs=[10, 20, 30, 40]).save(tmp_path)
    with pytest.raises(UsageError, match=words):
        travel.load(tmp_path, frames, heads)


def test_a_movie_is_loaded_with_the_same_numbers_of_another_kind(tmp_path: Path) -> None:
    half = FRAMES.astype(np.float16)
    half[1, 7], half[2, 4, 0] = np.nan, np.inf
    half[0, :2] = 0.0
    single = half.astype(np.float32)
    single[0, 1] = -0.0
    travel.build(single, heads=HEADS, method="pca").save(tmp_path / "movie")
    np.save(tmp_path / "half.npy", half)
    maps = [np.load(tmp_path / "half.npy", mmap_mode="r")[epoch] for epoch in range(4)]
    by_epoch = list(zip(*HEADS, strict=True))
    for frames in (single, half, single.astype(np.float64), maps):
        for heads in (HEADS, by_epoch, None, lambda x, epoch: x @ -HEADS[0][epoch].T):
            again = travel.load(tmp_path / "movie", frames, heads)
            np.testing.assert_array_equal(again.project(single[0], 0), again.positions[0])


def test_an_epoch_more_is_told_apart_too(tmp_path: Path) -> None:
    new, head = FRAMES[3] * 1.5, (CENTRES, np.zeros(3))
    longer = [*FRAMES, new]
    heads = (np.concatenate([HEADS[0], CENTRES[None]]), np.zeros((5, 3)))
    movie().save(tmp_path / "short")
    for made in (movie(), travel.load(tmp_path / "short", FRAMES, HEADS)):
        made.extended(new, head).save(tmp_path / "long")
        travel.load(tmp_path / "long").save(tmp_path / "again")  # alone, and still it knows
        assert len(travel.load(tmp_path / "again", longer, heads).epochs) == 5
        with pytest.raises(UsageError, match="other representations than these at epoch 4"):
            travel.load(tmp_path / "again", [*FRAMES, new[::-1]], heads)
        heads[0][4] *= -1
        with pytest.raises(UsageError, match="other heads than these at epoch 4"):
            travel.load(tmp_path / "again", longer, heads)
        heads[0][4] *= -1


def test_a_movie_without_fingerprints_is_loaded(tmp_path: Path) -> None:
    movie().save(tmp_path)
    document = json.loads((tmp_path / "movie.json").read_text(encoding="utf-8"))
    del document["made_from"]
    (tmp_path / "movie.json").write_text(json.dumps(document), encoding="utf-8")
    again = travel.load(tmp_path, FRAMES[:, ::-1], HEADS)
    again.extended(FRAMES[3] * 1.5, (CENTRES, np.zeros(3))).save(tmp_path)
    more = [*FRAMES, FRAMES[3] * 1.5]
    assert travel.load(tmp_path, more).epochs == [0, 1, 2, 3, 4]
    with pytest.raises(UsageError, match="at epoch 4"):
        travel.load(tmp_path, [*FRAMES, FRAMES[3]])


def test_a_movie_of_epochs_in_another_order_made_before_is_loaded(tmp_path: Path) -> None:
    made = movie()
    made.epochs = [3, 2, 1, 1]
    made.save(tmp_path)
    assert travel.load(tmp_path, FRAMES, HEADS).epochs == [3, 2, 1, 1]


@pytest.mark.parametrize("epochs", [["x"] * 4, [1e400] * 4, [1], 7, [0.5, 1, 2, 3]])
def test_damaged_epochs_of_a_saved_movie_are_told(tmp_path: Path, epochs: Any) -> None:
    movie().save(tmp_path)
    about = json.loads((tmp_path / "movie.json").read_text())
    (tmp_path / "movie.json").write_text(json.dumps({**about, "epochs": epochs}))
    with pytest.raises(UsageError, match="numbers of epochs"):
        travel.load(tmp_path, FRAMES, HEADS)


def test_a_save_that_is_killed_leaves_the_movie_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie().save(tmp_path)
    before = movie().positions
    other = travel.build(FRAMES * 2, method="pca")
    replace, left = Path.replace, 0

    def killed(self: Path, target: Path) -> Path:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        return replace(self, target)

    for allowed in range(3):  # two sets of arrays and the document
        left = allowed
        monkeypatch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            other.save(tmp_path)
        monkeypatch.undo()
        np.testing.assert_array_equal(travel.load(tmp_path).positions, before)
    other.save(tmp_path)
    np.testing.assert_array_equal(travel.load(tmp_path).positions, other.positions)
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_a_damaged_movie_is_told(tmp_path: Path) -> None:
    movie().save(tmp_path)
    (file,) = tmp_path.glob("projector-*.npz")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UsageError, match="damaged: build it anew"):
        travel.load(tmp_path)
    file.unlink()
    with pytest.raises(UsageError, match="damaged: build it anew"):
        travel.load(tmp_path)
    (tmp_path / "movie.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(UsageError, match="another version"):
        travel.load(tmp_path)


def test_a_movie_of_the_first_format_is_read(tmp_path: Path) -> None:
    made = movie()
    about, parts = made.packed()
    for name, arrays in parts.items():
        arrays = {key: array for key, array in arrays.items() if key != "order"}
        np.savez(tmp_path / f"{name}.npz", **arrays)  # type: ignore[arg-type]  # allow_pickle
    text = json.dumps({"format": 1, **about})
    (tmp_path / "movie.json").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(travel.load(tmp_path, FRAMES).positions, made.positions)


def test_words_as_labels_are_kept_as_words(tmp_path: Path) -> None:
    words = np.array(["cat", "dog", "owl"], dtype=object)[LABELS]
    movie(labels=words).save(tmp_path)
    kept = travel.load(tmp_path).labels
    assert kept is not None
    assert kept.dtype.kind == "U"
    assert kept.tolist() == words.tolist()
    made = movie()
    made.labels = np.array([object()] * 90)
    with pytest.raises(UsageError, match="labels are Python objects"):
        made.save(tmp_path)


SEVERAL = {"heads": HEADS, "kind": "multilabel"}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([object()] * 90, "labels that are numbers or strings"),
        ([[1]] * 89 + [[1, 2]], "unequal lengths"),
        ([1, 2], "expected 90 labels but got 2"),
    ],
)
def test_labels_that_cannot_be_kept_are_refused(labels: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        movie(labels=labels)


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (np.where(LABELS == 2, np.nan, LABELS), {}),
        (np.where(LABELS == 2, -100, LABELS), {}),
        (LABELS + 40, {"heads": None}),
        (LABELS > 0, {"heads": None}),
        (np.eye(3)[LABELS], SEVERAL),
        (np.eye(3, dtype=bool)[LABELS], {"heads": None}),
        (np.ones((90, 1)), {"heads": None, "kind": "multilabel"}),
        (np.full(90, -1), {"heads": None}),
    ],
)
def test_labels_are_kept_as_they_came(labels: NDArray[Any], options: dict[str, Any]) -> None:
    kept = movie(labels=labels, **options).labels
    assert kept is not None
    np.testing.assert_array_equal(kept, labels)


def test_parts_go_when_the_movie_is_saved(tmp_path: Path) -> None:
    made = travel.build(FRAMES[:2, :40], folder=tmp_path / "parts")
    assert list((tmp_path / "parts").rglob("*.npz"))
    made.save(tmp_path / "movie")
    assert not list((tmp_path / "parts").rglob("*.npz"))


def test_parts_of_an_older_algorithm_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    travel.build(FRAMES[:2, :40], folder=tmp_path)
    before = set(tmp_path.iterdir())
    monkeypatch.setattr("trema.travel.visualizers.neighbours.VERSION", "other")
    travel.build(FRAMES[:2, :40], folder=tmp_path)
    assert len(set(tmp_path.iterdir()) - before) == 1


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda made: made.project(FRAMES[0][:, :7], 0), r"of shape \(n, 8\) but got \(90, 7\)"),
        (lambda made: made.project([["a"]], 0), "as numbers"),
        (lambda made: made.invert(np.zeros((3, 3)), 0), r"of shape \(n, 2\)"),
        (lambda made: made.invert([[0.0, np.nan]], 0), "that are finite"),
        (lambda made: made.project(FRAMES[0], 4), "an epoch from 0 to 3"),
        (lambda made: made.project(FRAMES[0], 1.5), "epoch must be a whole number but got 1.5"),
        (lambda made: made.project(FRAMES[0], None), "epoch must be a whole number but got None"),
        (lambda made: made.invert([[0.0, 0.0]], "1"), "epoch must be a whole number but got '1'"),
        (lambda made: made.landscape(1.0), "epoch must be a whole number but got 1.0"),
        (lambda made: made.boundaries("1"), "epoch must be a whole number but got '1'"),
        (lambda made: made.landscape(0, size=0), "size must be at least 1 but got 0"),
        (lambda made: made.landscape(0, size=2.5), "size must be a whole number but got 2.5"),
        (lambda made: made.landscape(0, size="a"), "size must be a whole number but got 'a'"),
        (
            lambda made: made.extended(FRAMES[3], (CENTRES, np.zeros(3)), epoch="4"),
            "epoch must be a whole number but got '4'",
        ),
        (
            lambda made: made.extended(FRAMES[3], (CENTRES, np.zeros(3)), epoch=3.5),
            "epoch must be a whole number but got 3.5",
        ),
    ],
)
def test_bad_questions_are_one_sentence(ask: Callable[[travel.Movie], Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ask(movie())


def test_whole_numbers_of_numpy_are_taken() -> None:
    made = movie()
    one: Any = np.int64(1)
    eight: Any = np.uint8(8)
    nine: Any = np.int16(9)
    assert made.landscape(one, size=eight) is made.landscape(-3, size=8)
    new = FRAMES[3], (CENTRES, np.zeros(3))
    assert made.extended(*new, epoch=nine).epochs == [0, 1, 2, 3, 9]


@pytest.mark.parametrize("below", ["", "movie"])
def test_a_file_is_no_folder_for_a_movie(below: str, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"expected a folder for the movie but .*notes is a file"):
        movie().save(tmp_path / "notes" / below)
    assert (tmp_path / "notes").read_text(encoding="utf-8") == "mine"


def test_a_movie_alone_knows_its_width(tmp_path: Path) -> None:
    movie().save(tmp_path)
    with pytest.raises(UsageError, match=r"of shape \(n, 8\)"):
        travel.load(tmp_path).project(FRAMES[0][:, :7], 0)


def test_a_bar_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    np.testing.assert_array_equal(movie(progress=True).positions, movie().positions)
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("method", ["trema", "pca", "dvi", "timevis"])
@pytest.mark.parametrize("left", [2, 3])
def test_two_finite_samples_of_an_epoch_are_laid_out(method: str, left: int) -> None:
    few = FRAMES[:3].copy()
    few[1, left:] = np.nan
    heads = HEADS[0][:3], HEADS[1][:3]
    options: Any = {} if method in ("trema", "pca") else {"passes": 1}
    made = travel.build(few, heads=heads, method=method, **options)
    assert np.isfinite(made.positions[1, :left]).all()
    assert np.isnan(made.positions[1, left:]).all()
    np.testing.assert_allclose(made.project(few[1, :left], 1), made.positions[1, :left], atol=1e-4)
    assert made.landscape(1, 8).classes.shape == (8, 8)
    if method != "timevis":
        longer = made.extended(few[1], (CENTRES, np.zeros(3)))
        assert np.isfinite(longer.positions[3, :left]).all()


@pytest.mark.parametrize("method", ["trema", "pca", "dvi", "timevis"])
def test_a_device_that_is_not_there_is_refused(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device, words in (("tpu", "expected a device such as"), ("cuda", "torch sees no GPU")):
        with pytest.raises(UsageError, match=words):
            movie(method=method, device=device)


def test_without_torch_there_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trema.travel.device", None)
    assert len(movie(device="cpu").positions) == 4
    with pytest.raises(MissingExtra, match="the device 'cuda' needs packages"):
        movie(device="cuda")


def test_timevis_needs_samples_of_all_epochs() -> None:
    pytest.importorskip("torch")
    apart = FRAMES.copy()
    apart[0, :45] = apart[2, 45:] = np.nan
    with pytest.raises(UsageError, match="finite at every epoch, but there are 0"):
        travel.build(apart, method="timevis")


# heads -------------------------------------------------------------------------------------


def test_heads_may_be_given_by_epoch() -> None:
    by_epoch = list(zip(*HEADS, strict=True))
    np.testing.assert_array_equal(
        movie(heads=by_epoch).landscape(2, 16).classes, movie().landscape(2, 16).classes
    )


def test_a_function_may_give_tensors_that_want_gradients() -> None:
    torch = pytest.importorskip("torch")
    weights = torch.tensor(HEADS[0], dtype=torch.float32, requires_grad=True)
    made = movie(heads=lambda x, epoch: torch.from_numpy(x) @ weights[epoch].T)
    np.testing.assert_array_equal(made.landscape(2, 16).classes, movie().landscape(2, 16).classes)
    tensors = weights, torch.zeros(4, 3, requires_grad=True)
    given = travel.build(torch.from_numpy(FRAMES).requires_grad_(), heads=tensors, method="pca")
    np.testing.assert_array_equal(given.positions, made.positions)


def test_a_layer_is_no_function_of_the_epoch() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(UsageError, match=r"but it takes \(input"):
        movie(heads=torch.nn.Linear(8, 3))


def test_a_function_that_changes_its_mind_is_told() -> None:
    with pytest.raises(UsageError, match=r"gave \(8, 5\) at epoch 2"):
        movie(heads=lambda x, epoch: np.zeros((len(x), 5 if epoch == 2 else 3)))


# sets of labels ----------------------------------------------------------------------------


def several(labels: int) -> travel.Movie:
    weights = np.random.default_rng(3).normal(size=(4, labels, 8))
    return movie(heads=(weights, np.zeros((4, labels))), labels=None, kind="multilabel")


@pytest.mark.parametrize("labels", [3, 8, 10, 40, 70])
def test_numbers_of_a_multilabel_landscape_stand_for_sets(labels: int) -> None:
    made = several(labels)
    picture, table = made.landscape(3, 24), made.label_sets
    assert table is not None
    assert made.heads is not None
    assert picture.classes.dtype == np.uint8
    assert table.shape == (min(len(table), 256), min(labels, 62))
    logits = made.heads.logits(made.invert(grid(made.extent, 24), 3), 3)
    said = logits[:, :62] > 0
    numbers = picture.classes.ravel()
    known = numbers < len(table)
    np.testing.assert_array_equal(table[numbers[known]], said[known])
    assert (numbers[~known] == 255).all()
    listed = {row.tobytes() for row in table}
    assert not any(row.tobytes() in listed for row in said[~known])
    assert known.all() or labels > 8
    assert known.any()


def test_frequent_sets_come_first_and_numbers_last(tmp_path: Path) -> None:
    made = several(10)
    assert made.heads is not None
    every = np.concatenate([made.heads.logits(frame, at) > 0 for at, frame in enumerate(FRAMES)])
    table = made.label_sets
    assert table is not None
    often = [(every == row).all(axis=1).sum() for row in table]
    assert often == sorted(often, reverse=True)
    made.save(tmp_path)
    again = travel.load(tmp_path, FRAMES, made.heads)
    weights = np.random.default_rng(4).normal(size=(10, 8))
    longer = again.extended(FRAMES[3] * 2, (weights, np.zeros(10)))
    assert longer.label_sets is not None
    np.testing.assert_array_equal(longer.label_sets[: len(table)], table)
    assert len(longer.label_sets) > len(table)


@pytest.mark.parametrize(("classes", "kind"), [(256, np.uint8), (257, np.uint16)])
def test_many_classes_are_told_apart(classes: int, kind: type) -> None:
    weights = np.zeros((4, classes, 8))
    biases = np.zeros((4, classes))
    biases[:, -1] = 1.0
    picture = movie(heads=(weights, biases)).landscape(0, 4)
    assert picture.classes.dtype == kind
    assert (picture.classes == classes - 1).all()
    assert movie().label_sets is None


# order -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["trema", "pca", "dvi", "timevis"])
def test_permuted_samples_have_permuted_positions(method: str) -> None:
    mixed = np.random.default_rng(5).permutation(90)
    frames = FRAMES.copy()
    frames[:, 7], frames[:, 50] = frames[:, 20], frames[:, 20]  # copies
    frames[1, 3, 0] = np.nan
    options: Any = {} if method in ("trema", "pca") else {"passes": 1}
    made = travel.build(frames, heads=HEADS, method=method, **options)
    other = travel.build(frames[:, mixed], heads=HEADS, method=method, **options)
    np.testing.assert_array_equal(other.positions, made.positions[:, mixed])
    np.testing.assert_array_equal(made.positions[:, 7], made.positions[:, 20])
    new = np.random.default_rng(6).normal(size=(20, 8)).astype(np.float32)
    np.testing.assert_array_equal(other.project(new, 2), made.project(new, 2))
    np.testing.assert_array_equal(other.landscape(2, 16).classes, made.landscape(2, 16).classes)
    if method in ("trema", "pca"):
        head = CENTRES * 3, np.zeros(3)
        longer = made.extended(frames[3] * 2, head)
        mixed_longer = other.extended(frames[3][mixed] * 2, head)
        np.testing.assert_array_equal(mixed_longer.positions, longer.positions[:, mixed])


#: One sample is finite at the third epoch.
ONE_LEFT = FRAMES.copy()
ONE_LEFT[2, 1:] = np.nan
#: Heads by epoch, of which the third lost a class.
UNEQUAL = [(CENTRES[: 2 if epoch == 2 else 3], np.zeros(3)) for epoch in range(4)]


@pytest.mark.parametrize(
    ("frames", "options", "words"),
    [
        (FRAMES[0], {}, "shape .epoch, sample, D."),
        ([FRAMES[0], FRAMES[0][:5]], {}, "same samples"),
        (FRAMES, {"heads": (np.ones((4, 3, 7)), np.ones((4, 3)))}, r"\(4, class, 8\)"),
        (FRAMES, {"heads": 3}, "heads must be"),
        (FRAMES, {"method": "tsne"}, "expected a method"),
        (np.full((2, 5, 3), np.nan), {}, "no representation is finite at epochs 0, 1: leave them"),
        (FRAMES * np.float32(1e18), {}, "epochs 0, 1, 2, 3: .*, or scale down .* beyond 1e.16"),
        (FRAMES.astype(np.float64) * 1e100, {"method": "trema"}, "or scale down what is beyond"),
        (np.where(FRAMES > -9, np.inf, 0), {}, "0, 1, 2, 3: leave them out$"),
        (FRAMES, {"heads": lambda x: x}, r"function .x, epoch. -> logits but it takes .x.:"),
        (ONE_LEFT, {"epochs": [1, 2, 4, 8]}, "fewer than two .* at epoch 4: leave it out"),
        (FRAMES, {"foo": 1}, "'pca' has no options but got 'foo'"),
        (FRAMES, {"method": "trema", "neighbors": 5}, "did you mean 'neighbours'"),
        (FRAMES, {"method": "dvi", "passes": "many"}, "passes must be a whole number"),
        (FRAMES, {"seed": -1}, "seed must be"),
        (FRAMES, {"epochs": [0.5, 1, 2, 3]}, "expected whole numbers of epochs"),
        (FRAMES, {"epochs": 4}, "expected 4 numbers of epochs but got 1"),
        (FRAMES, {"epochs": [4, 3, 2, 1]}, "strictly ascending .* but 3 comes after 4"),
        (FRAMES, {"epochs": [0, 1, 1, 2]}, "strictly ascending .* but 1 comes after 1"),
        (FRAMES, {"kind": "sofmax"}, "expected a kind of"),
        (FRAMES, {"heads": HEADS, "kind": "sigmoid"}, "needs one output"),
        (FRAMES, {"heads": UNEQUAL}, r"at epoch 0 and .* at epoch 2"),
        (FRAMES, {"heads": ([[1.0], [1.0, 2.0]], [1.0])}, "of unequal shapes"),
        (3, {}, "sequence of arrays"),
        ([[[1.0], [1.0, 2.0]]], {}, "rows of unequal lengths"),
    ],
)
def test_bad_input_is_one_sentence(frames: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        travel.build(frames, **{"method": "pca", **options})
