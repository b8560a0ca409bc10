"""The method *trema* and what it is made of: cells, twins, forces, the ways there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trema import travel
from trema.core.errors import UsageError
from trema.travel.cells import WHOLE, Cells, twins
from trema.travel.device import in_order
from trema.travel.layout import Repulsion, attraction, graph_of

Floats = NDArray[np.float32]


def run(n: int = 600, epochs: int = 3, width: int = 16) -> tuple[Floats, Floats, Floats]:
    """Four classes that separate over the epochs; frames, weights (epoch, 4, D) and biases."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(4, width))
    base = rng.normal(size=(n, width))
    label = np.arange(n) % 4
    frames = np.stack([base + 1.5 * epoch * centres[label] for epoch in range(epochs)])
    weights = np.repeat(centres[None], epochs, axis=0)
    return (
        frames.astype(np.float32),
        weights.astype(np.float32),
        np.zeros((epochs, 4), dtype=np.float32),
    )


# cells -------------------------------------------------------------------------------------


def test_cells_find_what_a_whole_search_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    group = torch.randint(40, (12_000,), generator=generator)
    centres = torch.randn(40, 24, generator=generator) * 2
    rows = centres[group] + torch.randn(12_000, 24, generator=generator)
    distance, index = Cells(rows).search(rows[:300], 10)
    exact = torch.cdist(rows[:300], rows).topk(10, largest=False)
    shared = (index[:, :, None] == exact.indices[:, None, :]).any(dim=2).float().mean()
    assert shared > 0.97
    assert (distance[:, 0] == 0).all()
    assert (distance.diff(dim=1) >= 0).all()
    away = (rows[:300, None] - rows[index]).norm(dim=2)
    torch.testing.assert_close(distance, away)


def test_a_row_is_no_neighbour_of_itself() -> None:
    rows = torch.randn(9000, 4, generator=torch.Generator().manual_seed(0))
    for part in (rows, rows[:500]):
        _, index = Cells(part).search(part, 5, itself=False)
        assert (index != torch.arange(len(part))[:, None]).all()


def test_more_neighbours_than_rows_are_not_asked_for() -> None:
    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert Cells(rows).search(rows, 15, itself=False)[1].shape == (4, 3)


def test_twins_are_equal_rows_and_no_others() -> None:
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    rows[30], rows[7] = rows[3], rows[3]
    rows[40] = rows[3] + 1e-6
    expected = torch.arange(50)
    expected[30] = expected[7] = 3
    assert torch.equal(twins(rows), expected)


# forces ------------------------------------------------------------------------------------


def test_repulsion_on_the_grid_is_that_of_all_pairs() -> None:
    y = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) * 20
    exact = _exact(y)
    error = (Repulsion(torch.device("cpu"))(y) - exact).norm() / exact.norm()
    assert error < 0.03  # cubic interpolation, both ways, at half the kernel's width
    few = y[:300]
    torch.testing.assert_close(Repulsion(torch.device("cpu"))(few), _exact(few))


def _exact(y: torch.Tensor) -> torch.Tensor:
    """The repulsion of each point by each, a point at a time."""
    away = y[:, None].double() - y[None].double()
    kernel = (1 / (1 + (away * away).sum(dim=2))) * (1 - torch.eye(len(y)))
    rows = [(k[:, None] ** 2 * a).sum(dim=0) for k, a in zip(kernel, away, strict=True)]
    return (torch.stack(rows) / kernel.sum()).float()


def test_attraction_is_along_the_edges() -> None:
    y = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    graph = graph_of(torch.tensor([[1], [0], [0]]), torch.ones(3, 1))
    assert graph.weight.sum() == pytest.approx(1.0)
    # 0–1 was named from both sides and weighs 2 of 3; 0–2 from one
    expected = torch.tensor([[-1 / 6, -3 / 60], [1 / 6, 0.0], [0.0, 3 / 60]])
    torch.testing.assert_close(attraction(y, graph), expected)


# the method --------------------------------------------------------------------------------


