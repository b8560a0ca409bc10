"""Findings silenced in the code, by the settings and by people, over real runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.test_cli import script, trema, validated

pytestmark = pytest.mark.slow

PROGRAM = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(256, 20) * 255.0
y = (x[:, 0] > 128).long()
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.9), nn.Linear(64, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for i in range(0, 256, 32):
    # trema: ignore[input-scale] the sensor is read as it is
    loss = nn.functional.cross_entropy(model(x[i : i + 32]), y[i : i + 32])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_all_that_is_muted_is_listed(tmp_path: Path) -> None:
    name = script(tmp_path, PROGRAM)
    (tmp_path / "trema.toml").write_text('ignore = ["high-dropout"]\n', encoding="utf-8")
    done = trema("run", "--json", "f.json", name, cwd=tmp_path)
    assert "inputs are not scaled" not in done.stderr
    assert "2 muted (1 by config, 1 by comment)" in " ".join(done.stderr.split())
    document = validated(tmp_path / "f.json")
    assert document["run"]["config"]["file"] == "trema.toml"
    assert {"input-scale", "high-dropout"}.isdisjoint(f["check"] for f in document["findings"])
    assert {"input-scale", "high-dropout"}.isdisjoint(document["clear"])
    by_config, by_comment = document["muted"]
    assert by_config | {"by": "config", "check": "high-dropout"} == by_config
    assert by_config["reason"] == "ignored in trema.toml"
    assert by_comment["by"] == "comment"
    assert by_comment["check"] == "input-scale"
    assert by_comment["where"] == "train.py:12"
    assert by_comment["reason"] == "the sensor is read as it is"
    shown = trema("show", "last", cwd=tmp_path).stdout
    assert "muted by comment: input-scale at train.py:12: the sensor" in shown
    assert "muted by config: high-dropout" in shown


def test_a_comment_for_another_check_mutes_nothing_and_a_wrong_id_is_told(tmp_path: Path) -> None:
    text = PROGRAM.replace("ignore[input-scale]", "ignore[input-scales]")
    trema("run", "--quiet", "--json", "f.json", script(tmp_path, text), cwd=tmp_path)
    document = validated(tmp_path / "f.json")
    assert {"input-scale", "high-dropout"} <= {f["check"] for f in document["findings"]}
    assert document["muted"] == []
    (note,) = document["run"]["notes"]
    assert note.startswith("train.py:11 mutes 'input-scales', but that is no check")
    assert "did you mean 'input-scale'" in note


def test_the_journal_lists_them_too(tmp_path: Path) -> None:
    text = PROGRAM + "\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    trema("run", "--quiet", script(tmp_path, text), cwd=tmp_path)
    document = json.loads(trema("show", "last", "--json", cwd=tmp_path).stdout)
    assert document["run"]["state"] == "killed"
    assert "input-scale" not in {f["check"] for f in document["findings"]}
    assert [(m["check"], m["by"]) for m in document["muted"]] == [("input-scale", "comment")]
