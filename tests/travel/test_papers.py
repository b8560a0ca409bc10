"""DVI and TimeVis on a small run: there and back, seeds, resuming, borders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trema import travel
from trema.core.errors import UsageError
from trema.travel import edge_training
from trema.travel.autoencoder import Autoencoder, common_scale, generator
from trema.travel.edge_training import Schedule, Vertices, cross_entropy
from trema.travel.frames import Frames
from trema.travel.graph import Edges
from trema.travel.heads import LinearHeads
from trema.travel.visualizers import dvi, timevis

RNG = np.random.default_rng(1)
LABELS = np.arange(240) % 3
CENTRES = RNG.normal(size=(3, 32))
#: Three classes that move apart over three epochs.
FRAMES = np.stack(
    [RNG.normal(size=(240, 32)) * 0.5 + (epoch + 1) * CENTRES[LABELS] for epoch in range(3)]
).astype(np.float32)
#: The same samples, which hardly move: each stays nearer to itself than to others.
SLOW = (FRAMES[:1] + RNG.normal(size=FRAMES.shape) * 0.1).astype(np.float32)
HEADS = (np.stack([CENTRES * (epoch + 1) for epoch in range(3)]), np.zeros((3, 3)))
QUICK: dict[str, dict[str, Any]] = {
    "dvi": {"passes": 10, "patience": 4},
    "timevis": {"passes": 5, "patience": 2},
}


def movie(method: str, **options: Any) -> travel.Movie:
    given = {"labels": LABELS, "heads": HEADS, **QUICK[method], **options}
    return travel.build(FRAMES, method=method, device="cpu", **given)


@pytest.fixture(scope="module", params=["dvi", "timevis"])
def made(request: pytest.FixtureRequest) -> travel.Movie:
    return movie(request.param)


def test_positions_and_projection_agree(made: travel.Movie) -> None:
    for epoch in range(3):
        there = made.project(FRAMES[epoch, 10:50], epoch)
        np.testing.assert_allclose(there, made.positions[epoch, 10:50], atol=1e-4)


def test_predictions_survive_on_separated_classes(made: travel.Movie) -> None:
    found = travel.quality(made, k=10)
    assert found.by_epoch["prediction"][-1] > 0.97
    # by chance 10 of 239 neighbours survive: 0.42 of 10
    assert found.by_epoch["neighbours"].min() > 1.0
    assert found.by_epoch["boundary"][-1] > 4.0


def test_one_seed_one_movie(made: travel.Movie) -> None:
    state = torch.random.get_rng_state()
    again = movie(made.method)
    np.testing.assert_array_equal(again.positions, made.positions)
    assert (torch.random.get_rng_state() == state).all()  # the caller's draws are untouched
    other = movie(made.method, seed=1)
    assert not np.allclose(other.positions, made.positions)


def test_kept_and_loaded(made: travel.Movie, tmp_path: Path) -> None:
    made.save(tmp_path / "movie")
    again = travel.load(tmp_path / "movie", FRAMES, HEADS)
    there = again.project(FRAMES[1], 1)
    np.testing.assert_allclose(there, made.positions[1], atol=1e-5)
    np.testing.assert_allclose(again.invert(there, 1), made.invert(there, 1), atol=1e-4)


@pytest.mark.slow
def test_dvi_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = movie("dvi", folder=tmp_path)
    (kept,) = tmp_path.iterdir()
    (kept / "epoch-2.npz").unlink()
    seen: list[str] = []
    again = movie("dvi", folder=tmp_path, progress=lambda what, share: seen.append(what))
    np.testing.assert_array_equal(again.positions, whole.positions)
    assert not any("epoch 1" in what for what in seen)
    assert any("epoch 2" in what for what in seen)


def test_timevis_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = movie("timevis")
    trained = []

    def stop(what: str, share: float) -> None:
        if what == "training":
            trained.append(share)
        if len(trained) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        movie("timevis", folder=tmp_path, progress=stop)
    seen: list[tuple[str, float]] = []
    again = movie(
        "timevis", folder=tmp_path, progress=lambda what, share: seen.append((what, share))
    )
    np.testing.assert_array_equal(again.positions, whole.positions)
    assert seen[0] == ("training", trained[-1])  # neither the graphs nor three of the passes


def test_timevis_goes_on_with_the_graphs_that_are_there(tmp_path: Path) -> None:
    def stop(what: str, share: float) -> None:
        if what == "epoch 2: neighbours":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        movie("timevis", folder=tmp_path, progress=stop, passes=1)
    seen: list[str] = []
    again = movie(
        "timevis", folder=tmp_path, progress=lambda what, share: seen.append(what), passes=1
    )
    np.testing.assert_array_equal(again.positions, movie("timevis", passes=1).positions)
    assert seen[0] == "epoch 2: neighbours"


@pytest.mark.slow
def test_dvi_takes_one_more_epoch() -> None:
    short = travel.build(
        FRAMES[:2], LABELS, (HEADS[0][:2], HEADS[1][:2]), "dvi", device="cpu", **QUICK["dvi"]
    )
    longer = short.extended(FRAMES[2], (HEADS[0][2], HEADS[1][2]))
    np.testing.assert_array_equal(longer.positions[:2], short.positions)
    assert np.isfinite(longer.positions[2]).all()
    with pytest.raises(UsageError, match="fits all epochs together"):
        movie("timevis").extended(FRAMES[2], (HEADS[0][2], HEADS[1][2]))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dvi", "timevis"])
@pytest.mark.parametrize("kind", ["none", "function", "one logit"])
def test_other_heads(method: str, kind: str) -> None:
    weights = HEADS[0].astype(np.float32)
    heads: Any = {
        "none": None,
        "function": lambda x, epoch: x @ weights[epoch].T,
        "one logit": (weights[:, :1], np.zeros((3, 1))),
    }[kind]
    found = movie(method, heads=heads, passes=1)
    assert np.isfinite(found.positions).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dvi", "timevis"])
def test_what_is_not_finite_is_left_out(method: str) -> None:
    broken = FRAMES.copy()
    broken[1, 7] = np.nan
    found = travel.build(broken, LABELS, HEADS, method, device="cpu", passes=1)
    assert np.isnan(found.positions[1, 7]).all()
    assert np.isfinite(np.delete(found.positions, 7, axis=1)).all()


def test_attention_of_a_linear_head() -> None:
    weights = torch.tensor([[[3.0, 0.0], [0.0, -1.0], [0.0, 0.0]]])
    top = torch.tensor([[0, 1], [1, 2]])
    vertices = Vertices(torch.zeros(2, 2), weights, torch.zeros(2, dtype=torch.long), top)
    found = vertices.emphasis(torch.arange(2))
    assert found is not None
    # (|3| + |0|, |0| + |-1|) and (0, 1): the first feature decides, then the second
    torch.testing.assert_close(found, torch.tensor([[2.0, 1.0], [1.0, 2.0]]))


def test_the_reconstruction_is_weighted_by_the_attention() -> None:
    rows = torch.from_numpy(FRAMES[0, :2])
    weights = torch.zeros(1, 2, 32)
    weights[0, :, 5] = 3.0  # both classes hang on the sixth feature alone
    top, none = torch.tensor([[0, 1], [1, 0]]), torch.zeros(2, dtype=torch.long)
    model = Autoencoder(32, 1, generator(0))
    first, second = torch.tensor([0, 0, 0]), torch.tensor([1, 1, 1])
    schedule = Schedule(1, 1, 0.0, 1e-3, 1, 1.0, False, reconstruction=2.0)

    def loss(vertices: Vertices) -> float:
        return float(
            edge_training._loss(model, vertices, first, second, schedule, generator(1)).detach()
        )

    with torch.no_grad():
        wrong = (model.decode(model.encode(rows)) - rows).square()
    # attention 1 at the sixth feature doubles its error, in the mean of 32 features and 2 ends
    more = loss(Vertices(rows, weights, none, top)) - loss(Vertices(rows))
    assert more == pytest.approx(2.0 * float(wrong[:, 5].mean()) / 32, rel=1e-3)


def test_leaving_the_weights_of_the_epoch_before_costs_their_squared_distance() -> None:
    model = Autoencoder(4, 1, generator(0))
    cost = dvi._anchor(model, 0.5)
    assert cost().item() == 0.0
    with torch.no_grad():
        for p in model.parameters():
            p.add_(2.0)
    count = sum(p.numel() for p in model.parameters())
    assert cost().item() == pytest.approx(0.5 * 4.0 * count, rel=1e-5)
    assert dvi._anchor(model, 0.0) is None


def test_share_of_neighbours_of_samples_that_both_epochs_have() -> None:
    before = np.array([[1, 2], [0, 2], [-1, -1], [0, 1]])
    now = np.array([[2, 3], [3, 2], [0, 1], [-1, -1]])
    assert dvi._shared(before, now) == 0.5
    assert dvi._shared(None, now) == 0.0


def test_what_stands_still_moves_less_by_the_temporal_loss() -> None:
    still = FRAMES.copy()
    still[1] = still[0]

    def moved(**options: Any) -> float:
        steps = travel.build(still[:2], method="dvi", device="cpu", passes=8, **options).positions
        return float(np.linalg.norm(steps[1] - steps[0], axis=1).mean() / steps[0].std())

    assert moved() < 0.7 * moved(temporal=0.0)


def test_epochs_without_common_neighbours_are_not_held_together() -> None:
    apart = FRAMES[:2].copy()
    apart[0, 120:], apart[1, :120] = np.nan, np.nan
    with_loss, without = (
        travel.build(apart, method="dvi", device="cpu", passes=1, temporal=weight).positions
        for weight in (0.3, 0.0)
    )
    np.testing.assert_array_equal(with_loss, without)


def test_dvi_draws_edges_down_to_a_tenth_of_the_strongest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []

    def instead(model: Any, vertices: Any, edges: Edges, repeats: int, *_: Any, **__: Any) -> None:
        seen.append((edges.weights, repeats))

    monkeypatch.setattr(dvi, "train", instead)
    movie("dvi")
    for weights, repeats in seen:
        assert repeats == 10
        assert 0.1 <= weights.min() < 0.12
        assert weights.max() == 1.0


def test_stronger_edges_take_no_draws_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def instead(model: Autoencoder, _: Any, first: torch.Tensor, *__: Any) -> torch.Tensor:
        drawn.extend(first.tolist())
        return next(model.parameters()).sum()

    monkeypatch.setattr(edge_training, "_loss", instead)
    edges = Edges(np.array([0, 1]), np.array([1, 0]), np.array([1.0, 2.0], dtype=np.float32))
    schedule = Schedule(1, 1, 0.0, 1e-3, 1, 1.0, False, 1.0)
    model = Autoencoder(4, 1, generator(0))
    edge_training.train(model, Vertices(torch.zeros(2, 4)), edges, 5, schedule, generator(0))
    assert sorted(drawn) == [0] * 5 + [1] * 10


def edges_of_timevis(monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Vertices, Edges]:
    """The graph that the autoencoder is to be trained on."""
    seen: list[Any] = []

    def instead(model: Autoencoder, vertices: Vertices, edges: Edges, *_: Any, **__: Any) -> None:
        seen.extend((vertices, edges))

    with monkeypatch.context() as patch:
        patch.setattr(timevis, "train", instead)
        travel.build(SLOW, LABELS, HEADS, "timevis", device="cpu", **options)
    return seen[0], seen[1]


def test_timevis_joins_a_sample_to_itself_at_other_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, edges = edges_of_timevis(monkeypatch)
    assert vertices.of is not None
    epoch, rows = vertices.of.numpy(), vertices.rows.numpy()
    mean, spread = common_scale(Frames(SLOW))
    every = (SLOW - mean) / np.float32(spread)
    sample = np.array(
        [
            np.linalg.norm(every[at] - row, axis=1).argmin()
            for at, row in zip(epoch, rows, strict=True)
        ]
    )
    over = epoch[edges.first] != epoch[edges.second]
    assert set(sample[edges.first[over]]) == set(range(240))
    np.testing.assert_array_equal(sample[edges.first[over]], sample[edges.second[over]])
    # drawn up to twice as often as others, and left out below a tenth of the strongest
    strongest = edges.weights[over].max()
    assert 1.0 < strongest <= 2.0
    assert edges.weights[over].min() >= strongest / 10
    assert edges.weights[~over].max() == 1.0
    assert edges.weights[~over].min() >= 1 / 5
    _, alone = edges_of_timevis(monkeypatch, temporal=0.0)
    assert (epoch[alone.first] == epoch[alone.second]).all()


def test_border_points_of_timevis_are_joined_as_borders_only() -> None:
    samples, options = np.arange(100), timevis.Options()
    heads = LinearHeads(HEADS[0].astype(np.float32), HEADS[1].astype(np.float32), "softmax")
    part = timevis._epoch(FRAMES[1, :100], FRAMES[1], heads, 1, samples, options, 0)
    borders = len(part.points) - 100
    assert 12 < borders <= 24  # a tenth of the 240 samples, less those that were not found
    assert max(part.spatial.first.max(), part.spatial.second.max()) < 100
    assert (np.maximum(part.boundary.first, part.boundary.second) >= 100).all()


def test_loss_of_edges() -> None:
    together = torch.zeros(50, 2)
    apart = torch.stack([torch.arange(50.0), torch.zeros(50)], dim=1) * 10
    near = cross_entropy(apart, apart + 0.01, generator(0))
    far = cross_entropy(apart, apart.flip(0), generator(0))
    heap = cross_entropy(together, together, generator(0))
    assert near < 0.5
    assert far > near
    assert heap > near


def test_rates_of_the_schedules() -> None:
    once = Schedule(20, 3, 0.01, 1e-3, 8, 0.1, False, 1.0)
    again = Schedule(20, 3, 0.01, 1e-2, 4, 0.1, True, 1.0)
    assert [once.rate_at(e) for e in (0, 7, 8, 16)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    assert [again.rate_at(e) for e in (0, 3, 4, 8)] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-4])
