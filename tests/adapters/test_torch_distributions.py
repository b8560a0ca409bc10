"""Distributions of activations, weights and gradients of PyTorch models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.adapters.torch_loop import watched
from trema.adapters.torch import reduce as ours
from trema.core import reduce as reference
from trema.core.facts import Fact


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1,), (7, 3), (64, 3, 17, 16), (128, 64), (4097,)])
def test_quantiles_agree_with_the_numpy_reference(shape: tuple[int, ...], dtype: Any) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    sample = ours.sample(x)
    assert sample is not None
    (host,) = ours.to_host([sample])
    plain = x.double().numpy()  # halves have no NumPy form, doubles hold them exactly
    np.testing.assert_array_equal(reference.sample_quantiles(host), reference.quantiles(plain))
    x = x.movedim(0, -1).contiguous().movedim(-1, 0)  # the same values, elsewhere in memory
    again = ours.sample(x)
    assert again is not None
    assert torch.equal(sample, again)


def test_a_sample_is_a_copy_and_of_plain_numbers_only() -> None:
    x = torch.zeros(10)
    sample = ours.sample(x)
    x += 1
    assert sample is not None
    assert float(sample.sum()) == 0
    assert ours.sample(torch.eye(3).to_sparse()) is None
    assert ours.sample(torch.zeros(3, dtype=torch.int64)) is None
    assert ours.to_host([]) == []


def test_distributions_are_taken_at_every_fourth_sampled_step() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 2))
    x = torch.randn(16, 6, generator=torch.Generator().manual_seed(2))
    history = watched(model, x, torch.arange(16) % 2, steps=9)
    for fact, names in (
        (Fact.ACTIVATION_QUANTILES, ("0", "1", "2")),
        (Fact.WEIGHT_QUANTILES, tuple(n for n, _ in model.named_parameters())),
        (Fact.GRADIENT_QUANTILES, tuple(n for n, _ in model.named_parameters())),
    ):
        assert set(history.names(fact)) == set(names)
        for name in names:
            steps, values = history.array(fact, name)
            assert steps.tolist() == [0, 4, 8]
            assert values.shape == (3, len(reference.QUANTILES))
            assert (np.diff(values, axis=1) >= 0).all()
    before, after = (history.array(Fact.ACTIVATION_QUANTILES, n)[1] for n in "01")
    assert before.min() < 0  # in spite of the ReLU that overwrites it
    assert after.min() == 0
    weight = next(model.parameters()).detach().numpy()  # after the last step, as is the fact
    _, values = history.array(Fact.WEIGHT_QUANTILES, "0.weight")
    np.testing.assert_array_equal(values[-1], reference.quantiles(weight))


def test_non_finite_values_are_left_out_of_distributions() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 2))
    x = torch.randn(16, 6)
    x[:8] = float("inf")
    history = watched(model, x, torch.arange(16) % 2, steps=5)
    assert np.isfinite(history.array(Fact.ACTIVATION_QUANTILES, "0")[1][0]).all()
    _, gradients = history.array(Fact.GRADIENT_QUANTILES, "0.weight")
    assert np.isnan(gradients).all()
