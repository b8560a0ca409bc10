"""Movies of several runs, and work that joblib takes to other processes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trema import travel
from trema.core.errors import UsageError

LABELS = np.arange(120) % 3


def run(seed: int, epochs: int = 3) -> dict[str, Any]:
    """The arguments of a movie: three classes that move apart."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 8))
    frames = [rng.normal(size=(120, 8)) + epoch * centres[LABELS] for epoch in range(epochs)]
    heads = np.stack([centres * epoch for epoch in range(epochs)]), np.zeros((epochs, 3))
    return {"representations": np.stack(frames).astype(np.float32), "heads": heads}


def opened(folder: Path) -> dict[str, Any]:
    """Arguments that are opened where the movie is built."""
    frames = [np.load(file, mmap_mode="r") for file in sorted(folder.glob("*.npy"))]
    return {"representations": frames}


def saved(folder: Path, frames: NDArray[Any]) -> Path:
    folder.mkdir()
    for epoch, frame in enumerate(frames):
        np.save(folder / f"{epoch}.npy", frame)
    return folder


def equal(first: travel.Movie, second: travel.Movie) -> None:
    np.testing.assert_array_equal(first.positions, second.positions)
    assert (first.method, first.seed, first.epochs) == (second.method, second.seed, second.epochs)
    new = np.random.default_rng(9).normal(size=(20, 8)).astype(np.float32)
    np.testing.assert_array_equal(first.project(new, 1), second.project(new, 1))


def test_runs_are_those_of_build(tmp_path: Path) -> None:
    runs = [run(0), {**run(1, epochs=2), "method": "dvi", "passes": 1, "epochs": [5, 9]}]
    told: list[str] = []
    found = travel.build_runs(
        runs, labels=LABELS, seed=3, folder=tmp_path / "parts", progress=lambda w, s: told.append(w)
    )
    for movie, given in zip(found, runs, strict=True):
        equal(movie, travel.build(labels=LABELS, seed=3, **given))
        assert movie.labels is not None
    assert found[1].epochs == [5, 9]
    assert told[-1] == "built 2 of 2 movies"
    found[0].save(tmp_path / "movie")
    (left,) = (tmp_path / "parts").iterdir()  # those of the other
    assert found[1].parts is not None
    found[1].parts.clear()
    assert not left.exists()


def test_a_run_that_cannot_be_built_is_named() -> None:
    with pytest.raises(UsageError, match="run 1: expected 120 labels but got 2"):
        travel.build_runs([run(0), {**run(1), "labels": [1, 2]}], method="pca")
    with pytest.raises(UsageError, match="run 0: expected the arguments of build"):
        travel.build_runs([run(0)["representations"]], method="pca")
    with pytest.raises(UsageError, match="run 0: expected the arguments of build"):
        travel.build_runs([{"heads": None}], method="pca")
    assert travel.build_runs([]) == []


@pytest.mark.slow
def test_processes_build_the_same_movies(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    kept = saved(tmp_path / "run", run(2)["representations"])
    runs: list[Any] = [run(0), run(1), partial(opened, kept)]
    alone = travel.build_runs(runs)
    with joblib.parallel_config("loky", n_jobs=2):
        together = travel.build_runs(runs)
    for first, second in zip(alone, together, strict=True):
        equal(first, second)


@pytest.mark.slow
def test_processes_measure_the_same_quality(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    movie = travel.build(method="pca", **run(0))
    alone = travel.quality(movie, k=5)
    with joblib.parallel_config("loky", n_jobs=2):
        together = travel.quality(movie, k=5, folder=tmp_path)
    kept = travel.quality(movie, k=5, folder=tmp_path)
    for name, values in alone.by_epoch.items():
        np.testing.assert_array_equal(together.by_epoch[name], values)
        np.testing.assert_array_equal(kept.by_epoch[name], values)


def test_truth_is_kept_by_parts_and_found_again_when_damaged(tmp_path: Path) -> None:
    given = run(0)
    bare = travel.build(given["representations"], method="pca")
    whole = travel.build(method="pca", **given)
    travel.quality(bare, k=5, folder=tmp_path)
    near = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("near-*.npz")}
    assert len(near) == 3
    found = travel.quality(whole, k=5, folder=tmp_path)
    assert {file: file.stat().st_mtime_ns for file in near} == near
    assert len(list(tmp_path.rglob("border-*.npz"))) == 3
    for file in near:
        file.write_bytes(b"")
    again = travel.quality(whole, k=5, folder=tmp_path)
    assert again.to_dict() == found.to_dict()


def test_without_scipy_and_joblib_pca_is_built_and_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    movie = travel.build(method="pca", **run(0, epochs=4))
    with_them = travel.quality(movie, k=5).by_epoch
    for name in ("scipy", "scipy.spatial", "scipy.stats", "joblib"):
        monkeypatch.setitem(sys.modules, name, None)
    again = travel.build(method="pca", **run(0, epochs=4))
    np.testing.assert_array_equal(again.positions, movie.positions)
    for name, values in travel.quality(again, k=5).by_epoch.items():
        # a tree compares in double precision, so one near tie of 600 may fall otherwise
        np.testing.assert_allclose(values, with_them[name], atol=0.02)


@pytest.mark.slow
def test_processes_give_the_same_features() -> None:
    joblib = pytest.importorskip("joblib")
    given = run(0, epochs=6)
    weights, biases = given["heads"]
    frames = given["representations"]
    logits = np.einsum("tnd,tcd->tnc", frames, weights) + biases[:, None]
    movie = travel.build(frames, LABELS, method="pca")
    alone = travel.features(movie, logits)
    with joblib.parallel_config("loky", n_jobs=2):
        together = travel.features(movie, logits)
    for name, values in alone.scalars.items():
        np.testing.assert_array_equal(together.scalars[name], values)