def test_recorded_samples_lie_where_they_were_laid() -> None:
    frames, weights, biases = run()
    movie = travel.build(frames, heads=(weights, biases))
    for epoch in range(3):
        there = movie.project(frames[epoch], epoch)
        np.testing.assert_allclose(there, movie.positions[epoch], atol=1e-4)
        back = movie.invert(movie.positions[epoch], epoch)
        np.testing.assert_allclose(back, frames[epoch], atol=1e-3)


@pytest.mark.slow
def test_recorded_samples_among_cells_lie_where_they_were_laid() -> None:
    frames, weights, biases = run(10_000, 2)  # more than are searched whole
    assert len(frames[0]) > WHOLE
    frames[:, 7] = frames[:, 5000]
    movie = travel.build(frames.astype(np.float16), heads=(weights, biases))
    for epoch in range(2):
        there = movie.project(frames[epoch].astype(np.float16), epoch)
        np.testing.assert_allclose(there, movie.positions[epoch], atol=1e-4)


def test_neighbours_stay_neighbours_of_others_too() -> None:
    frames, weights, biases = run(1000)
    movie = travel.build(frames[:, :800], heads=(weights, biases))
    for epoch in range(3):
        x = torch.from_numpy(frames[epoch])
        unseen = torch.from_numpy(movie.project(frames[epoch, 800:], epoch))
        places = torch.from_numpy(movie.positions[epoch])

        def kept(high: torch.Tensor, low: torch.Tensor, skip: int) -> float:
            near = torch.cdist(high, x[:800]).topk(15 + skip, largest=False).indices[:, skip:]  # noqa: B023
            there = torch.cdist(low, places).topk(15 + skip, largest=False).indices[:, skip:]  # noqa: B023
            return float(
                (near[:, :, None] == there[:, None, :]).any(dim=2).sum(dim=1).float().mean()
            )

        seen = kept(x[:800], places, 1)
        assert seen > 3.0  # by chance 15 * 15 / 800 = 0.3; the first epoch is plain noise
        assert kept(x[800:], unseen, 0) > 0.8 * seen


def test_unseen_samples_lie_where_the_landscape_shows_their_prediction() -> None:
    frames, weights, biases = run(n=1200)
    heads = (weights, biases)
    movie = travel.build(frames[:, :900], heads=heads)
    bare = travel.build(frames[:, :900])
    for epoch in range(len(frames)):
        x = frames[epoch, 900:]
        said = (x @ weights[epoch].T).argmax(axis=1)
        places = movie.project(x, epoch)
        back = movie.invert(places, epoch)
        assert ((back @ weights[epoch].T).argmax(axis=1) == said).all()
        alone = np.concatenate([movie.project(row[None], epoch) for row in x[:40]])
        np.testing.assert_allclose(alone, places[:40], atol=1e-4)
        if epoch == 0:  # the classes do not stand apart yet: neighbours alone do not see to it
            own = bare.invert(bare.project(x, epoch), epoch)
            assert ((own @ weights[epoch].T).argmax(axis=1) == said).mean() < 0.99
    by_call = travel.build(frames[:, :900], heads=lambda x, e: x @ weights[e].T + biases[e])
    np.testing.assert_allclose(by_call.project(x, epoch), places, atol=1e-3)


def test_two_builds_are_equal_and_the_start_changes_nothing_else() -> None:
    frames, weights, biases = run(300)
    torch.manual_seed(5)
    first = travel.build(frames, heads=(weights, biases), seed=3)
    state = torch.get_rng_state()
    second = travel.build(frames, heads=(weights, biases), seed=3)
    np.testing.assert_array_equal(first.positions, second.positions)
    assert torch.equal(state, torch.get_rng_state())


def test_a_duplicate_moves_like_its_twin() -> None:
    frames, weights, biases = run(300)
    frames[:, 17] = frames[:, 200]
    movie = travel.build(frames, heads=(weights, biases))
    np.testing.assert_array_equal(movie.positions[:, 17], movie.positions[:, 200])
    np.testing.assert_allclose(
        movie.project(frames[1, [17]], 1), movie.positions[1, [200]], atol=1e-4
    )


