"""What a run depends on beside its code is recorded, and nothing is drawn for it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from trema.core.config import Config
from trema.core.facts import RunInfo
from trema.engine.reproducibility import record, reproducible, versions
from trema.engine.session import Session
from trema.source.randomness import random_choices

SOURCE = """
import numpy as np, torch
torch.manual_seed(3)
rng = np.random.default_rng(seed=SEED)
train, test = train_test_split(x, y, random_state=42, shuffle=True)
set_seed(int(args.seed))
print("seed(3)")
"""


def test_equal_seeds_give_equal_states_and_reading_draws_nothing() -> None:
    torch = pytest.importorskip("torch")
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    first = record()
    assert first == record()
    assert first["seed of torch"] == "3"
    random.random()
    second = record()
    assert {name for name in first if first[name] != second[name]} == {"random state of python"}
    np.random.rand()
    torch.rand(1)
    third = record()
    changed = {name for name in second if second[name] != third[name]}
    assert changed == {"random state of numpy", "random state of torch"}
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    assert record() == first


def test_the_seed_of_keras() -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(11)
    assert record()["seed of keras"] == "11"


def test_versions_of_what_is_loaded() -> None:
    found = versions()
    assert {"python", "system", "numpy"} <= set(found)
    assert all(isinstance(value, str) for value in found.values())


def test_random_choices_of_the_source() -> None:
    assert random_choices({"train.py": SOURCE, "broken.py": "seed(", "other.py": "x = 1"}) == {
        "train.py:3": "torch.manual_seed(3)",
        "train.py:4": "np.random.default_rng(seed=SEED)",
        "train.py:5": "train_test_split(random_state=42)",
        "train.py:6": "set_seed(int(args.seed))",
    }


def test_a_segment_records_it(tmp_path: Path) -> None:
    session = Session("t", Config(dir=str(tmp_path), strict=True))
    session.sources = lambda: {"train.py": SOURCE}
    segment = session.open_segment(RunInfo(versions={"torch": "mine"}))
    assert segment.info.versions["torch"] == "mine"
    assert segment.info.versions["numpy"] == np.__version__
    found = segment.info.reproducibility
    assert found["random choice at train.py:3"] == "torch.manual_seed(3)"
    assert "random state of numpy" in found
    session.finish()


def test_sources_that_fail_are_no_error() -> None:
    def broken() -> dict[str, str]:
        raise OSError

    assert "random state of numpy" in reproducible(RunInfo(), broken).reproducibility
