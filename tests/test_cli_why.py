"""``trema why`` over real runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.test_cli import script, trema

pytestmark = pytest.mark.slow

UNSCALED = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(256, 20) * 255.0
y = (x[:, :1] > 128).float() * 100
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(0, 256, 32):
    loss = nn.functional.mse_loss(model(x[i : i + 32]), y[i : i + 32])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_a_nan_leads_to_the_inputs(tmp_path: Path) -> None:
    trema("run", "--quiet", script(tmp_path, UNSCALED), cwd=tmp_path)
    said = trema("why", "last", "loss-nan", cwd=tmp_path).stdout
    assert said.startswith("the loss blew up; fix first: inputs are not scaled")
    assert "because" in said
    assert "train.py:11" in said
    answer = json.loads(trema("why", "last", "loss-nan", "--json", cwd=tmp_path).stdout)
    checks = [finding["check"] for finding in answer["chains"][0]]
    assert (checks[0], checks[-1]) == ("nonfinite-loss", "input-scale")
    assert answer["seen"]
    assert answer["explained"]
    unseen = trema("why", "train", "overfitting", cwd=tmp_path).stdout
    assert "no gap between training and validation was seen" in unseen
    assert "could not be assessed: overfitting" in unseen
    wrong = trema("why", "last", "nan", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "there is no symptom 'nan'" in wrong.stderr