def test_all_samples_on_one_spot_are_laid_out_too() -> None:
    movie = travel.build(np.ones((2, 40, 5), dtype=np.float32))
    assert np.isfinite(movie.positions).all()
    assert np.ptp(movie.positions, axis=1).max() == 0


def test_what_is_not_finite_is_left_out_of_its_epoch() -> None:
    frames, weights, biases = run(300)
    frames[1, 5, 2] = np.inf
    movie = travel.build(frames, heads=(weights, biases))
    assert [(bad.epoch, bad.sample) for bad in movie.excluded] == [(1, 5)]
    assert np.isfinite(movie.positions[[0, 2]]).all()


def test_one_more_epoch_leaves_the_others() -> None:
    frames, weights, biases = run(300)
    movie = travel.build(frames[:2], heads=(weights[:2], biases[:2]))
    longer = movie.extended(frames[2], (weights[2], biases[2]))
    np.testing.assert_array_equal(longer.positions[:2], movie.positions)
    np.testing.assert_allclose(longer.project(frames[2], 2), longer.positions[2], atol=1e-4)
    # the samples go on from where they were: classes do not change places
    moved = np.linalg.norm(longer.positions[2] - longer.positions[1], axis=1)
    width = longer.positions[1].std()
    assert np.median(moved) < 2 * width


def test_a_killed_build_goes_on(tmp_path: Path) -> None:
    frames, weights, biases = run(300)
    done: list[str] = []

    def stop(what: str, share: float) -> None:
        done.append(what)
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        travel.build(frames, heads=(weights, biases), progress=stop, folder=tmp_path)
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    assert len(kept) == 2
    movie = travel.build(frames, heads=(weights, biases), folder=tmp_path)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    whole = travel.build(frames, heads=(weights, biases))
    np.testing.assert_array_equal(movie.positions, whole.positions)
    assert not list(tmp_path.rglob("*.part"))


def test_saved_and_loaded(tmp_path: Path) -> None:
    frames, weights, biases = run(300)
    movie = travel.build(frames, heads=(weights, biases), labels=np.arange(300) % 4)
    movie.save(tmp_path / "movie")
    again = travel.load(tmp_path / "movie", frames, (weights, biases))
    np.testing.assert_array_equal(again.landscape(2, 32).classes, movie.landscape(2, 32).classes)
    alone = travel.load(tmp_path / "movie")
    np.testing.assert_array_equal(alone.positions, movie.positions)
    with pytest.raises(UsageError, match="without its representations"):
        alone.project(frames[0], 0)


def test_options_are_checked() -> None:
    frames, _, _ = run(50)
    with pytest.raises(UsageError, match="across from 0 to 1"):
        travel.build(frames, across=2.0)
    with pytest.raises(UsageError, match="expected a device"):
        travel.build(frames, device="abacus")


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_movie() -> None:
    distributed = pytest.importorskip("distributed")
    joblib = pytest.importorskip("joblib")
    frames, weights, biases = run(400)
    alone = travel.build(frames, heads=(weights, biases))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        with joblib.parallel_config("dask"):
            together = travel.build(frames, heads=(weights, biases))
        tasks = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert sum(tasks.values()) >= 3  # an epoch is a task
    np.testing.assert_array_equal(together.positions, alone.positions)


def test_processes_give_the_same_movie() -> None:
    joblib = pytest.importorskip("joblib")
    frames, weights, biases = run(300)
    alone = travel.build(frames, heads=(weights, biases))
    with joblib.parallel_config("threading", n_jobs=2):
        together = travel.build(frames, heads=(weights, biases))
    np.testing.assert_array_equal(together.positions, alone.positions)


def test_deterministic_sums_leave_the_setting_as_it_was() -> None:
    with in_order(torch.device("meta")):  # any device but the CPU
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(ZeroDivisionError), in_order(torch.device("meta")):
        1 / 0  # noqa: B018
    assert not torch.are_deterministic_algorithms_enabled()
    with in_order(torch.device("cpu")):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_lays_out_equally_twice() -> None:
    frames, weights, biases = run(9000)
    once, again = (travel.build(frames, heads=(weights, biases), device="cuda") for _ in range(2))
    np.testing.assert_array_equal(once.positions, again.positions)
